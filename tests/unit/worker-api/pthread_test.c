/* SPDX-License-Identifier: MIT */
/* What pthreads may do to a thread inside the library: a pthread_cancel(), a pthread_exit(). */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"

/* Between the two a cancellation point of the library's would end the thread. */
static void
cancel_me(void)
{
    (void)pthread_cancel(pthread_self()); /* that thread exists */
}

static void
not_any_more(void)
{
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); /* cannot fail */
}

static void
cancel_a_token(void *arg)
{
    cancel_me();
    stint_token_cancel(arg, STINT_CAUSE_USER, NULL); /* writes to its descriptor, the tree locked */
    not_any_more();
}

static void
cancel_by_signal(void *arg)
{
    cancel_me();
    stint_token_cancel_signal(arg);
    not_any_more();
}

static void
say_ready(void *arg)
{
    (void)arg;
    cancel_me();
    (void)stint_ready();
    not_any_more();
}

static void
dispatch(void *arg)
{
    (void)arg;
    cancel_me();
    (void)stint_dispatch();
    not_any_more();
}

static void (*const cancelled_in[])(void *) = {cancel_a_token, cancel_by_signal, say_ready,
                                               dispatch};

/* A lock that went away with its thread would stop every other one, and the next SIGTERM with it. */
START_TEST(a_cancelled_thread_takes_no_lock_along)
{
    struct master m = master_start();
    struct stint_thread *thread;
    struct stint_token *token;
    char body[STINT_FRAME_MAX];

    ck_assert_int_eq(stint_init(NULL), 0);
    token = stint_token_new(NULL, "t");
    ck_assert_int_ge(stint_token_fd(token), 0);
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "cancelled", cancelled_in[_i], token), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    if (_i < 2)
        ck_assert(stint_token_cancelled(token));
    stint_token_unref(token);
    ck_assert_int_eq(stint_ready(), 0);
    while (master_receive(&m, body).type != STINT_FRAME_READY)
        ;
    (void)raise(SIGTERM);
    ck_assert(stint_token_cancelled(stint_root()));
}
END_TEST

static void
nothing(void *arg)
{
    (void)arg;
}

static void
return_cancelled(void *arg)
{
    stint_token_unref(arg);
    cancel_me();
}

/* Its last reference goes, and with it the descriptor: close() is a cancellation point too. */
START_TEST(a_thread_that_returns_cancelled_is_joined)
{
    struct stint_token *token = stint_token_new(NULL, "t");
    struct stint_thread *thread;

    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_int_ge(stint_token_fd(token), 0);
    ck_assert_int_eq(stint_thread_spawn(&thread, token, "cancelled", return_cancelled, token), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
}
END_TEST

static void
wait_for_the_end(void *arg)
{
    (void)arg;
    (void)stint_token_wait(stint_current(), STINT_NEVER);
}

static void *
adopt_while_cancelled(void *arg)
{
    cancel_me();
    (void)stint_thread_adopt((struct stint_token *)arg, "cancelled");
    not_any_more();
    return NULL;
}

/* The registry is filled in by reading /proc, which is a cancellation point in the middle. */
START_TEST(a_thread_cancelled_at_birth_leaves_its_siblings_registered)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct stint_thread *thread;
    struct stint_token *token;
    int64_t limit = soon();
    pthread_t other;

    ck_assert_int_eq(stint_init(NULL), 0);
    token = stint_token_new(stint_root(), "t");
    ck_assert_int_eq(stint_thread_spawn(&thread, token, "sibling", wait_for_the_end, NULL), 0);
    while (!master_find(&m, "sibling", &slot))
        ck_assert_int_lt(stint_now_us(), limit);
    ck_assert_int_eq(pthread_create(&other, NULL, adopt_while_cancelled, token), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert_int_eq(master_find(&m, "cancelled", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);

    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(master_find(&m, "sibling", &slot), 1);
    ck_assert_uint_eq(slot.cause, STINT_CAUSE_USER); /* still in the token's list */
    stint_token_unref(token);
}
END_TEST

static void
reach_a_cancellation_point(void *arg)
{
    pthread_testcancel();
    *(int *)arg = 1;
}

static void
cancel_with_callbacks(void *arg)
{
    cancel_me();
    stint_token_cancel(arg, STINT_CAUSE_USER, NULL);
    not_any_more();
}

START_TEST(a_callback_runs_to_its_end)
{
    struct stint_token *token = stint_token_new(NULL, "t");
    struct stint_registration *registration;
    struct stint_thread *thread;
    int ended = 0;

    ck_assert_int_eq(stint_init(NULL), 0);
    registration = stint_token_on_cancel(token, reach_a_cancellation_point, &ended);
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "cancelled", cancel_with_callbacks, token),
                     0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(stint_registration_remove(registration), 0); /* would wait for ever */
    ck_assert_int_eq(ended, 1);
    stint_token_unref(token);
}
END_TEST

static void
leave_by_pthread_exit(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

START_TEST(pthread_exit_before_init_ends_the_thread_too)
{
    struct stint_thread *thread;

    ck_assert_int_eq(
        stint_thread_spawn(&thread, stint_root(), "early", leave_by_pthread_exit, NULL), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_int_eq(stint_thread_spawn(&thread, stint_root(), "later", nothing, NULL), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
}
END_TEST

struct teller {
    int ends[2]; /* pipe: it goes on with a byte */
    uint32_t tid;
};

static void *
tells_its_tid(void *arg)
{
    struct teller *teller = arg;
    char go;

    teller->tid = (uint32_t)gettid();
    ck_assert_int_eq(read(teller->ends[0], &go, 1), 1);
    return NULL;
}

/* So a joiner knows whom it waits for before that one has run. */
START_TEST(the_tid_of_a_thread_is_known_as_soon_as_it_is_made_and_until_it_has_gone)
{
    struct teller teller;
    int64_t limit = soon();
    pthread_t thread;
    uint32_t tid;
    int status;
    pid_t child;

    ck_assert_int_eq(pipe(teller.ends), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, tells_its_tid, &teller), 0);
    tid = stn_tid_of(thread);
    ck_assert_uint_ne(tid, 0);
    ck_assert_int_eq(write(teller.ends[1], "", 1), 1);
    while (stn_tid_of(thread) != 0)
        ck_assert_int_lt(stint_now_us(), limit);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(tid, teller.tid);

    ck_assert_uint_eq(stn_tid_of_new(), (uint32_t)gettid());
    child = fork();
    if (child == 0)
        _exit(stn_tid_of_new() == (uint32_t)gettid() ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(teller.ends[0]);
    close(teller.ends[1]);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pthread");
    TCase *cancel = tcase_create("pthread_cancel");
    TCase *leave = tcase_create("pthread_exit");

    tcase_add_loop_test(cancel, a_cancelled_thread_takes_no_lock_along, 0,
                        (int)(sizeof(cancelled_in) / sizeof(*cancelled_in)));
    tcase_add_test(cancel, a_thread_that_returns_cancelled_is_joined);
    tcase_add_test(cancel, a_thread_cancelled_at_birth_leaves_its_siblings_registered);
    tcase_add_test(cancel, a_callback_runs_to_its_end);
    tcase_add_test(leave, pthread_exit_before_init_ends_the_thread_too);
    tcase_set_timeout(cancel, 20);
    tcase_set_timeout(leave, 60);
    tcase_add_test(cancel,
                   the_tid_of_a_thread_is_known_as_soon_as_it_is_made_and_until_it_has_gone);
    suite_add_tcase(suite, cancel);
    suite_add_tcase(suite, leave);
    return unit_main(suite);
}
