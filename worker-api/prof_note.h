/* SPDX-License-Identifier: MIT */
#ifndef STINT_PROF_NOTE_H
#define STINT_PROF_NOTE_H

/* What prof.c and the handler share: the ring. */
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker-api/wire.h"

void stn_prof_on_tick(int signo, siginfo_t *info, void *context);

/* prof_able - can a sample be taken on this machine? Return: 0 or -ENOSYS. */
int stn_prof_able(void);

/* prof_open - map the ring; samples are taken from now on. NULL: it is none, or too small. */
struct stint_profile_header *stn_prof_open(int fd, off_t bytes, int64_t until_us);
struct stint_profile_header *stn_prof_ring(void); /* NULL = none */
int64_t stn_prof_until(void);
void stn_prof_close(void);  /* waits for handlers that are at it */
void stn_prof_forget(void); /* in a child, where it is not mapped. AS-safe */

#endif
