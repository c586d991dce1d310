/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* What a thread waits for, and what came of it. */
struct wish {
    pthread_mutex_t *mutex; /* one of these three */
    sem_t *sem;
    struct stint_thread *other;
    struct stint_token *token;
    int64_t until;
    int result;
    int enters[2]; /* pipe: a byte just before the call */
    struct stint_thread *thread;
};

static void
want(void *arg)
{
    struct wish *w = arg;

    ck_assert_int_eq(write(w->enters[1], "x", 1), 1);
    if (w->mutex)
        w->result = stint_mutex_lock(w->token, w->mutex, w->until);
    else if (w->sem)
        w->result = stint_sem_wait(w->token, w->sem, w->until);
    else
        w->result = stint_thread_join(w->other, w->token, w->until);
}

static void
begin(struct wish *w)
{
    char byte;

    if (w->until == 0)
        w->until = STINT_NEVER;
    ck_assert_int_eq(pipe(w->enters), 0);
    ck_assert_int_eq(stint_thread_spawn(&w->thread, NULL, "wants", want, w), 0);
    ck_assert_int_eq(read(w->enters[0], &byte, 1), 1);
}

static void
expect(struct wish *w, int result)
{
    ck_assert_int_eq(stint_thread_join(w->thread, NULL, soon()), 0);
    ck_assert_int_eq(w->result, result);
    (void)close(w->enters[0]);
    (void)close(w->enters[1]);
}

static pthread_mutex_t
mutex_of(int type, int robust, int protocol)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;

    ck_assert_int_eq(pthread_mutexattr_init(&attr), 0);
    ck_assert_int_eq(pthread_mutexattr_settype(&attr, type), 0);
    ck_assert_int_eq(pthread_mutexattr_setrobust(&attr, robust), 0);
    ck_assert_int_eq(pthread_mutexattr_setprotocol(&attr, protocol), 0);
    ck_assert_int_eq(pthread_mutex_init(&mutex, &attr), 0);
    return mutex;
}

START_TEST(a_free_mutex_is_taken_and_a_cancelled_token_takes_none)
{
    pthread_mutex_t mutex =
        mutex_of(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    struct stint_token *token = stint_token_new(NULL, "lock");

    ck_assert_int_eq(stint_mutex_lock(token, &mutex, STINT_NEVER), 0);
    ck_assert_int_eq(stint_mutex_lock(token, &mutex, STINT_NEVER), -EDEADLK);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(stint_mutex_lock(NULL, &mutex, 0), 0); /* long past, and free */
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_mutex_lock(token, &mutex, STINT_NEVER), -ECANCELED);
    ck_assert_int_eq(pthread_mutex_trylock(&mutex), 0); /* it is free */
    stint_token_unref(token);
}
END_TEST

START_TEST(a_recursive_mutex_is_taken_twice)
{
    pthread_mutex_t mutex =
        mutex_of(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);

    ck_assert_int_eq(stint_mutex_lock(stint_root(), &mutex, STINT_NEVER), 0);
    ck_assert_int_eq(stint_mutex_lock(stint_root(), &mutex, STINT_NEVER), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
}
END_TEST

START_TEST(a_held_mutex_is_waited_for_until_cancel_or_time)
{
    int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT};
    int robusts[] = {PTHREAD_MUTEX_STALLED, PTHREAD_MUTEX_ROBUST};
    pthread_mutex_t mutex = mutex_of(PTHREAD_MUTEX_ERRORCHECK, robusts[_i / 2], protocols[_i % 2]);
    struct stint_token *token = stint_token_new(NULL, "lock");
    struct stint_token *brief = stint_token_with_deadline(NULL, "brief", stint_now_us() + 5000);
    struct wish cancelled = {.mutex = &mutex, .token = token};
    struct wish late = {.mutex = &mutex, .token = token, .until = stint_now_us() + 3000};
    struct wish deadline = {.mutex = &mutex, .token = brief};
    struct wish got = {.mutex = &mutex, .token = stint_root()};

    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    begin(&late);
    expect(&late, -ETIMEDOUT);
    ck_assert(!stint_token_cancelled(token));
    begin(&deadline);
    expect(&deadline, -ETIMEDOUT);
    ck_assert(stint_token_cancelled(brief));
    begin(&cancelled);
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    expect(&cancelled, -ECANCELED);
    begin(&got);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    expect(&got, 0); /* and it keeps it */
    ck_assert_int_eq(stint_mutex_lock(NULL, &mutex, stint_now_us() + 2000),
                     _i / 2 ? -EOWNERDEAD : -ETIMEDOUT);
    stint_token_unref(token);
    stint_token_unref(brief);
}
END_TEST

static void
die_with_it(void *arg)
{
    ck_assert_int_eq(pthread_mutex_lock(arg), 0);
}

START_TEST(a_dead_owner_is_told_of)
{
    pthread_mutex_t mutex = mutex_of(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
    struct stint_thread *thread;

    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "dies", die_with_it, &mutex), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(stint_mutex_lock(stint_root(), &mutex, STINT_NEVER), -EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(stint_mutex_lock(stint_root(), &mutex, STINT_NEVER), 0);
}
END_TEST

START_TEST(a_semaphore_is_waited_for_until_a_unit_a_cancel_or_the_time)
{
    struct stint_token *token = stint_token_new(NULL, "sem");
    int units = -1;
    sem_t sem;
    struct wish got = {.sem = &sem, .token = token};
    struct wish late = {.sem = &sem, .until = stint_now_us() + 3000};
    struct wish cancelled = {.sem = &sem, .token = token};

    ck_assert_int_eq(sem_init(&sem, 0, 1), 0);
    ck_assert_int_eq(stint_sem_wait(token, &sem, 0), 0);
    ck_assert_int_eq(stint_sem_wait(token, &sem, 0), -ETIMEDOUT);
    begin(&got);
    ck_assert_int_eq(sem_post(&sem), 0);
    expect(&got, 0);
    begin(&late);
    expect(&late, -ETIMEDOUT);
    begin(&cancelled);
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    expect(&cancelled, -ECANCELED);
    ck_assert_int_eq(sem_post(&sem), 0);
    ck_assert_int_eq(stint_sem_wait(token, &sem, 0), -ECANCELED); /* although there is one */
    ck_assert_int_eq(sem_getvalue(&sem, &units), 0);
    ck_assert_int_eq(units, 1);
    stint_token_unref(token);
}
END_TEST

/* ---- Join -------------------------------------------------------------------------------- */

static void
obey(void *arg)
{
    (void)stint_token_wait(arg, STINT_NEVER);
}

START_TEST(a_join_ends_with_the_token_and_the_handle_stays)
{
    struct stint_token *work = stint_token_new(NULL, "work");
    struct stint_token *patience = stint_token_new(NULL, "patience");
    struct stint_thread *worker;
    struct wish join = {.token = patience};

    ck_assert_int_eq(stint_thread_spawn(&worker, work, "worker", obey, work), 0);
    join.other = worker;
    begin(&join);
    if (_i == 0)
        stint_token_cancel(patience, STINT_CAUSE_USER, NULL);
    else
        stint_token_cancel_signal(patience);
    expect(&join, -ECANCELED);
    ck_assert_int_eq(stint_thread_join(worker, NULL, stint_now_us() + 1000), -ETIMEDOUT);
    ck_assert_int_eq(stint_thread_join(worker, patience, soon()), -ECANCELED);
    stint_token_cancel(work, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(worker, NULL, soon()), 0);
    ck_assert_int_eq(stint_thread_join(NULL, NULL, 0), -EINVAL);
    stint_token_unref(work);
    stint_token_unref(patience);
}
END_TEST

START_TEST(a_join_with_a_token_sees_the_end_of_the_thread)
{
    struct stint_token *work = stint_token_new(NULL, "work");
    struct stint_token *brief = stint_token_with_deadline(NULL, "brief", stint_now_us() + 3000);
    struct wish join = {.token = stint_root()};

    ck_assert_int_eq(stint_thread_spawn(&join.other, work, "worker", obey, work), 0);
    ck_assert_int_eq(stint_thread_join(join.other, brief, STINT_NEVER), -ETIMEDOUT);
    ck_assert(stint_token_cancelled(brief));
    begin(&join);
    stint_token_cancel(work, STINT_CAUSE_USER, NULL);
    expect(&join, 0);
    stint_token_unref(work);
    stint_token_unref(brief);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wait_lock");
    TCase *lock = tcase_create("lock");

    tcase_set_timeout(lock, 100);
    tcase_add_test(lock, a_free_mutex_is_taken_and_a_cancelled_token_takes_none);
    tcase_add_test(lock, a_recursive_mutex_is_taken_twice);
    tcase_add_loop_test(lock, a_held_mutex_is_waited_for_until_cancel_or_time, 0, 4);
    tcase_add_test(lock, a_dead_owner_is_told_of);
    tcase_add_test(lock, a_semaphore_is_waited_for_until_a_unit_a_cancel_or_the_time);
    tcase_add_loop_test(lock, a_join_ends_with_the_token_and_the_handle_stays, 0, 2);
    tcase_add_test(lock, a_join_with_a_token_sees_the_end_of_the_thread);
    suite_add_tcase(suite, lock);
    return unit_main(suite);
}
