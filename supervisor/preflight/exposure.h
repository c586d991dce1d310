/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_EXPOSURE_H
#define STINT_PREFLIGHT_EXPOSURE_H

/* Private to preflight/: what of a service can be reached, and does it give out profiles to anybody. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "supervisor/preflight/listening.h"

struct cage;
struct preflight_report;

/**
 * exposure_judge - look at all sockets of @tree that take connections in, and ask each of them for
 * what a profiler would give. Says what it finds to CHECK_PROFILING.
 *
 * Return: 0; -EINTR; a negative errno: it may not be looked at, and that was said.
 */
int exposure_judge(const struct cage *c, const pid_t *tree, size_t n, struct preflight_report *r);

/* exposure_is_profile - is @body, the answer to @path, a profile, or a page of them? Pure. */
bool exposure_is_profile(const char *path, const char *body, size_t bytes, const char *program);

#endif
