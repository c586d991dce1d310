/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

/*
 * Mutexes and semaphores. Nothing but an unlock or a post ends libc's waits, and a post made up
 * for a cancel would be a unit too many that another waiter may take. Where the word that libc
 * waits on is known we wait on it ourselves, and on the token's with it (wait_libc.c). Elsewhere,
 * as for robust mutexes and those that inherit priorities, libc waits in slices, and the token is
 * looked at between them: longer ones the longer it takes, since short waits are the many.
 */
#define SLICE_FIRST_US 1000
#define SLICE_LAST_US  50000
#define SLICE_NONE_US  INT64_C(3600000000) /* with no token to look at */

#if STN_LOCK_CLOCKS
static struct timespec
timespec_of(int64_t us)
{
    if (us < 0)
        us = 0;
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

static int
mutex_try_until(pthread_mutex_t *mutex, int64_t until_us)
{
    struct timespec at = timespec_of(until_us);
    int r = pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &at);

    if (r != EINVAL)
        return r;
    /* A mutex that inherits priorities, on a kernel before 5.14, knows the wall clock alone. */
    at = stn_realtime(until_us);
    return pthread_mutex_timedlock(mutex, &at);
}

static int
sem_try_until(sem_t *sem, int64_t until_us)
{
    struct timespec at = timespec_of(until_us);

    return sem_clockwait(sem, CLOCK_MONOTONIC, &at) == 0 ? 0 : errno;
}
#else
static int
mutex_try_until(pthread_mutex_t *mutex, int64_t until_us)
{
    struct timespec at = stn_realtime(until_us);

    return pthread_mutex_timedlock(mutex, &at);
}

static int
sem_try_until(sem_t *sem, int64_t until_us)
{
    struct timespec at = stn_realtime(until_us);

    return sem_timedwait(sem, &at) == 0 ? 0 : errno;
}
#endif

/* When to look next; *@slice grows. */
static int64_t
next_look(struct stint_token *token, int64_t now_us, int64_t abs_us, int64_t *slice)
{
    int64_t until = now_us + (token ? *slice : SLICE_NONE_US),
            deadline = stint_token_deadline(token);

    *slice = *slice < SLICE_LAST_US / 2 ? *slice * 2 : SLICE_LAST_US;
    if (abs_us < until)
        until = abs_us;
    if (deadline < until)
        until = deadline;
    return until > now_us ? until : now_us;
}

static int
mutex_lock(struct stint_token *token, pthread_mutex_t *mutex, int64_t abs_us)
{
    int64_t slice = SLICE_FIRST_US;
    int r, err;

    for (;;) {
        int64_t now = stint_now_us();

        r = mutex_try_until(mutex, next_look(token, now, abs_us, &slice));
        if (r != 0 && r != ETIMEDOUT)
            return -r;
        err = stint_token_err(token);
        if (err < 0 && r == 0)
            (void)pthread_mutex_unlock(mutex); /* just locked by us */
        if (err < 0 || r == 0)
            return err;
        if (stint_now_us() >= abs_us)
            return -ETIMEDOUT;
        stn_entry();
    }
}

int
stint_mutex_lock(struct stint_token *token, pthread_mutex_t *mutex, int64_t abs_us)
{
    static uint32_t site;
    struct stint_block block;
    int err = stint_token_err(token);
    int r = err < 0 ? 0 : pthread_mutex_trylock(mutex);

    if (err < 0 || r != EBUSY) /* the uncontended one costs a load more than pthread's */
        return err < 0 ? err : -r;
    stn_entry();
    block = stn_wait_enter(&site, "for a mutex", mutex);
    if (token && stn_mutex_known(mutex))
        r = stn_mutex_wait(token, mutex, abs_us);
    else
        r = mutex_lock(token, mutex, abs_us);
    stint_block_leave(&block);
    return r;
}

static int
sem_lock(struct stint_token *token, sem_t *sem, int64_t abs_us)
{
    int64_t slice = SLICE_FIRST_US;
    int r, err;

    for (;;) {
        int64_t now = stint_now_us();

        r = sem_try_until(sem, next_look(token, now, abs_us, &slice));
        if (r != 0 && r != ETIMEDOUT && r != EINTR)
            return -r;
        err = stint_token_err(token);
        if (err < 0 && r == 0 && sem_post(sem) == -1)
            return 0; /* full again meanwhile: then it is ours after all */
        if (err < 0 || r == 0)
            return err;
        if (stint_now_us() >= abs_us)
            return -ETIMEDOUT;
        stn_entry();
    }
}

int
stint_sem_wait(struct stint_token *token, sem_t *sem, int64_t abs_us)
{
    static uint32_t site;
    struct stint_block block;
    int err = stint_token_err(token), state, r;

    if (err < 0)
        return err;
    if (sem_trywait(sem) == 0)
        return 0;
    if (errno != EAGAIN && errno != EINTR)
        return -errno;
    stn_entry();
    state = stn_cancel_hold();
    block = stn_wait_enter(&site, "for a semaphore", sem);
    if (token && stn_sem_known(sem))
        r = stn_sem_wait(token, sem, abs_us);
    else
        r = sem_lock(token, sem, abs_us);
    stint_block_leave(&block);
    stn_cancel_let(state);
    return r;
}
