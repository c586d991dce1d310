/* SPDX-License-Identifier: MIT */
#include "worker-api/lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/stint.h"

static long
futex(uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, until, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}

bool
stn_lock_try(struct lock *lock)
{
    uint32_t free_word = 0;

    /* seq_cst: pairs with the handler's "push, then try" (cancel.c). */
    return __atomic_compare_exchange_n(&lock->word, &free_word, 1, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

void
stn_lock_take(struct lock *lock)
{
    if (stn_lock_try(lock))
        return;
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_SEQ_CST) != 0)
        (void)futex(&lock->word, FUTEX_WAIT_BITSET, 2, NULL); /* any wake-up: look again */
}

void
stn_lock_give(struct lock *lock)
{
    if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_SEQ_CST) == 2)
        (void)futex(&lock->word, FUTEX_WAKE, 1, NULL); /* nobody there is fine */
}

int
stn_futex_wait_until(uint32_t *word, uint32_t value, int64_t abs_us)
{
    struct timespec until;

    if (abs_us < 0)
        abs_us = 0;
    until.tv_sec = abs_us / 1000000;
    until.tv_nsec = abs_us % 1000000 * 1000;
    if (futex(word, FUTEX_WAIT_BITSET, value, abs_us == STINT_NEVER ? NULL : &until) == -1 &&
        errno == ETIMEDOUT)
        return -ETIMEDOUT;
    return 0;
}

void
stn_futex_wake_one(uint32_t *word)
{
    (void)futex(word, FUTEX_WAKE, 1, NULL); /* nobody there is fine */
}

void
stn_futex_wake_all(uint32_t *word)
{
    (void)futex(word, FUTEX_WAKE, INT_MAX, NULL); /* nobody there is fine */
}

int
stn_cancel_hold(void)
{
    int state;

    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* cannot fail */
    return state;
}

void
stn_cancel_let(int state)
{
    (void)pthread_setcancelstate(state, NULL); /* it was in force before */
}

/* syscall(), unlike write() and close(), is no cancellation point. */
void
stn_eventfd_fire(int fd)
{
    const uint64_t one = 1;

    (void)syscall(SYS_write, fd, &one, sizeof(one)); /* EAGAIN: it is readable as it is */
}

void
stn_close(int fd)
{
    (void)syscall(SYS_close, fd); /* gone in any case */
}
