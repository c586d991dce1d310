/* SPDX-License-Identifier: MIT */
/* Tokens that have several sources, tokens that left theirs, and what a cancel says. */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"

static struct stint_cancel_info
cause_of(struct stint_token *token)
{
    struct stint_cancel_info info = {.size = sizeof(info)};

    (void)stint_token_cause(token, &info);
    return info;
}

static void
unref_all(struct stint_token **tokens, size_t n)
{
    for (size_t i = 0; i < n; i++)
        stint_token_unref(tokens[i]);
}

START_TEST(any_of_several_cancels_it_and_all_below)
{
    struct stint_token *sources[3], *any, *child, *below;

    for (int i = 0; i < 3; i++)
        sources[i] = stint_token_new(NULL, i == 1 ? "pool" : "other");
    any = stint_token_any(sources, 3, "any");
    child = stint_token_new(any, "child");
    below = stint_token_new(child, "below");
    ck_assert_int_eq(stint_token_err(below), 0);

    stint_token_cancel(sources[1], STINT_CAUSE_USER, "pool closes");

    ck_assert(stint_token_cancelled(any));
    ck_assert(stint_token_cancelled(child));
    ck_assert(stint_token_cancelled(below));
    ck_assert(!stint_token_cancelled(sources[0]));
    ck_assert_str_eq(cause_of(below).origin, "pool");
    ck_assert_str_eq(cause_of(below).text, "pool closes");
    ck_assert_int_eq(stint_token_cancel(sources[0], STINT_CAUSE_STOPPED, "later"), 1);
    ck_assert_str_eq(cause_of(any).text, "pool closes");
    unref_all((struct stint_token *[]){below, child, any}, 3);
    unref_all(sources, 3);
}
END_TEST

START_TEST(it_is_cancelled_with_what_is_above_a_source)
{
    struct stint_token *top = stint_token_new(NULL, "top");
    struct stint_token *middle = stint_token_new(top, "middle");
    struct stint_token *alone = stint_token_new(NULL, "alone");
    struct stint_token *any = stint_token_any((struct stint_token *[]){alone, middle}, 2, "any");

    stint_token_unref(middle);
    stint_token_cancel(top, STINT_CAUSE_USER, "all");
    ck_assert(stint_token_cancelled(any));
    ck_assert_str_eq(cause_of(any).origin, "top");
    stint_token_unref(top); /* kept by the any-of token */
    ck_assert_str_eq(cause_of(any).origin, "top");
    unref_all((struct stint_token *[]){any, alone}, 2);
}
END_TEST

START_TEST(cancelling_it_leaves_the_sources_alone)
{
    struct stint_token *a = stint_token_new(NULL, "a"), *b = stint_token_new(NULL, "b");
    struct stint_token *any = stint_token_any((struct stint_token *[]){a, b, a, NULL}, 4, "any");

    ck_assert_int_eq(stint_token_cancel(any, STINT_CAUSE_USER, "enough"), 1);
    ck_assert(!stint_token_cancelled(a));
    ck_assert(!stint_token_cancelled(b));
    ck_assert_str_eq(cause_of(any).origin, "any");
    unref_all((struct stint_token *[]){any, b, a}, 3);
}
END_TEST

START_TEST(of_sources_cancelled_before_the_earliest_counts)
{
    struct stint_token *live = stint_token_new(NULL, "live");
    struct stint_token *late = stint_token_new(NULL, "late"),
                       *early = stint_token_new(NULL, "early");
    struct stint_token *expired = stint_token_with_deadline(NULL, "expired", 1);
    struct stint_token *any, *timed;

    stint_token_cancel(early, STINT_CAUSE_USER, "first");
    for (int64_t t = stint_now_us(); stint_now_us() <= t;)
        ;
    stint_token_cancel(late, STINT_CAUSE_STOPPED, "second");
    ck_assert_int_eq(stint_token_err(expired), -ETIMEDOUT);
    any = stint_token_any((struct stint_token *[]){live, late, early}, 3, "any");
    timed = stint_token_any((struct stint_token *[]){live, expired}, 2, "timed");

    ck_assert_int_eq(stint_token_err(any), -ECANCELED);
    ck_assert_str_eq(cause_of(any).text, "first");
    ck_assert_int_eq(stint_token_err(timed), -ETIMEDOUT);
    ck_assert_str_eq(cause_of(timed).origin, "expired");
    unref_all((struct stint_token *[]){any, timed, expired, early, late, live}, 6);
}
END_TEST

START_TEST(its_deadline_is_the_earliest)
{
    int64_t now = stint_now_us();
    struct stint_token *never = stint_token_new(NULL, "never");
    struct stint_token *soon_over = stint_token_with_deadline(NULL, "soon", now - 1);
    struct stint_token *later = stint_token_with_deadline(NULL, "later", now + 60000000);
    struct stint_token *any =
        stint_token_any((struct stint_token *[]){never, later, soon_over}, 3, "any");

    ck_assert_int_eq(stint_token_deadline(any), now - 1);
    ck_assert(!stint_token_cancelled(any)); /* nobody asked yet */
    ck_assert_int_eq(stint_token_err(any), -ETIMEDOUT);
    ck_assert(!stint_token_cancelled(later));
    unref_all((struct stint_token *[]){any, later, soon_over, never}, 4);
}
END_TEST

START_TEST(of_nothing_it_is_an_ordinary_token)
{
    struct stint_token *none = stint_token_any(NULL, 0, "none");
    struct stint_token *nulls = stint_token_any((struct stint_token *[]){NULL, NULL}, 2, "nulls");

    ck_assert_int_eq(stint_token_err(none), 0);
    ck_assert_int_eq(stint_token_err(nulls), 0);
    ck_assert_int_eq(stint_token_cancel(none, STINT_CAUSE_USER, NULL), 1);
    unref_all((struct stint_token *[]){none, nulls}, 2);
}
END_TEST

/* Links lead on: a chain of them as long as memory allows is walked without recursion, and put so. */
START_TEST(a_chain_of_a_hundred_thousand_falls_as_one)
{
    enum { LONG = 100000 };
    static struct stint_token *chain[LONG];
    struct stint_token *start = stint_token_new(NULL, "start");

    for (int i = 0; i < LONG; i++) {
        struct stint_token *two[] = {i > 0 ? chain[i - 1] : start, i > 1 ? chain[i - 2] : NULL};

        chain[i] = stint_token_any(two, 2, "link");
        ck_assert_ptr_nonnull(chain[i]);
    }
    stint_token_cancel(start, STINT_CAUSE_USER, "all");
    for (int i = 0; i < LONG; i++)
        ck_assert(stint_token_cancelled(chain[i]));
    stint_token_unref(start);
    for (int i = 0; i < LONG; i++) /* the last one keeps all the others */
        stint_token_unref(chain[i]);
}
END_TEST

START_TEST(it_leaves_nothing_behind_in_its_sources)
{
    struct stint_token *a = stint_token_new(NULL, "a"), *b = stint_token_new(NULL, "b");

    for (int i = 0; i < 1000; i++) {
        struct stint_token *any = stint_token_any((struct stint_token *[]){a, b}, 2, "any");

        ck_assert_ptr_nonnull(any);
        if (i % 2)
            stint_token_cancel(any, STINT_CAUSE_USER, NULL);
        stint_token_unref(any);
    }
    ck_assert_ptr_null(token_of(a)->links);
    ck_assert_ptr_null(token_of(b)->links);
    ck_assert_uint_eq(token_of(a)->refs, 1);
    unref_all((struct stint_token *[]){a, b}, 2);
}
END_TEST

START_TEST(callbacks_descriptors_and_handlers_come_along_a_link)
{
    struct stint_token *a = stint_token_new(NULL, "a"), *b = stint_token_new(NULL, "b");
    struct stint_token *any = stint_token_any((struct stint_token *[]){a, b}, 2, "any");
    struct pollfd p = {.fd = stint_token_fd(any), .events = POLLIN};
    int status;

    ck_assert_int_eq(poll(&p, 1, 0), 0);
    if (fork() == 0) { /* a child's tokens are its own, links and all */
        stint_token_cancel(b, STINT_CAUSE_USER, "in the child");
        _exit(stint_token_cancelled(any) && !stint_token_cancelled(a) ? 0 : 1);
    }
    ck_assert_int_gt(wait(&status), 0);
    ck_assert_int_eq(status, 0);
    ck_assert(!stint_token_cancelled(any));
    stint_token_cancel_signal(b);
    ck_assert_int_eq(poll(&p, 1, 0), 1);
    ck_assert_int_eq(stint_token_wait(any, STINT_NEVER), -ECANCELED);
    ck_assert_str_eq(cause_of(any).text, "signal");
    ck_assert_str_eq(cause_of(any).who, "");
    unref_all((struct stint_token *[]){any, b, a}, 3);
}
END_TEST

START_TEST(a_detached_token_outlives_the_cancel_and_keeps_its_path)
{
    struct stint_token *request = stint_token_with_deadline(stint_root(), "request", soon());
    struct stint_token *before = stint_token_detach(request, "undo");
    struct stint_token *below = stint_token_new(before, "file");
    struct stint_token *after;
    char path[64];

    stint_token_cancel(request, STINT_CAUSE_USER, "gone");
    after = stint_token_detach(request, "tell");
    ck_assert_int_eq(stint_token_err(before), 0);
    ck_assert_int_eq(stint_token_err(below), 0);
    ck_assert_int_eq(stint_token_err(after), 0);
    ck_assert(stint_token_deadline(before) == STINT_NEVER);
    ck_assert_ptr_eq(stn_token_trace(token_of(before)), stn_token_trace(token_of(request)));
    stint_token_unref(request);
    ck_assert_uint_eq(stint_token_path(below, path, sizeof(path)),
                      strlen("root/request/undo/file"));
    ck_assert_str_eq(path, "root/request/undo/file");
    ck_assert_int_eq(stint_token_cancel(before, STINT_CAUSE_USER, NULL), 1);
    ck_assert(stint_token_cancelled(below));
    ck_assert(!stint_token_cancelled(after));
    unref_all((struct stint_token *[]){below, before, after}, 3);
}
END_TEST

START_TEST(a_path_is_cut_like_snprintf_does)
{
    struct stint_token *a = stint_token_new(NULL, "alpha"), *b = stint_token_new(a, "beta");
    char path[16];

    for (size_t size = 0; size < sizeof(path); size++) {
        memset(path, 'x', sizeof(path));
        ck_assert_uint_eq(stint_token_path(b, path, size), 10);
        if (size > 0)
            ck_assert_int_eq(strncmp(path, "alpha/beta", size - 1), 0);
        if (size > 0)
            ck_assert_uint_eq(strlen(path), size - 1 < 10 ? size - 1 : 10);
        ck_assert_int_eq(path[size > 10 ? 11 : size], 'x');
    }
    ck_assert_uint_eq(stint_token_path(NULL, path, sizeof(path)), 0);
    ck_assert_str_eq(path, "");
    unref_all((struct stint_token *[]){b, a}, 2);
}
END_TEST

static void
cancel_it(void *arg)
{
    stint_token_cancel(arg, STINT_CAUSE_USER, "told to");
}

static void *
cancel_it_unregistered(void *arg)
{
    (void)prctl(PR_SET_NAME, "stranger");
    cancel_it(arg);
    return NULL;
}

START_TEST(a_cause_names_the_thread_that_cancelled)
{
    struct stint_token *a = stint_token_new(NULL, "a"), *b = stint_token_new(NULL, "b");
    struct stint_token *c = stint_token_with_deadline(NULL, "c", 1);
    struct stint_thread *thread;
    pthread_t stranger;

    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "the janitor", cancel_it, a), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_int_eq(pthread_create(&stranger, NULL, cancel_it_unregistered, b), 0);
    ck_assert_int_eq(pthread_join(stranger, NULL), 0);
    ck_assert_int_eq(stint_token_err(c), -ETIMEDOUT);

    ck_assert_str_eq(cause_of(a).who, "the janitor");
    ck_assert_str_eq(cause_of(b).who, "stranger");
    ck_assert_str_eq(cause_of(c).who, "");
    ck_assert_str_eq(cause_of(c).text, "deadline passed");
    unref_all((struct stint_token *[]){a, b, c}, 3);
}
END_TEST

START_TEST(words_run_out_and_come_back_cause_and_time_stay)
{
    enum { MANY = 1000 };
    static struct stint_token *tokens[MANY];
    struct stint_cancel_info info;
    int said = 0;

    for (int turn = 0; turn < 2; turn++, said = 0) {
        for (int i = 0; i < MANY; i++) {
            tokens[i] = stint_token_new(NULL, "one");
            stint_token_cancel(tokens[i], STINT_CAUSE_REJECTED, "words");
        }
        for (int i = 0; i < MANY; i++) {
            info = cause_of(tokens[i]);
            ck_assert_uint_eq(info.cause, STINT_CAUSE_REJECTED);
            ck_assert_int_gt(info.cancelled_us, 0);
            ck_assert_str_eq(info.origin, "one");
            ck_assert_int_eq(info.text[0] == '\0', info.who[0] == '\0');
            said += strcmp(info.text, "words") == 0;
        }
        ck_assert_int_eq(said, 256);
        if (turn == 1) { /* the root has its own */
            stint_token_cancel(stint_root(), STINT_CAUSE_STOPPED, "the last words");
            ck_assert_str_eq(cause_of(stint_root()).text, "the last words");
        }
        unref_all(tokens, MANY);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("any");
    TCase *any = tcase_create("any of several"), *detach = tcase_create("detached"),
          *cause = tcase_create("who and why");

    tcase_set_timeout(any, 60);
    tcase_add_test(any, any_of_several_cancels_it_and_all_below);
    tcase_add_test(any, it_is_cancelled_with_what_is_above_a_source);
    tcase_add_test(any, cancelling_it_leaves_the_sources_alone);
    tcase_add_test(any, of_sources_cancelled_before_the_earliest_counts);
    tcase_add_test(any, its_deadline_is_the_earliest);
    tcase_add_test(any, of_nothing_it_is_an_ordinary_token);
    tcase_add_test(any, a_chain_of_a_hundred_thousand_falls_as_one);
    tcase_add_test(any, it_leaves_nothing_behind_in_its_sources);
    tcase_add_test(any, callbacks_descriptors_and_handlers_come_along_a_link);
    suite_add_tcase(suite, any);
    tcase_add_test(detach, a_detached_token_outlives_the_cancel_and_keeps_its_path);
    tcase_add_test(detach, a_path_is_cut_like_snprintf_does);
    suite_add_tcase(suite, detach);
    tcase_add_test(cause, a_cause_names_the_thread_that_cancelled);
    tcase_add_test(cause, words_run_out_and_come_back_cause_and_time_stay);
    suite_add_tcase(suite, cause);
    return unit_main(suite);
}
