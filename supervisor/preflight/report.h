/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_REPORT_H
#define STINT_PREFLIGHT_REPORT_H

/* Private to preflight/: how a check comes to its result. Failed once is failed; sentences add up. */
#include "supervisor/preflight/preflight.h"

__attribute__((format(printf, 3, 4))) void check_pass(struct preflight_report *r, enum check c,
                                                      const char *evidence, ...);
/* @fix: what to do about it; said once, however often the same is found */
__attribute__((format(printf, 4, 5))) void check_fail(struct preflight_report *r, enum check c,
                                                      const char *fix, const char *evidence, ...);
/* Only where nothing was said yet. */
__attribute__((format(printf, 3, 4))) void check_skip(struct preflight_report *r, enum check c,
                                                      const char *why, ...);

#endif
