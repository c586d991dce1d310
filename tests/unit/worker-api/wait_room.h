/* SPDX-License-Identifier: MIT */
#ifndef STINT_TESTS_WAIT_ROOM_H
#define STINT_TESTS_WAIT_ROOM_H

/* A condition variable and somebody who waits on it: for the tests of stint_cond_wait(). */
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "tests/unit/worker-api/master.h"

/* One condition variable, and a thread that waits on it. Everything plain is under the mutex. */
struct room {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct stint_token *token; /* the waiter's; may be NULL */
    int64_t until;
    bool waits, wanted;
    int result;
    bool held; /* the waiter had the mutex afterwards */
    struct stint_thread *thread;
};

static inline void
room_up(struct room *room, clockid_t clock, int type, int robust)
{
    pthread_condattr_t cond;
    pthread_mutexattr_t mutex;

    memset(room, 0, sizeof(*room));
    room->until = STINT_NEVER;
    ck_assert_int_eq(pthread_condattr_init(&cond), 0);
    ck_assert_int_eq(pthread_condattr_setclock(&cond, clock), 0);
    ck_assert_int_eq(pthread_cond_init(&room->cond, &cond), 0);
    ck_assert_int_eq(pthread_mutexattr_init(&mutex), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&mutex, type), 0);
    ck_assert_int_eq(pthread_mutexattr_setrobust(&mutex, robust), 0);
    ck_assert_int_eq(pthread_mutex_init(&room->mutex, &mutex), 0);
}

static inline void
room_usual(struct room *room)
{
    room_up(room, CLOCK_REALTIME, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
}

static inline void
wait_in(void *arg)
{
    struct room *room = arg;
    int r = 0;

    ck_assert_int_eq(pthread_mutex_lock(&room->mutex), 0);
    room->waits = true;
    while (!room->wanted &&
           (r = stint_cond_wait(room->token, &room->cond, &room->mutex, room->until)) == 0)
        ;
    room->result = r;
    room->held = pthread_mutex_unlock(&room->mutex) == 0; /* error-checking: only the owner may */
}

/* Returns with the mutex held, and the waiter asleep: it gave the mutex up and has not left. */
static inline void
enter(struct room *room)
{
    ck_assert_int_eq(stint_thread_spawn(&room->thread, NULL, "waiter", wait_in, room), 0);
    for (bool waits = false; !waits;) {
        ck_assert_int_eq(pthread_mutex_lock(&room->mutex), 0);
        waits = room->waits;
        if (!waits)
            ck_assert_int_eq(pthread_mutex_unlock(&room->mutex), 0);
    }
}

static inline void
let_go(struct room *room)
{
    ck_assert_int_eq(pthread_mutex_unlock(&room->mutex), 0);
}

static inline void
expect(struct room *room, int result)
{
    ck_assert_int_eq(stint_thread_join(room->thread, NULL, soon()), 0);
    ck_assert_int_eq(room->result, result);
    ck_assert(room->held);
}

#endif
