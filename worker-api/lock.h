/* SPDX-License-Identifier: MIT */
#ifndef STINT_LOCK_H
#define STINT_LOCK_H

/* A futex lock whose trylock is async-signal-safe, and the futex waits of the library. */
#include <stdbool.h>
#include <stdint.h>

/* Zero is unlocked. Not recursive, no owner: a signal handler only ever tries. */
struct lock {
    uint32_t word; /* 0 free, 1 held, 2 held and somebody sleeps */
};

bool stn_lock_try(struct lock *lock); /* AS-safe */
void stn_lock_take(struct lock *lock);
void stn_lock_give(struct lock *lock); /* AS-safe */

/* futex_wait_until - sleep while *@word == @value, until @abs_us at the latest (STINT_NEVER: for ever).
 * Wakes spuriously. Return: 0, or -ETIMEDOUT. */
int stn_futex_wait_until(uint32_t *word, uint32_t value, int64_t abs_us);

void stn_futex_wake_one(uint32_t *word); /* AS-safe */
void stn_futex_wake_all(uint32_t *word); /* AS-safe */

/*
 * A pthread_cancel() that acts while a lock is held takes the lock along, and every other thread
 * waits for ever. So nothing below is a cancellation point; where libc's own calls are needed, the
 * cancel waits: state = stn_cancel_hold(); ... stn_cancel_let(state). Those two are not AS-safe.
 */
int stn_cancel_hold(void);
void stn_cancel_let(int state);
void stn_eventfd_fire(int fd); /* readable from now on; AS-safe */
void stn_close(int fd);        /* AS-safe */

#endif
