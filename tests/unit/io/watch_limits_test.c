/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storms, overflows, and what inotify cannot watch. */
#include "supervisor/io/watch.h"

#include <sys/resource.h>

#include "tests/unit/io/watch_fixture.h"

static void
touch(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(futimens(fd, NULL), 0);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(ten_thousand_touches_are_few_hints_and_the_last_is_not_missed)
{
    unsigned total = 0;

    put("web.conf", "0");
    watch_these(1, "web.conf", NULL);
    for (int i = 0; i < 10000; i++) {
        touch(i % 2 ? "web.conf" : "other");
        if (i % 1000 == 0)
            ev_run(at.loop, EVRUN_NOWAIT);
    }
    expect_hint(1);
    for (uint64_t seen = UINT64_MAX; seen != watch_stats(at.w).events;) {
        seen = watch_stats(at.w).events;
        for (int i = 0; i < 64; i++)
            ev_run(at.loop, EVRUN_NOWAIT);
        total += at.hints[1];
    }
    ck_assert_uint_lt(total, 1000);
    memset(at.hints, 0, sizeof(at.hints));
    put("web.conf", "last");
    expect_hint(1);
}
END_TEST

START_TEST(an_overflow_hints_everybody_and_the_watch_goes_on)
{
    ck_assert_int_eq(mkdir("storm", 0700), 0);
    put("quiet.conf", "1");
    watch_these(1, "storm/file", NULL);
    watch_these(2, "quiet.conf", NULL);
    for (int i = 0; i < 9000; i++) { /* two events each, unread: the queue holds 16384 */
        put("storm/a", "");
        ck_assert_int_eq(unlink("storm/a"), 0);
    }
    expect_hint(2);
    ck_assert_uint_eq(watch_stats(at.w).overflows, 1);
    ck_assert_uint_ge(watch_stats(at.w).renewals, 1);
    put("quiet.conf", "2");
    expect_hint(2);
    put("storm/file", "2");
    expect_hint(1);
}
END_TEST

START_TEST(directories_that_come_and_go_leave_nothing_behind_in_the_library)
{
    fence();
    watch_these(1, "d/web.conf", NULL);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(mkdir("d", 0700), 0);
        expect_hint(1);
        ck_assert_int_eq(rmdir("d"), 0);
        expect_hint(1);
    }
    ck_assert_uint_ge(watch_stats(at.w).renewals, 2); /* it was started anew to let them go */
    ck_assert_int_eq(mkdir("d", 0700), 0);
    expect_hint(1);
    put("d/web.conf", "1");
    expect_hint(1);
}
END_TEST

START_TEST(a_deep_tree_beyond_the_limit_is_polled_and_says_so)
{
    char name[64];

    ck_assert_int_eq(mkdir("wide", 0700), 0);
    for (int i = 0; i <= WATCH_TREE_MAX; i++) {
        (void)snprintf(name, sizeof(name), "wide/%d", i);
        ck_assert_int_eq(mkdir(name, 0700), 0);
    }
    watch_these(1, "wide", NULL);
    ck_assert_str_eq(watch_mode(at.w, 1), "polling: too many directories");
    ck_assert_uint_eq(watch_stats(at.w).polled, 1);
    put("wide/0/file", "x");
    ck_assert(loop_until(at.loop, hinted, &(uint32_t){1}, 5 * US_PER_S));
}
END_TEST

/* Nobody can open an inotify descriptor: everything is polled, and still nothing is missed. */
START_TEST(without_inotify_changes_are_found_by_polling)
{
    struct rlimit limit, none;
    struct error err;

    watch_destroy(at.w);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(0);

    ck_assert_int_eq(close(next), 0);
    none = (struct rlimit){(rlim_t)next, limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(watch_create(at.loop, on_hint, &at, &at.w, &err), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(watch_fd(at.w), -1);
    put("web.conf", "1");
    watch_these(1, "web.conf", NULL);
    ck_assert_ptr_nonnull(strstr(watch_mode(at.w, 1), "polling: "));
    put("web.conf.new", "2");
    ck_assert_int_eq(rename("web.conf.new", "web.conf"), 0);
    ck_assert(loop_until(at.loop, hinted, &(uint32_t){1}, 5 * US_PER_S));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("watch_limits");
    TCase *t = tcase_create("watch_limits");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, ten_thousand_touches_are_few_hints_and_the_last_is_not_missed);
    tcase_add_test(t, an_overflow_hints_everybody_and_the_watch_goes_on);
    tcase_add_test(t, directories_that_come_and_go_leave_nothing_behind_in_the_library);
    tcase_add_test(t, a_deep_tree_beyond_the_limit_is_polled_and_says_so);
    tcase_add_test(t, without_inotify_changes_are_found_by_polling);
    suite_add_tcase(s, t);
    return unit_main(s);
}
