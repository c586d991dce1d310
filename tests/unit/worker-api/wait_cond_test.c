/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "tests/unit/worker-api/wait_room.h"

START_TEST(a_signal_wakes_it_and_the_mutex_is_held)
{
    struct room room;

    room_usual(&room);
    room.token = stint_root();
    enter(&room);
    room.wanted = true;
    ck_assert_int_eq(pthread_cond_signal(&room.cond), 0);
    let_go(&room);
    expect(&room, 0);
}
END_TEST

START_TEST(a_cancel_wakes_it_even_from_one_who_holds_the_mutex)
{
    const struct stint_options options = {sizeof(options), STINT_OPT_LISTENER};
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    int types[] = {PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_RECURSIVE};
    int robusts[] = {PTHREAD_MUTEX_STALLED, PTHREAD_MUTEX_ROBUST};
    struct room room;

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(&options), 0); /* with slices of ten seconds it is not they */
    for (int i = 0; i < 16; i++) {
        int64_t start = stint_now_us();

        room_up(&room, clocks[i % 2], types[i / 2 % 2], robusts[i / 4 % 2]);
        room.token = stint_token_new(NULL, "held");
        enter(&room);
        if (i >= 8)
            let_go(&room);
        ck_assert_int_eq(stint_token_cancel(room.token, STINT_CAUSE_USER, NULL), 1);
        if (i < 8)
            let_go(&room);
        expect(&room, -ECANCELED);
        ck_assert_int_lt(stint_now_us() - start, SOON_US / 2);
        stint_token_unref(room.token);
    }
}
END_TEST

START_TEST(on_a_cancelled_token_it_does_not_wait)
{
    struct room room;

    room_usual(&room);
    room.token = stint_token_new(NULL, "over");
    stint_token_cancel(room.token, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(pthread_mutex_lock(&room.mutex), 0);
    ck_assert_int_eq(stint_cond_wait(room.token, &room.cond, &room.mutex, STINT_NEVER), -ECANCELED);
    ck_assert_int_eq(pthread_mutex_unlock(&room.mutex), 0);
    stint_token_unref(room.token);
}
END_TEST

START_TEST(the_callers_time_and_the_tokens_are_told_apart)
{
    struct room room;
    int r;

    room_usual(&room);
    room.token = stint_token_new(NULL, "live");
    ck_assert_int_eq(pthread_mutex_lock(&room.mutex), 0);
    while ((r = stint_cond_wait(room.token, &room.cond, &room.mutex, stint_now_us() + 1000)) == 0)
        ;
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert(!stint_token_cancelled(room.token));
    stint_token_unref(room.token);

    room.token = stint_token_with_deadline(NULL, "short", stint_now_us() + 1000);
    while ((r = stint_cond_wait(room.token, &room.cond, &room.mutex, STINT_NEVER)) == 0)
        ;
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert(stint_token_cancelled(room.token));
    ck_assert_int_eq(pthread_mutex_unlock(&room.mutex), 0);
    stint_token_unref(room.token);
}
END_TEST

static void
die_with_it(void *arg)
{
    ck_assert_int_eq(pthread_mutex_lock(arg), 0);
}

/* Who is told EOWNERDEAD has to repair what the mutex guards: nothing may hide that. */
START_TEST(a_dead_owner_is_told_before_a_cancel)
{
    struct stint_thread *thread;
    struct room room;

    room_up(&room, CLOCK_MONOTONIC, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ROBUST);
    room.token = stint_token_new(NULL, "robust");
    enter(&room);
    let_go(&room);
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "dies", die_with_it, &room.mutex), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    stint_token_cancel(room.token, STINT_CAUSE_USER, NULL);
    expect(&room, -EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_lock(&room.mutex), ENOTRECOVERABLE); /* the waiter let it go */
    stint_token_unref(room.token);
}
END_TEST

#ifndef __SANITIZE_THREAD__
START_TEST(a_mutex_of_somebody_else_is_refused)
{
    struct room room;

    room_usual(&room);
    ck_assert_int_eq(stint_cond_wait(stint_root(), &room.cond, &room.mutex, STINT_NEVER), -EPERM);
    ck_assert_int_eq(pthread_mutex_trylock(&room.mutex), 0);
}
END_TEST
#endif

struct pair {
    struct room room; /* its waiter leaves */
    int units;        /* under the mutex: what is signalled */
    bool waits;
    sem_t got; /* posted when the one who stays has it; not by this library, which would wake */
    struct stint_thread *stays;
};

static void
stay(void *arg)
{
    struct pair *pair = arg;

    ck_assert_int_eq(pthread_mutex_lock(&pair->room.mutex), 0);
    pair->waits = true;
    while (pair->units == 0)
        ck_assert_int_eq(stint_cond_wait(NULL, &pair->room.cond, &pair->room.mutex, STINT_NEVER),
                         0);
    pair->units--;
    ck_assert_int_eq(pthread_mutex_unlock(&pair->room.mutex), 0);
    ck_assert_int_eq(sem_post(&pair->got), 0);
}

/* One signal, one who leaves and one who stays: whoever gets it, the second has it in the end. */
START_TEST(a_signal_that_met_a_cancel_is_passed_on)
{
    struct pair pair;

    for (int i = 0; i < 300; i++) {
        pair = (struct pair){.units = 0};
        ck_assert_int_eq(sem_init(&pair.got, 0, 0), 0);
        room_usual(&pair.room);
        pair.room.token = stint_token_new(NULL, "leaves");
        enter(&pair.room);
        let_go(&pair.room);
        ck_assert_int_eq(stint_thread_spawn(&pair.stays, NULL, "stays", stay, &pair), 0);
        for (bool waits = false; !waits;) {
            ck_assert_int_eq(pthread_mutex_lock(&pair.room.mutex), 0);
            waits = pair.waits;
            let_go(&pair.room);
        }
        stint_token_cancel_signal(pair.room.token); /* as a handler does: no wake runs, so far */
        ck_assert_int_eq(pthread_mutex_lock(&pair.room.mutex), 0);
        pair.units++;
        ck_assert_int_eq(pthread_cond_signal(&pair.room.cond), 0);
        let_go(&pair.room);
        ck_assert_int_eq(stint_sem_wait(NULL, &pair.got, soon()), 0);
        expect(&pair.room, -ECANCELED);
        ck_assert_int_eq(stint_thread_join(pair.stays, NULL, soon()), 0);
        stint_token_unref(pair.room.token);
    }
}
END_TEST

static void
wait_for_waiter(void *arg)
{
    struct room *room = arg;

    ck_assert_int_eq(stint_thread_join(room->thread, NULL, stint_now_us() + SOON_US / 2), 0);
    room->thread = NULL;
}

/* A callback that waits for the waiter is no reason for the waiter to wait. */
START_TEST(waiters_are_woken_before_callbacks_run)
{
    const struct stint_options options = {sizeof(options), STINT_OPT_LISTENER};
    struct stint_registration *before;
    struct room room;

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(&options), 0);
    room_usual(&room);
    room.token = stint_token_new(NULL, "both");
    before = stint_token_on_cancel(room.token, wait_for_waiter, &room);
    enter(&room);
    let_go(&room);
    stint_token_cancel(room.token, STINT_CAUSE_USER, NULL);
    ck_assert_ptr_null(room.thread);
    ck_assert_int_eq(room.result, -ECANCELED);
    ck_assert_int_eq(stint_registration_remove(before), 0);
    stint_token_unref(room.token);
}
END_TEST

static void
take_its_mutex(void *arg)
{
    struct room *room = arg;

    ck_assert_int_eq(pthread_mutex_lock(&room->mutex), 0); /* EDEADLK in one who has it */
    ck_assert_int_eq(pthread_mutex_unlock(&room->mutex), 0);
    room->wanted = true;
}

/* Its caller holds a mutex which the callback may want. */
START_TEST(no_callback_runs_inside_of_it)
{
    struct stint_token *due = stint_token_new(NULL, "due");
    struct stint_registration *registration;
    struct room room;

    room_usual(&room);
    room.token = stint_token_new(NULL, "live");
    registration = stint_token_on_cancel(due, take_its_mutex, &room);
    ck_assert_int_eq(pthread_mutex_lock(&room.mutex), 0);
    stint_token_cancel_signal(due);
    while (stint_cond_wait(room.token, &room.cond, &room.mutex, stint_now_us() + 1000) == 0)
        ;
    ck_assert(!room.wanted);
    ck_assert_int_eq(pthread_mutex_unlock(&room.mutex), 0);
    (void)stint_dispatch();
    ck_assert(room.wanted);
    ck_assert_int_eq(stint_registration_remove(registration), 0);
    stint_token_unref(due);
    stint_token_unref(room.token);
}
END_TEST

START_TEST(a_cancel_by_signal_is_found_with_and_without_a_listener)
{
    const struct stint_options options = {sizeof(options), STINT_OPT_LISTENER};
    struct timespec limit;
    struct room room;

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(_i ? &options : NULL), 0);
    room_usual(&room);
    room.token = stint_root();
    enter(&room);
    let_go(&room);
    (void)raise(SIGTERM);
    for (bool over = false; !over;) { /* not by the library, which would help */
        limit = (struct timespec){.tv_nsec = 1000000};
        (void)nanosleep(&limit, NULL);
        ck_assert_int_eq(pthread_mutex_lock(&room.mutex), 0);
        over = room.result == -ECANCELED;
        let_go(&room);
    }
    expect(&room, -ECANCELED);
}
END_TEST

static void
nothing(void *arg)
{
    (void)arg;
}

/* In a child the waiters are gone, and their stacks are for new threads. */
START_TEST(a_fork_leaves_the_waiters_behind)
{
    struct stint_thread *thread;
    struct room room;
    int status;
    pid_t child;

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(NULL), 0);
    room_usual(&room);
    room.token = stint_root();
    enter(&room);
    let_go(&room);
    child = fork();
    if (child == 0) {
        (void)alarm(20);
#ifdef __SANITIZE_THREAD__ /* knows no threads after a fork */
        const int n = 0;
#else
        const int n = 8;
#endif
        for (int i = 0; i < n; i++) /* over the waiter's stack */
            if (stint_thread_spawn(&thread, NULL, "new", nothing, NULL) != 0 ||
                stint_thread_join(thread, NULL, soon()) != 0)
                _exit(1);
        _exit(stint_token_cancel(stint_root(), STINT_CAUSE_USER, NULL) == 1 ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    stint_token_cancel(stint_root(), STINT_CAUSE_USER, NULL);
    expect(&room, -ECANCELED);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wait_cond");
    TCase *cond = tcase_create("cond");

    tcase_set_timeout(cond, 100);
    tcase_add_test(cond, a_signal_wakes_it_and_the_mutex_is_held);
    tcase_add_test(cond, a_cancel_wakes_it_even_from_one_who_holds_the_mutex);
    tcase_add_test(cond, on_a_cancelled_token_it_does_not_wait);
    tcase_add_test(cond, the_callers_time_and_the_tokens_are_told_apart);
    tcase_add_test(cond, a_dead_owner_is_told_before_a_cancel);
#ifndef __SANITIZE_THREAD__ /* it reports the very mistake that is planted here */
    tcase_add_test(cond, a_mutex_of_somebody_else_is_refused);
#endif
    tcase_add_test(cond, a_signal_that_met_a_cancel_is_passed_on);
    tcase_add_test(cond, waiters_are_woken_before_callbacks_run);
    tcase_add_test(cond, no_callback_runs_inside_of_it);
    tcase_add_loop_test(cond, a_cancel_by_signal_is_found_with_and_without_a_listener, 0, 2);
    tcase_add_test(cond, a_fork_leaves_the_waiters_behind);
    suite_add_tcase(suite, cond);
    return unit_main(suite);
}
