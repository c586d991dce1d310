/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/cli/stint_line.h"

START_TEST(run_is_told_how_long_a_master_may_be_silent)
{
    ck_assert_int_eq(stint("run"), CLI_CONFIG);
    ck_assert_int_eq(ran_watched_us, -1);
    ck_assert_int_eq(stint("run --watchdog off"), CLI_CONFIG);
    ck_assert_int_eq(ran_watched_us, 0);
    ck_assert_int_eq(stint("run --watchdog 1500ms"), CLI_CONFIG);
    ck_assert_int_eq(ran_watched_us, 1500000);
}
END_TEST

START_TEST(a_time_that_would_kill_a_healthy_master_is_refused)
{
    ran_with = NULL;
    ck_assert_int_eq(stint("run --watchdog 499ms"), CLI_USAGE);
    ck_assert_ptr_nonnull(strstr(err, "at least 500ms"));
    ck_assert_int_eq(stint("run --watchdog soon"), CLI_USAGE);
    ck_assert_int_eq(stint("run --watchdog 2d"), CLI_USAGE);
    ck_assert_ptr_null(ran_with);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("watchdog");
    TCase *tc = tcase_create("of the master");

    tcase_add_checked_fixture(tc, NULL, tear_down);
    tcase_add_test(tc, run_is_told_how_long_a_master_may_be_silent);
    tcase_add_test(tc, a_time_that_would_kill_a_healthy_master_is_refused);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
