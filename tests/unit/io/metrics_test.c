/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics as text: what a reader of OpenMetrics insists on, and what an older one stumbles over. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/metrics.h"
#include "tests/unit/unit.h"

#define LINES 4096

static struct metrics m;
static struct metrics_service services[2];
static struct metrics_kind kinds[2];
static struct metrics_edge edges[1];
static struct text text;
static char *lines[LINES];
static size_t n_lines;

static void
setup(void)
{
    memset(&m, 0, sizeof(m));
    memset(services, 0, sizeof(services));
    memset(kinds, 0, sizeof(kinds));
    m.stint_wall_us = INT64_C(1700000000123456);
    m.master_wall_us = INT64_C(1700000100000999);
    m.up = m.masters = 1;
    m.n_lanes = OTLP_SIGNALS;
    m.services = services;
    m.n_services = 2;
    for (int i = 0; i < 2; i++) {
        struct metrics_service *s = &services[i];

        (void)snprintf(s->name, sizeof(s->name), "web%d", i);
        s->created_wall_us = m.stint_wall_us;
        s->has_reload = s->has_log = s->has_lint = s->has_book = s->has_resources = true;
    }
    text = (struct text)TEXT_INIT;
}

static void
teardown(void)
{
    text_finish(&text);
}

/* @most: bytes of a part */
static void
render(enum metrics_format format, size_t most)
{
    struct metrics_cursor at = {0};
    struct text part = TEXT_INIT;
    bool more = true;

    text_clear(&text);
    while (more) {
        more = metrics_render(&m, format, &at, &part, most);
        text_addn(&text, part.data ? part.data : "", part.bytes);
        text_clear(&part);
    }
    ck_assert(!metrics_render(&m, format, &at, &part, most));
    ck_assert_uint_eq(part.bytes, 0);
    text_finish(&part);
}

static void
split(void)
{
    char *save = NULL;

    n_lines = 0;
    for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        ck_assert_uint_lt(n_lines, LINES);
        lines[n_lines++] = l;
    }
}

#define ck_told(words) \
    ck_assert_msg(strstr(text_str(&text), words) != NULL, "'%s' is not in it", words)
#define ck_not_told(words) \
    ck_assert_msg(strstr(text_str(&text), words) == NULL, "'%s' is in it", words)

START_TEST(it_is_the_same_text_in_parts_of_any_size)
{
    char *whole;

    render(METRICS_OPENMETRICS, SIZE_MAX);
    whole = strdup(text_str(&text));
    for (size_t most = 1; most < 5000; most = most * 3 + 1) {
        render(METRICS_OPENMETRICS, most);
        ck_assert_str_eq(text_str(&text), whole);
    }
    free(whole);
}
END_TEST

START_TEST(openmetrics_ends_with_its_end_mark_and_the_older_format_has_none)
{
    render(METRICS_OPENMETRICS, SIZE_MAX);
    ck_assert_ptr_eq(strstr(text_str(&text), "# EOF\n"),
                     text.data + text.bytes - strlen("# EOF\n"));
    render(METRICS_PROMETHEUS, SIZE_MAX);
    ck_not_told("# EOF");
    ck_not_told("# UNIT");
    ck_not_told("_created");
    ck_not_told(" info\n");
    ck_told("# TYPE stint_reloads_total counter\n");
    ck_told("# TYPE stint_build_info gauge\n");
}
END_TEST

static const char *
family_name(const char *line, char *buf, size_t room)
{
    (void)snprintf(buf, room, "%.*s", (int)strcspn(line, " {"), line);
    return buf;
}

/* The family that a sample belongs to may have a suffix more. */
static bool
belongs(const char *sample, const char *family)
{
    static const char *const suffixes[] = {"", "_total", "_created", "_info", "_sum", "_count"};
    char name[128], want[160];

    (void)family_name(sample, name, sizeof(name));
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        (void)snprintf(want, sizeof(want), "%s%s", family, suffixes[i]);
        if (strcmp(name, want) == 0)
            return true;
    }
    return false;
}

START_TEST(every_sample_stands_below_the_type_of_its_family_and_no_family_comes_twice)
{
    char present[128] = "", families[256][128];
    size_t n = 0;

    render(_i ? METRICS_PROMETHEUS : METRICS_OPENMETRICS, SIZE_MAX);
    split();
    for (size_t i = 0; i < n_lines; i++) {
        if (strncmp(lines[i], "# TYPE ", 7) == 0) {
            (void)family_name(lines[i] + 7, present, sizeof(present));
            for (size_t k = 0; k < n; k++)
                ck_assert_str_ne(families[k], present);
            ck_assert_uint_lt(n, ARRAY_LEN(families));
            memcpy(families[n++], present, sizeof(present));
        } else if (lines[i][0] != '#') {
            ck_assert_msg(belongs(lines[i], present), "'%s' below %s", lines[i], present);
        }
    }
    ck_assert_uint_eq(n, metrics_n_families);
}
END_TEST

START_TEST(no_series_comes_twice)
{
    services[0].kinds = kinds;
    services[0].has_deadlines = true;
    services[0].n_kinds = 2;
    (void)snprintf(kinds[0].thread, sizeof(kinds[0].thread), "other");
    (void)snprintf(kinds[1].thread, sizeof(kinds[1].thread), "pool");
    render(METRICS_OPENMETRICS, SIZE_MAX);
    split();
    for (size_t i = 0; i < n_lines; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(lines[i][0] == '#' ||
                              strncmp(lines[i], lines[k], strcspn(lines[i], " ") + 1) != 0,
                          "%s", lines[i]);
}
END_TEST

/* The rules of Prometheus that a table can keep or break. */
START_TEST(names_have_their_unit_and_only_counters_are_counted)
{
    for (size_t i = 0; i < metrics_n_families; i++) {
        const struct family *f = &metrics_families[i];
        size_t n = strlen(f->name);

        ck_assert_msg(strncmp(f->name, "stint_", 6) == 0, "%s", f->name);
        ck_assert_uint_eq(strspn(f->name, "abcdefghijklmnopqrstuvwxyz_"), n);
        ck_assert_msg(n < 6 || strcmp(f->name + n - 6, "_total") != 0, "%s", f->name);
        ck_assert_msg(f->micros == (n > 8 && strcmp(f->name + n - 8, "_seconds") == 0), "%s",
                      f->name);
        ck_assert_msg(f->help && f->help[0] && f->help[strlen(f->help) - 1] == '.' &&
                          !strpbrk(f->help, "\\\n\""),
                      "%s: '%s'", f->name, f->help);
        ck_assert_msg(f->began == BEGAN_NOT_TOLD || f->type == FAMILY_COUNTER ||
                          f->type == FAMILY_SUMMARY,
                      "%s", f->name);
        ck_assert_msg(f->n == 0 || (f->label && f->name_of), "%s", f->name);
    }
}
END_TEST

START_TEST(a_value_of_a_label_may_have_any_characters)
{
    (void)snprintf(services[0].name, sizeof(services[0].name), "a\"b\\c\nd{e}");
    render(METRICS_OPENMETRICS, SIZE_MAX);
    ck_told("stint_service_wanted{service=\"a\\\"b\\\\c\\nd{e}\"} 0\n");
}
END_TEST

START_TEST(a_counter_says_since_when_it_counts)
{
    services[1].created_wall_us = INT64_C(1700000200500000); /* later than the master */
    services[1].verdicts[OUTCOME_REJECTED] = 3;
    render(METRICS_OPENMETRICS, SIZE_MAX);
    ck_told("stint_reloads_total{service=\"web1\",outcome=\"rejected\"} 3\n"
            "stint_reloads_created{service=\"web1\",outcome=\"rejected\"} 1700000200.500000\n");
    ck_told("stint_reloads_created{service=\"web0\",outcome=\"rejected\"} 1700000000.123000\n");
    ck_told("stint_service_log_lines_created{service=\"web0\"} 1700000100.000000\n");
    ck_told("stint_service_log_lines_created{service=\"web1\"} 1700000200.500000\n");
    ck_not_told(
        "stint_export_sent_rows_created"); /* they outlive a master, nobody knows since when */
}
END_TEST

START_TEST(times_are_seconds_and_a_summary_has_sum_and_count)
{
    services[0].reload_us = 2500001;
    services[0].reloads = 4;
    m.longest_turn_us = -1;
    render(METRICS_OPENMETRICS, SIZE_MAX);
    ck_told("# UNIT stint_reload_duration_seconds seconds\n");
    ck_told("stint_reload_duration_seconds_sum{service=\"web0\"} 2.500001\n"
            "stint_reload_duration_seconds_count{service=\"web0\"} 4\n"
            "stint_reload_duration_seconds_created{service=\"web0\"} ");
    ck_told("stint_loop_longest_turn_seconds -0.000001\n");
}
END_TEST

START_TEST(what_does_not_apply_is_not_told)
{
    services[1].has_reload = services[1].has_log = services[1].has_lint = false;
    m.n_lanes = 0;
    render(METRICS_OPENMETRICS, SIZE_MAX);
    ck_told("stint_service_log_lines_total{service=\"web0\"}");
    ck_not_told("stint_service_log_lines_total{service=\"web1\"}");
    ck_not_told("stint_last_reload_successful{service=\"web1\"}");
    ck_not_told("stint_trace_faults_total{service=\"web1\"");
    ck_not_told("stint_deadline_overruns_total{");
    ck_not_told("stint_export_");
}
END_TEST

START_TEST(overruns_have_an_example_with_its_trace_where_the_format_knows_that)
{
    services[0].has_deadlines = true;
    services[0].kinds = kinds;
    services[0].n_kinds = 2;
    services[0].edges = edges;
    services[0].n_edges = 1;
    edges[0] = (struct metrics_edge){.caller = "front", .fault = 1};
    (void)snprintf(kinds[0].thread, sizeof(kinds[0].thread), "other");
    kinds[1] = (struct metrics_kind){.thread = "pool",
                                     .creator = "pool.c:41 in start",
                                     .count = 5,
                                     .trace_id = "0af7651916cd43dd8448eb211c80319c",
                                     .over_us = 250000,
                                     .last_wall_us = INT64_C(1700000300000000)};
    render(METRICS_OPENMETRICS, SIZE_MAX);
    ck_told("stint_deadline_overruns_total{service=\"web0\",thread=\"other\",creator=\"\"} 0\n");
    ck_told("stint_deadline_overruns_total{service=\"web0\",thread=\"pool\",creator=\"pool.c:41 in "
            "start\"} 5 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.250000 "
            "1700000300.000000\n");
    ck_told("stint_deadline_mismatch{service=\"web0\",caller=\"front\"} 1\n");
    render(METRICS_PROMETHEUS, SIZE_MAX);
    ck_told("creator=\"pool.c:41 in start\"} 5\n");
}
END_TEST

START_TEST(without_services_there_is_still_a_whole_text)
{
    m.n_services = 0;
    render(METRICS_OPENMETRICS, 1);
    ck_told("stint_services 0\n");
    ck_not_told("stint_service_state");
    ck_told("# EOF\n");
}
END_TEST

/* What is in the table is in the manual, under the name that people see. */
START_TEST(every_family_is_explained)
{
    FILE *f = fopen(METRICS_MD, "r");
    char *manual = calloc(1, 1 << 18), row[160];

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_gt(fread(manual, 1, (1 << 18) - 1, f), 0);
    (void)fclose(f);
    for (size_t i = 0; i < metrics_n_families; i++) {
        const struct family *of = &metrics_families[i];

        (void)snprintf(row, sizeof(row), "| `%s%s` |", of->name,
                       of->type == FAMILY_COUNTER ? "_total"
                       : of->type == FAMILY_INFO  ? "_info"
                                                  : "");
        ck_assert_msg(strstr(manual, row) != NULL, "%s", row);
    }
    free(manual);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tcase = tcase_create("metrics");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, it_is_the_same_text_in_parts_of_any_size);
    tcase_add_test(tcase, openmetrics_ends_with_its_end_mark_and_the_older_format_has_none);
    tcase_add_loop_test(
        tcase, every_sample_stands_below_the_type_of_its_family_and_no_family_comes_twice, 0, 2);
    tcase_add_test(tcase, no_series_comes_twice);
    tcase_add_test(tcase, names_have_their_unit_and_only_counters_are_counted);
    tcase_add_test(tcase, a_value_of_a_label_may_have_any_characters);
    tcase_add_test(tcase, a_counter_says_since_when_it_counts);
    tcase_add_test(tcase, times_are_seconds_and_a_summary_has_sum_and_count);
    tcase_add_test(tcase, what_does_not_apply_is_not_told);
    tcase_add_test(tcase, overruns_have_an_example_with_its_trace_where_the_format_knows_that);
    tcase_add_test(tcase, every_family_is_explained);
    tcase_add_test(tcase, without_services_there_is_still_a_whole_text);
    suite_add_tcase(suite, tcase);
    return unit_main(suite);
}
