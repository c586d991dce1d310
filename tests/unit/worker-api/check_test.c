/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

#define QUICK_US 100000 /* patience with those who are planted and will not leave */

static void
until_cancelled(void *arg)
{
    STINT_BLOCK("for the end of the test", arg)
    (void)stint_token_wait(arg, STINT_NEVER);
}

static struct stint_thread *
plant(struct stint_token *until, struct stint_token *obeys)
{
    struct stint_thread *thread;

    ck_assert_int_eq(stint_thread_spawn(&thread, obeys, "planted", until_cancelled, until), 0);
    return thread;
}

static void
pull(struct stint_token *until, struct stint_thread *thread)
{
    stint_token_cancel(until, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    stint_token_unref(until);
}

struct told {
    int n;
    struct stint_straggler last;
};

static void
tell(void *env, const struct stint_straggler *s)
{
    struct told *told = env;

    told->n += s->size == sizeof(*s);
    told->last = *s;
}

static int
check(struct stint_leak_baseline *before, struct stint_leak_options options, struct told *told)
{
    *told = (struct told){0};
    options.size = sizeof(options);
    if (options.patience_us == 0)
        options.patience_us = QUICK_US;
    return stint_leak_check(before, &options, tell, told);
}

START_TEST(a_thread_that_stays_is_named_with_who_started_it_and_what_it_waits_for)
{
    struct stint_token *until = stint_token_new(NULL, "until");
    struct stint_leak_options options = {0};
    struct stint_leak_baseline *before;
    struct stint_thread *old, *thread;
    struct told told;

    forget_checks_sigterm();
    if (_i) /* works without it, too, but knows less */
        ck_assert_int_eq(stint_init(NULL), 0);
    old = plant(until, NULL);
    before = stint_leak_baseline();
    ck_assert_ptr_nonnull(before);
    ck_assert_int_eq(check(before, options, &told), 0); /* who was there before is no leak */
    thread = plant(until, until);
    ck_assert_int_eq(check(before, options, &told), 1);
    ck_assert_int_eq(told.n, 1);
    ck_assert_str_eq(told.last.name, "planted");
    ck_assert_str_eq(told.last.function, "plant");
    ck_assert_ptr_nonnull(strstr(told.last.file, "check_test.c"));
    ck_assert_uint_gt(told.last.line, 1);
    ck_assert_int_ne(told.last.tid, getpid());
    ck_assert(told.last.started_us > 0 && told.last.started_us <= stint_now_us());
    ck_assert(told.last.cancelled_us == 0);
    if (_i)
        ck_assert_ptr_nonnull(strstr(told.last.waits, "for the end of the test at check_test.c:"));
    ck_assert_int_eq(stint_leak_check(before, NULL, NULL, NULL), 1); /* says so on stderr */
    stint_token_cancel(until, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_leak_check(before, NULL, NULL, NULL), 0); /* they are about to leave */
    ck_assert_int_eq(stint_thread_join(old, NULL, soon()), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    stint_token_unref(until);
    stint_leak_baseline_free(before);
}
END_TEST

/* One tid is another thread each time: it is the time of its birth that tells. */
START_TEST(a_new_thread_of_the_same_code_is_not_taken_for_an_old_one)
{
    struct stint_token *first = stint_token_new(NULL, "1"), *second = stint_token_new(NULL, "2");
    struct stint_thread *old = plant(first, NULL), *new;
    struct stint_leak_baseline *before = stint_leak_baseline();
    struct stint_leak_options options = {0};
    struct told told;

    pull(first, old);
    new = plant(second, NULL);
    ck_assert_int_eq(check(before, options, &told), 1);
    pull(second, new);
    ck_assert_int_eq(check(before, options, &told), 0);
    stint_leak_baseline_free(before);
}
END_TEST

static void
leave_late(void *arg)
{
    (void)stint_token_wait(arg, stint_now_us() + 30000);
}

START_TEST(a_late_exit_is_tolerated)
{
    struct stint_leak_baseline *before = stint_leak_baseline();
    struct stint_token *never = stint_token_new(NULL, "never");

    ck_assert_int_eq(stint_thread_spawn(NULL, NULL, "late", leave_late, never), 0);
    ck_assert_int_eq(stint_leak_check(before, NULL, NULL, NULL), 0);
    stint_token_unref(never);
    stint_leak_baseline_free(before);
}
END_TEST

/* ---- Two tests at a time ----------------------------------------------------------------- */

struct twin {
    struct stint_scope *scope;
    struct stint_token *token;
    struct stint_token *until;
    struct stint_thread *by_hand;
    bool leaks;
    int by_scope, by_token;
    pthread_barrier_t *barrier;
};

static void *
test_beside(void *arg)
{
    struct stint_leak_options by_scope = {0}, by_token = {0};
    struct stint_leak_baseline *before = stint_leak_baseline();
    struct twin *twin = arg;
    struct told told;

    twin->scope = stint_scope_open(NULL, "twin");
    twin->token = stint_token_new(NULL, "twin");
    (void)pthread_barrier_wait(twin->barrier);
    if (twin->leaks) {
        ck_assert_int_eq(
            stint_scope_spawn(twin->scope, "in the scope", until_cancelled, twin->until), 0);
        ck_assert_int_eq(stint_thread_spawn(&twin->by_hand, twin->token, "by token",
                                            until_cancelled, twin->until),
                         0);
    }
    (void)pthread_barrier_wait(twin->barrier);
    by_scope.only_scope = twin->scope;
    by_token.only_token = twin->token;
    twin->by_scope = check(before, by_scope, &told);
    if (twin->leaks)
        ck_assert_str_eq(told.last.name, "in the scope");
    twin->by_token = check(before, by_token, &told);
    if (twin->leaks)
        ck_assert_str_eq(told.last.name, "by token");
    (void)pthread_barrier_wait(twin->barrier);
    stint_leak_baseline_free(before);
    return NULL;
}

START_TEST(tests_beside_each_other_do_not_blame_each_other)
{
    struct stint_token *until = stint_token_new(NULL, "until");
    pthread_barrier_t barrier;
    struct twin twins[2] = {
        {.leaks = true, .until = until, .barrier = &barrier},
        {.until = until,             .barrier = &barrier             }
    };
    pthread_t threads[2];

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, test_beside, &twins[i]), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(twins[0].by_scope, 1);
    ck_assert_int_eq(twins[0].by_token, 1);
    ck_assert_int_eq(twins[1].by_scope, 0);
    ck_assert_int_eq(twins[1].by_token, 0);
    stint_token_cancel(until, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(twins[0].by_hand, NULL, soon()), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(stint_scope_close(twins[i].scope, SOON_US, NULL, 0), 0);
        stint_token_unref(twins[i].token);
    }
    stint_token_unref(until);
}
END_TEST

/* ---- Threads of nobody ------------------------------------------------------------------- */

static void *
plain(void *arg)
{
    until_cancelled(arg);
    return NULL;
}

START_TEST(a_thread_that_nobody_registered_is_found)
{
    struct stint_token *until = stint_token_new(NULL, "until");
    struct stint_leak_baseline *before = stint_leak_baseline();
    const char *const names[] = {"some*", "other", NULL};
    struct stint_leak_options options = {0};
    struct told told;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, plain, until), 0);
    ck_assert_int_eq(pthread_setname_np(thread, "somebody's"), 0);
    ck_assert_int_eq(check(before, options, &told), 1);
    ck_assert_str_eq(told.last.name, "somebody's");
    ck_assert_uint_eq(told.last.line, 0);
    ck_assert_int_eq(check(NULL, options, &told), 1); /* all but the caller */
    options.ignore_names = names;
    ck_assert_int_eq(check(before, options, &told), 0);
    stint_token_cancel(until, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    stint_token_unref(until);
    stint_leak_baseline_free(before);
}
END_TEST

static void
exempt(void *arg)
{
    stint_thread_exempt("a cache that stays", STINT_NEVER);
    until_cancelled(arg);
}

START_TEST(what_is_ignored_is_not_counted)
{
    const struct stint_options listens = {sizeof(listens), STINT_OPT_LISTENER};
    struct stint_token *until = stint_token_new(NULL, "until");
    struct stint_leak_baseline *before = stint_leak_baseline();
    const char *const functions[] = {"pla?t", NULL};
    struct stint_leak_options options = {.ignore_functions = functions};
    struct stint_thread *planted, *stays;
    struct told told;

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(&listens), 0); /* the listener is the library's own */
    ck_assert_int_eq(stint_thread_spawn(&stays, NULL, "exempt", exempt, until), 0);
    planted = plant(until, NULL);
    ck_assert_int_eq(check(before, options, &told), 0);
    options.ignore_functions = NULL;
    ck_assert_int_eq(check(before, options, &told), 1);
    ck_assert_str_eq(told.last.name, "planted");
    stint_token_cancel(until, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_thread_join(stays, NULL, soon()), 0);
    ck_assert_int_eq(stint_thread_join(planted, NULL, soon()), 0);
    stint_token_unref(until);
    stint_leak_baseline_free(before);
}
END_TEST

START_TEST(a_child_checks_with_its_parents_baseline)
{
    struct stint_token *until = stint_token_new(NULL, "until");
    struct stint_thread *thread = plant(until, NULL);
    struct stint_leak_baseline *before = stint_leak_baseline();
    struct stint_leak_options options = {.patience_us = -1};
    struct told told;
    int status;
    pid_t child = fork();

    if (child == 0) {
#ifndef __SANITIZE_THREAD__ /* knows no threads after a fork */
        struct stint_token *mine = stint_token_new(NULL, "mine");

        if (check(before, options, &told) != 0)
            _exit(1);
        options.patience_us = QUICK_US; /* it has to begin first */
        if (stint_thread_spawn(NULL, NULL, "child's", until_cancelled, mine) != 0 ||
            check(before, options, &told) != 1 || strcmp(told.last.name, "child's") != 0)
            _exit(2);
        stint_token_unref(mine);
#else
        (void)told;
        (void)options;
#endif
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    pull(until, thread);
    stint_leak_baseline_free(before);
}
END_TEST

#if !defined(__SANITIZE_THREAD__) /* its own thread is there, too */
START_TEST(a_snapshot_has_everybody)
{
    struct stint_token *until = stint_token_new(NULL, "until");
    struct stint_thread *thread = plant(until, NULL);
    int64_t limit = soon();
    struct told told;

    do { /* who ended a moment ago may still be listed */
        told = (struct told){0};
        ck_assert_int_eq(stint_snapshot(tell, &told), told.n);
        ck_assert_int_lt(stint_now_us(), limit);
    } while (told.n != 2);
    pull(until, thread);
}
END_TEST
#endif

int
main(void)
{
    Suite *suite = suite_create("check");
    TCase *leaks = tcase_create("leaks");

    tcase_set_timeout(leaks, 100);
    tcase_add_loop_test(
        leaks, a_thread_that_stays_is_named_with_who_started_it_and_what_it_waits_for, 0, 2);
    tcase_add_test(leaks, a_new_thread_of_the_same_code_is_not_taken_for_an_old_one);
    tcase_add_test(leaks, a_late_exit_is_tolerated);
    tcase_add_test(leaks, tests_beside_each_other_do_not_blame_each_other);
    tcase_add_test(leaks, a_thread_that_nobody_registered_is_found);
    tcase_add_test(leaks, what_is_ignored_is_not_counted);
    tcase_add_test(leaks, a_child_checks_with_its_parents_baseline);
#if !defined(__SANITIZE_THREAD__)
    tcase_add_test(leaks, a_snapshot_has_everybody);
#endif
    suite_add_tcase(suite, leaks);
    return unit_main(suite);
}
