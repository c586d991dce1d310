/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_METRICS_H
#define STINT_IO_MASTER_METRICS_H

/* As options of the operator; @env is the master. */
struct metrics;
struct metrics_service;
struct service;

/* metrics_of_stint - all but the services; @ret is zeroed. */
void metrics_of_stint(void *env, struct metrics *ret);
/* metrics_of_service - a few system calls for each of its processes. @ret is zeroed. */
void metrics_of_service(void *env, const struct service *s, struct metrics_service *ret);

#endif
