/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_PROFILES_H
#define STINT_PREFLIGHT_PROFILES_H

/* Private to preflight/: can the profiles that `profiling` allows really be had? */
struct cage;
struct preflight_report;

/*
 * profiles_judge - take one of each kind that is on, by `stint profile`, this program. Says what came of
 * it to CHECK_PROFILING. Return: 0 or -EINTR.
 */
int profiles_judge(const struct cage *c, struct preflight_report *r);

#endif
