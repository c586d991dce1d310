/* SPDX-License-Identifier: MIT */
#ifndef STINT_WAIT_H
#define STINT_WAIT_H

/* What the waits of the library share: wait*.c, and who wakes them (callback.c). Not installed. */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "worker-api/state.h"

/* What one C library has and others do not is asked for here; as glibc's own __GLIBC_PREREQ, anywhere. */
#ifdef __GLIBC__
#define STN_GLIBC(major, minor) __GLIBC_PREREQ(major, minor)
#else
#define STN_GLIBC(major, minor) 0
#endif

/* Whether libc's waits take CLOCK_MONOTONIC. ThreadSanitizer knows the older names of those for locks only, and
 * would not see the lock taken. */
#define STN_CLOCKS STN_GLIBC(2, 30)
#if defined(__SANITIZE_THREAD__)
#define STN_LOCK_CLOCKS 0
#else
#define STN_LOCK_CLOCKS STN_CLOCKS
#endif

/* realtime - @abs_us of CLOCK_MONOTONIC by the wall clock, as that stands now; in the past: at once. */
static inline struct timespec
stn_realtime(int64_t abs_us)
{
    int64_t in_us = abs_us - stint_now_us(), at_us;
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    at_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + (in_us > 0 ? in_us : 0);
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

/* wait_word.c: sleep while *@word == @value and @token (NULL: none) is live, until @abs_us at the
 * latest. Exact: a cancel is never missed. Wakes spuriously. */
void stn_word_wait(uint32_t *word, uint32_t value, struct token *token, int64_t abs_us);

/* wait_libc.c: the waits of wait_lock.c that know libc's words. A cancel is noticed at once. Return: as
 * stint_mutex_lock() and stint_sem_wait(). */
bool stn_mutex_known(const pthread_mutex_t *mutex);
int stn_mutex_wait(struct stint_token *token, pthread_mutex_t *mutex, int64_t abs_us);
bool stn_sem_known(const sem_t *sem);
int stn_sem_wait(struct stint_token *token, sem_t *sem, int64_t abs_us);

/* wait_io.c */
void stn_turns_after_fork(void);

/* A cancel from a signal handler runs no callbacks, and nobody reads frames while all threads wait:
 * the listener does both. Without it somebody has to look every so often. */
static inline bool
stn_has_listener(void)
{
    return stn.nudge_fd >= 0;
}

/* A wait of the library's says what it is in the slot, unless the caller said it better by STINT_BLOCK. */
static inline struct stint_block
stn_wait_enter(uint32_t *site, const char *text, const void *object)
{
    const struct stint_wait_cell *cell = stint_wait_cell;

    if (!cell || cell->site != 0)
        return (struct stint_block){.cell = NULL};
    return stn_block_enter(site, STINT_SITE_WAIT, text, (uint64_t)(uintptr_t)object);
}

/* callback.c */
bool stn_callbacks_hold(void); /* this thread runs no callbacks of the user's until .. */
void stn_callbacks_let(bool before);

/*
 * wake_arm - have @r->fn(@r->arg) called when @r->token is cancelled; false: it is already.
 * @r is the waiter's, usually on its stack, all zero but for token, fn, arg and `wake` = true; it ends
 * with stint_registration_remove(), which leaves the memory alone. Wakes run before callbacks of the
 * user's, and also where those are held; so they must not wait for anything that such a one may hold.
 */
bool stn_wake_arm(struct stint_registration *r);

#endif
