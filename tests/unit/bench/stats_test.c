// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "bench/load_report.h"
#include "bench/load_stats.h"
#include "bench/sample.h"
#include "tests/unit/unit.h"

#define MS INT64_C(1000)
#define S  INT64_C(1000000)

static struct load_stats *stats;

static void
setup(void)
{
    stats = load_stats_create(0);
    ck_assert_ptr_nonnull(stats);
}

static void
teardown(void)
{
    load_stats_destroy(stats);
}

static void
answered(int64_t scheduled_us, int64_t now_us, const char *generation)
{
    ck_assert_int_eq(load_stats_answer(stats, scheduled_us, now_us, generation), 0);
}

START_TEST(percentiles_are_right_to_one_per_cent)
{
    static struct histogram h;

    for (int64_t us = 1; us <= 100000; us++)
        histogram_add(&h, us);
    ck_assert_int_eq(h.max_us, 100000);
    ck_assert_int_ge(histogram_at(&h, 0.5), 50000);
    ck_assert_int_le(histogram_at(&h, 0.5), 50500);
    ck_assert_int_ge(histogram_at(&h, 0.99), 99000);
    ck_assert_int_le(histogram_at(&h, 0.99), 99990);
    ck_assert_int_eq(histogram_at(&h, 1.0), 100000);
    histogram_add(&h, INT64_MAX);
    histogram_add(&h, -5);
    ck_assert_int_eq(histogram_at(&h, 1.0), INT64_MAX);
    ck_assert_int_eq(histogram_at(&h, 0.0), 0);
}
END_TEST

START_TEST(every_request_is_in_exactly_one_account)
{
    for (enum load_failure k = 0; k < LOAD_FAILURE_COUNT; k++)
        load_stats_failure(stats, k, 0, 1 * MS);
    answered(0, 2 * MS, "");
    ck_assert_uint_eq(stats->requests, LOAD_FAILURE_COUNT + 1);
    ck_assert_uint_eq(stats->answers, 1);
    ck_assert_uint_eq(load_stats_failed(stats), LOAD_FAILURE_COUNT);
    ck_assert_uint_eq(stats->all.n, 1); /* failures have no latency */
}
END_TEST

START_TEST(the_longest_gap_counts_from_the_start_and_to_the_stop)
{
    answered(0, 70 * MS, "");
    ck_assert_int_eq(stats->longest_gap_us, 70 * MS);
    answered(0, 100 * MS, "");
    ck_assert_int_eq(stats->longest_gap_us, 70 * MS);
    load_stats_failure(stats, LOAD_REFUSED, 0, 150 * MS); /* no answer: the gap goes on */
    answered(0, 180 * MS, "");
    ck_assert_int_eq(stats->longest_gap_us, 80 * MS);
    ck_assert_int_eq(stats->longest_gap_at_us, 100 * MS);
    load_stats_end(stats, 1 * S);
    ck_assert_int_eq(stats->longest_gap_us, 820 * MS);
}
END_TEST

START_TEST(a_request_belongs_to_a_reload_when_it_touches_its_window)
{
    answered(90 * MS, 99 * MS, "");
    ck_assert_int_eq(load_stats_mark(stats, 100 * MS), 0);
    answered(95 * MS, 105 * MS, "");    /* under way when it began */
    answered(1099 * MS, 1500 * MS, ""); /* due in the last millisecond */
    load_stats_failure(stats, LOAD_SHORT, 500 * MS, 501 * MS);
    answered(1100 * MS, 1600 * MS, ""); /* due after it */
    ck_assert_uint_eq(stats->reload.n, 2);
    ck_assert_uint_eq(stats->steady.n, 2);
    ck_assert_uint_eq(stats->marks[0].requests, 3);
    ck_assert_uint_eq(stats->marks[0].failed, 1);
    ck_assert_int_eq(stats->marks[0].longest_gap_us, 1395 * MS);
}
END_TEST

START_TEST(overlapping_windows_both_count)
{
    ck_assert_int_eq(load_stats_mark(stats, 0), 0);
    ck_assert_int_eq(load_stats_mark(stats, 500 * MS), 0);
    ck_assert_int_eq(load_stats_mark(stats, 3000 * MS), 0);
    answered(600 * MS, 700 * MS, "");
    ck_assert_uint_eq(stats->marks[0].requests, 1);
    ck_assert_uint_eq(stats->marks[1].requests, 1);
    ck_assert_uint_eq(stats->marks[2].requests, 0);
    ck_assert_uint_eq(stats->reload.n, 1);
}
END_TEST

START_TEST(each_generation_is_noted_once_with_its_first_answer)
{
    char name[16];

    for (int g = 1; g <= 100; g++) {
        (void)snprintf(name, sizeof(name), "%d", g);
        answered(g * S, g * S + 1, name);
        answered(g * S, g * S + 2, "1"); /* the first one is still around */
    }
    ck_assert_uint_eq(stats->n_generations, 100);
    ck_assert_str_eq(stats->generations[41].name, "42");
    ck_assert_int_eq(stats->generations[41].first_us, 42 * S + 1);
    ck_assert_uint_eq(stats->generations[0].answers, 101);
    ck_assert_int_eq(stats->generations[0].last_us, 100 * S + 2);
}
END_TEST

START_TEST(the_last_line_says_how_many_failed_and_how)
{
    auto_text struct text out = TEXT_INIT;

    answered(0, MS, "");
    load_stats_failure(stats, LOAD_RESET, 0, MS);
    load_stats_failure(stats, LOAD_LOST_ON_REUSED, 0, MS);
    load_stats_failure(stats, LOAD_LOST_ON_REUSED, 0, MS);
    load_stats_end(stats, S);
    load_report_text(stats, &out);
    ck_assert_ptr_nonnull(
        strstr(text_str(&out), "\nrequests 4, failed 3 (reset 1, lost_on_reused 2)\n"));
    text_clear(&out);
    load_report_live(stats, &out);
    ck_assert_str_eq(text_str(&out), "requests 4 failed 3\n");
}
END_TEST

START_TEST(the_benchmark_reads_the_accounts_back)
{
    auto_text struct text out = TEXT_INIT;
    const int64_t commanded_us[] = {1 * S, 2 * S, 3 * S, 4 * S};
    char path[] = "/tmp/stint-unit-XXXXXX";
    struct error error = {0};
    struct sample sample;
    int fd = mkstemp(path);

    ck_assert_int_ne(fd, -1);
    answered(0, MS, "old \"quoted\"");
    answered(S, S + 5 * MS, "two");
    answered(2 * S, 2 * S + 9 * MS, "three"); /* the third command brings nothing in time … */
    answered(4 * S, 4 * S + 7 * MS, "four");  /* … what comes is the fourth's */
    load_stats_failure(stats, LOAD_TIMEOUT, S, 2 * S);
    load_stats_end(stats, 5 * S);
    load_report_json(stats, &out);
    ck_assert_int_eq(load_report_swap(path, &out, &error), 0);
    ck_assert_msg(sample_read(path, commanded_us, 4, &sample, &error) == 0, "%s", error.text);
    (void)remove(path);
    (void)close(fd);
    ck_assert_uint_eq(sample.requests, 5);
    ck_assert_uint_eq(sample.failed, 1);
    ck_assert_uint_eq(sample.failed_by_kind[LOAD_TIMEOUT], 1);
    ck_assert_uint_eq(sample.missed, 1);
    ck_assert_double_eq_tol(sample.first_ms, 7, 0.001);
    ck_assert_double_eq_tol(sample.first_max_ms, 9, 0.001);
    ck_assert_double_eq_tol(sample.gap_ms, 1998, 0.001);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench.stats");
    TCase *tc = tcase_create("accounts");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, percentiles_are_right_to_one_per_cent);
    tcase_add_test(tc, every_request_is_in_exactly_one_account);
    tcase_add_test(tc, the_longest_gap_counts_from_the_start_and_to_the_stop);
    tcase_add_test(tc, a_request_belongs_to_a_reload_when_it_touches_its_window);
    tcase_add_test(tc, overlapping_windows_both_count);
    tcase_add_test(tc, each_generation_is_noted_once_with_its_first_answer);
    tcase_add_test(tc, the_last_line_says_how_many_failed_and_how);
    tcase_add_test(tc, the_benchmark_reads_the_accounts_back);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
