/* SPDX-License-Identifier: MIT */
#ifndef STINT_PROF_H
#define STINT_PROF_H

/* CPU samples of the process by itself, when its supervisor asks: see struct stint_profile_frame. */
#include <stdint.h>

struct stint_profile_frame;

extern uint32_t stn_prof_on; /* atomic; 1 = timers run or are to be cleared away */

/* @fd: taken; -1 = none came along */
void stn_prof_asked(const struct stint_profile_frame *frame, int fd);
void stn_prof_settle(void); /* clear away what is over */

/* Of the calling thread: it has begun, it ends. */
void stn_prof_begin_thread(void);
void stn_prof_end_thread(void);

void stn_prof_after_fork(void); /* AS-safe: the child is not sampled */

static inline void
stn_prof_thread_begins(void)
{
    if (__atomic_load_n(&stn_prof_on, __ATOMIC_RELAXED))
        stn_prof_begin_thread();
}

static inline void
stn_prof_thread_ends(void)
{
    if (__atomic_load_n(&stn_prof_on, __ATOMIC_RELAXED))
        stn_prof_end_thread();
}

#endif
