/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/resource.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

static int
readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0);
}

START_TEST(no_token_is_never_cancelled)
{
    struct stint_cancel_info info = {.size = sizeof(info)};

    ck_assert(!stint_token_cancelled(NULL));
    ck_assert_int_eq(stint_token_err(NULL), 0);
    ck_assert_int_eq(stint_token_cause(NULL, &info), STINT_CAUSE_NONE);
    ck_assert_int_eq(stint_token_cancel(NULL, STINT_CAUSE_USER, "x"), 0);
    ck_assert_int_eq(stint_token_wait(NULL, stint_now_us() + 1000), 0);
    ck_assert_int_eq(stint_token_fd(NULL), -EINVAL);
    ck_assert(stint_token_deadline(NULL) == STINT_NEVER);
    stint_token_unref(NULL);
}
END_TEST

START_TEST(a_cancel_reaches_all_below_and_nothing_above_or_beside)
{
    struct stint_token *a = stint_token_new(NULL, "a");
    struct stint_token *b = stint_token_new(a, "b");
    struct stint_token *c = stint_token_new(b, "c");
    struct stint_token *beside = stint_token_new(a, "beside");

    ck_assert_int_eq(stint_token_cancel(b, STINT_CAUSE_USER, "enough"), 1);

    ck_assert(!stint_token_cancelled(a));
    ck_assert(!stint_token_cancelled(beside));
    ck_assert(stint_token_cancelled(b));
    ck_assert(stint_token_cancelled(c));
    ck_assert_int_eq(stint_token_err(c), -ECANCELED);
    stint_token_unref(c);
    stint_token_unref(beside);
    stint_token_unref(b);
    stint_token_unref(a);
}
END_TEST

START_TEST(the_first_cause_wins_and_children_tell_where_it_came_from)
{
    struct stint_token *a = stint_token_new(NULL, "request");
    struct stint_token *b = stint_token_new(a, "query");
    struct stint_cancel_info info = {.size = sizeof(info)};
    int64_t before = stint_now_us();

    ck_assert_int_eq(stint_token_cancel(a, STINT_CAUSE_USER, "client has gone"), 1);
    ck_assert_int_eq(stint_token_cancel(a, STINT_CAUSE_STOPPED, "too late"), 0);
    ck_assert_int_eq(stint_token_cancel(b, STINT_CAUSE_STOPPED, "too late"), 0);

    ck_assert_int_eq(stint_token_cause(b, &info), STINT_CAUSE_USER);
    ck_assert_str_eq(info.text, "client has gone");
    ck_assert_str_eq(info.origin, "request");
    ck_assert(info.leave_by_us == STINT_NEVER);
    ck_assert_int_ge(info.cancelled_us, before);
    ck_assert_int_le(info.cancelled_us, stint_now_us());
    stint_token_unref(b);
    stint_token_unref(a);
}
END_TEST

START_TEST(an_older_programs_smaller_info_is_not_overrun)
{
    struct stint_cancel_info info;
    struct stint_token *t = stint_token_new(NULL, "t");

    memset(&info, 0x5a, sizeof(info));
    info.size = offsetof(struct stint_cancel_info, leave_by_us);
    stint_token_cancel(t, STINT_CAUSE_USER, "x");
    stint_token_cause(t, &info);

    ck_assert_int_gt(info.cancelled_us, 0);
    ck_assert_uint_eq(info.cause, 0x5a5a5a5a);
    ck_assert_int_eq(info.text[0], 0x5a);
    stint_token_unref(t);
}
END_TEST

START_TEST(unref_does_not_cancel_and_a_child_keeps_its_parent)
{
    struct stint_token *a = stint_token_new(NULL, "a");
    struct stint_token *b = stint_token_new(a, "b");
    struct stint_token *c = stint_token_new(b, "c");

    stint_token_unref(b);
    ck_assert(!stint_token_cancelled(c));
    stint_token_cancel(a, STINT_CAUSE_USER, NULL);
    ck_assert(stint_token_cancelled(c));
    stint_token_unref(a);
    ck_assert_int_eq(stint_token_cause(c, NULL), STINT_CAUSE_USER);
    stint_token_unref(c);
}
END_TEST

START_TEST(a_child_of_a_cancelled_token_is_born_cancelled)
{
    struct stint_token *a = stint_token_new(NULL, "a");
    struct stint_token *b;

    stint_token_cancel(a, STINT_CAUSE_USER, "over");
    b = stint_token_new(a, "b");

    ck_assert(stint_token_cancelled(b));
    ck_assert_int_eq(stint_token_cause(b, NULL), STINT_CAUSE_USER);
    ck_assert_int_eq(readable(stint_token_fd(b)), 1);
    stint_token_unref(b);
    stint_token_unref(a);
}
END_TEST

START_TEST(a_child_never_outlives_its_parents_deadline)
{
    int64_t now = stint_now_us();
    struct stint_token *a = stint_token_with_deadline(NULL, "a", now + 5000000);
    struct stint_token *later = stint_token_with_deadline(a, "later", now + 9000000);
    struct stint_token *sooner = stint_token_with_deadline(a, "sooner", now + 1000000);

    ck_assert_int_eq(stint_token_deadline(later), now + 5000000);
    ck_assert_int_eq(stint_token_deadline(sooner), now + 1000000);
    stint_token_unref(sooner);
    stint_token_unref(later);
    stint_token_unref(a);
}
END_TEST

START_TEST(whoever_asks_after_the_deadline_finds_it_expired)
{
    struct stint_token *t = stint_token_with_deadline(NULL, "t", stint_now_us());
    struct stint_token *child = stint_token_new(t, "child");

    ck_assert_int_eq(stint_token_err(t), -ETIMEDOUT);
    ck_assert(stint_token_cancelled(t));
    ck_assert(stint_token_cancelled(child));
    ck_assert_int_eq(stint_token_err(child), -ETIMEDOUT);
    ck_assert_int_eq(stint_token_cause(t, NULL), STINT_CAUSE_DEADLINE);
    stint_token_unref(child);
    stint_token_unref(t);
}
END_TEST

START_TEST(a_cancel_before_the_deadline_stays_a_cancel)
{
    struct stint_token *t = stint_token_with_deadline(NULL, "t", stint_now_us() + 2000);

    stint_token_cancel(t, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_token_wait(NULL, stint_now_us() + 4000), 0);
    ck_assert_int_eq(stint_token_err(t), -ECANCELED);
    stint_token_unref(t);
}
END_TEST

START_TEST(the_fd_is_readable_from_the_cancel_on)
{
    struct stint_token *a = stint_token_new(NULL, "a");
    struct stint_token *b = stint_token_new(a, "b");
    int fd = stint_token_fd(b);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(stint_token_fd(b), fd);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(readable(fd), 0);
    stint_token_cancel(a, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(readable(fd), 1);
    ck_assert_int_eq(readable(fd), 1);
    stint_token_unref(b);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    stint_token_unref(a);
}
END_TEST

START_TEST(the_fd_of_a_deadline_fires_by_itself_and_on_cancel)
{
    struct stint_token *soon_over = stint_token_with_deadline(NULL, "t", stint_now_us() + 20000);
    struct stint_token *far =
        stint_token_with_deadline(NULL, "far", stint_now_us() + INT64_C(9) * SOON_US);
    struct pollfd p = {.fd = stint_token_fd(soon_over), .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, SOON_US / 1000), 1);
    ck_assert_int_eq(stint_token_err(soon_over), -ETIMEDOUT);
    ck_assert_int_eq(readable(p.fd), 1);
    ck_assert_int_eq(readable(stint_token_fd(far)), 0);
    stint_token_cancel(far, STINT_CAUSE_USER, NULL);
    p.fd = stint_token_fd(far);
    ck_assert_int_eq(poll(&p, 1, SOON_US / 1000), 1);
    stint_token_unref(far);
    stint_token_unref(soon_over);
}
END_TEST

START_TEST(no_descriptor_left_is_an_error_and_not_a_silent_minus_one)
{
    struct rlimit before, none;
    struct stint_token *t = stint_token_new(NULL, "t");

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(stint_token_fd(t), -EMFILE);
    ck_assert_int_eq(stint_token_poll(t, NULL, 0, STINT_NEVER), -EMFILE);
    stint_token_cancel(t, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_token_wait(t, STINT_NEVER), -ECANCELED);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    stint_token_unref(t);
}
END_TEST

START_TEST(wait_ends_with_the_earlier_of_time_and_deadline)
{
    int64_t now = stint_now_us();
    struct stint_token *t = stint_token_with_deadline(NULL, "t", now + 1000000);

    ck_assert_int_eq(stint_token_wait(t, now + 10000), 0);
    ck_assert_int_ge(stint_now_us(), now + 10000);
    ck_assert_int_eq(stint_token_sleep(t, SOON_US), -ETIMEDOUT);
    ck_assert_int_ge(stint_now_us(), now + 1000000);
    ck_assert_int_lt(stint_now_us(), now + SOON_US);
    stint_token_unref(t);
}
END_TEST

START_TEST(the_ends_of_time_are_times)
{
    struct stint_token *ever = stint_token_with_deadline(NULL, "ever", STINT_NEVER - 1);
    struct stint_token *never = stint_token_with_deadline(NULL, "never", INT64_MIN);

    ck_assert_int_eq(stint_token_poll(NULL, NULL, 0, INT64_MIN), 0);
    ck_assert_int_eq(stint_token_wait(NULL, INT64_MIN), 0);
    ck_assert_int_eq(stint_token_sleep(NULL, INT64_MIN), 0);
    ck_assert_int_eq(stint_token_wait(ever, stint_now_us() + 1000), 0);
    ck_assert_int_eq(stint_token_poll(ever, NULL, 0, stint_now_us() + 1000), 0);
    ck_assert_int_eq(readable(stint_token_fd(ever)), 0);
    ck_assert_int_eq(readable(stint_token_fd(never)), 1);
    ck_assert_int_eq(stint_token_poll(never, NULL, 0, STINT_NEVER), -ETIMEDOUT);
    stint_token_unref(never);
    stint_token_unref(ever);
}
END_TEST

START_TEST(poll_reports_data_time_and_the_token)
{
    struct stint_token *t = stint_token_new(NULL, "t");
    struct pollfd many[40];
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    for (int i = 0; i < 40; i++)
        many[i] = (struct pollfd){.fd = i == 39 ? fds[0] : -1, .events = POLLIN};
    ck_assert_int_eq(stint_token_poll(t, many, 40, stint_now_us() + 1000), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(stint_token_poll(t, many, 40, soon()), 1);
    ck_assert_int_eq(many[39].revents, POLLIN);
    stint_token_cancel(t, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_token_poll(t, many, 40, soon()), -ECANCELED);
    ck_assert_int_eq(many[39].revents, 0);
    ck_assert_int_eq(stint_token_poll(NULL, many, 40, soon()), 1);
    stint_token_unref(t);
}
END_TEST

START_TEST(ten_thousand_descendants_wide_and_deep_are_cancelled_at_once)
{
    enum { N = 10000 };
    static struct stint_token *all[2 * N];
    struct stint_token *top = stint_token_new(NULL, "top");

    for (int i = 0; i < N; i++) {
        all[i] = stint_token_new(top, "wide");
        all[N + i] = stint_token_new(i == 0 ? top : all[N + i - 1], "deep");
    }
    stint_token_cancel(top, STINT_CAUSE_USER, NULL);
    for (int i = 0; i < 2 * N; i++)
        ck_assert(stint_token_cancelled(all[i]));
    for (int i = 0; i < 2 * N; i++)
        stint_token_unref(all[i]); /* the last one unwinds 10000 parents */
    stint_token_unref(top);
}
END_TEST

static int calls;
static struct stint_registration *own;

static void
count(void *arg)
{
    ck_assert_ptr_eq(arg, &calls);
    calls++;
}

static void
remove_self(void *arg)
{
    (void)arg;
    calls++;
    ck_assert_int_eq(stint_registration_remove(own), 0);
}

static void
cancel_other(void *arg)
{
    calls++;
    stint_token_cancel(arg, STINT_CAUSE_USER, NULL);
}

START_TEST(a_callback_runs_once_after_the_token_shows_it)
{
    struct stint_token *a = stint_token_new(NULL, "a");
    struct stint_token *b = stint_token_new(a, "b");
    struct stint_registration *r = stint_token_on_cancel(b, count, &calls);
    struct stint_registration *late;

    stint_token_cancel(a, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(calls, 1);
    stint_token_cancel(a, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(calls, 1);
    late = stint_token_on_cancel(b, count, &calls);
    ck_assert_int_eq(calls, 2);
    ck_assert_int_eq(stint_registration_remove(r), 0);
    ck_assert_int_eq(stint_registration_remove(late), 0);
    stint_token_unref(b);
    stint_token_unref(a);
}
END_TEST

START_TEST(a_removed_callback_never_runs)
{
    struct stint_token *t = stint_token_new(NULL, "t");
    struct stint_registration *r = stint_token_on_cancel(t, count, &calls);

    ck_assert_int_eq(stint_registration_remove(r), 1);
    stint_token_cancel(t, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(calls, 0);
    stint_token_unref(t);
}
END_TEST

START_TEST(a_callback_may_remove_itself_and_cancel_others)
{
    struct stint_token *t = stint_token_new(NULL, "t");
    struct stint_token *u = stint_token_new(NULL, "u");
    struct stint_registration *chain = stint_token_on_cancel(t, cancel_other, u);
    struct stint_registration *last = stint_token_on_cancel(u, count, &calls);

    own = stint_token_on_cancel(t, remove_self, NULL);
    stint_token_cancel(t, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(calls, 3);
    stint_registration_remove(chain);
    stint_registration_remove(last);
    stint_token_unref(u);
    stint_token_unref(t);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("token");
    TCase *tree = tcase_create("tree");
    TCase *time = tcase_create("time and descriptors");
    TCase *callbacks = tcase_create("callbacks");

    tcase_set_timeout(tree, 60);
    tcase_add_test(tree, no_token_is_never_cancelled);
    tcase_add_test(tree, a_cancel_reaches_all_below_and_nothing_above_or_beside);
    tcase_add_test(tree, the_first_cause_wins_and_children_tell_where_it_came_from);
    tcase_add_test(tree, an_older_programs_smaller_info_is_not_overrun);
    tcase_add_test(tree, unref_does_not_cancel_and_a_child_keeps_its_parent);
    tcase_add_test(tree, a_child_of_a_cancelled_token_is_born_cancelled);
    tcase_add_test(tree, ten_thousand_descendants_wide_and_deep_are_cancelled_at_once);
    tcase_set_timeout(time, 60);
    tcase_add_test(time, a_child_never_outlives_its_parents_deadline);
    tcase_add_test(time, whoever_asks_after_the_deadline_finds_it_expired);
    tcase_add_test(time, a_cancel_before_the_deadline_stays_a_cancel);
    tcase_add_test(time, the_fd_is_readable_from_the_cancel_on);
    tcase_add_test(time, the_fd_of_a_deadline_fires_by_itself_and_on_cancel);
    tcase_add_test(time, no_descriptor_left_is_an_error_and_not_a_silent_minus_one);
    tcase_add_test(time, wait_ends_with_the_earlier_of_time_and_deadline);
    tcase_add_test(time, the_ends_of_time_are_times);
    tcase_add_test(time, poll_reports_data_time_and_the_token);
    tcase_add_test(callbacks, a_callback_runs_once_after_the_token_shows_it);
    tcase_add_test(callbacks, a_removed_callback_never_runs);
    tcase_add_test(callbacks, a_callback_may_remove_itself_and_cancel_others);
    suite_add_tcase(suite, tree);
    suite_add_tcase(suite, time);
    suite_add_tcase(suite, callbacks);
    return unit_main(suite);
}
