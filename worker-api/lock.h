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

void stn_futex_wake_all(uint32_t *word); /* AS-safe */

#endif
