/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/judge_history.h"
#include "supervisor/probe/overruns.h"
#include "tests/unit/io/own_dir.h"
#include "tests/unit/unit.h"

static struct ledger *ledger;
static char path[256], said[1024];

static void
say(void *env, const char *sentence)
{
    (void)env;
    (void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", sentence);
}

static void
begin(void)
{
    ck_assert_int_eq(ledger_open(path, say, NULL, &ledger), 0);
}

/* A master is killed: nothing is closed in order. What was written is there. */
static void
again(void)
{
    ledger_close(ledger);
    begin();
}

static void
set_up(void)
{
    own_dir_enter();
    (void)snprintf(path, sizeof(path), "%s/leaks.jsonl", own_dir);
    said[0] = '\0';
    begin();
}

static void
tear_down(void)
{
    ledger_close(ledger);
    own_dir_leave();
}

static void
look(uint64_t generation, pid_t pid, unsigned count, const char *verdict, struct ledger_news *news)
{
    json_t *report =
        json_pack("{s:s, s:i, s:[{s:s, s:b, s:b, s:s, s:i, s:s, s:{s:s}}]}", "schema",
                  "stint.probe/1", "pid", (int)pid, "groups", "verdict", verdict, "leak",
                  strncmp(verdict, "leaked", 6) == 0, "culprit", 1, "key", "flush|cache.c:88",
                  "count", (int)count, "text", "thread `flush`", "first", "name", "flush");

    ck_assert_ptr_nonnull(report);
    ledger_look(ledger, "web", generation, pid, report, news);
    json_decref(report);
}

static void
append(const char *line)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    (void)fd_close(fd);
}

START_TEST(what_was_seen_outlives_whoever_saw_it)
{
    struct ledger_news news;
    struct ledger_certificate c = {
        .generation = 7, .pids_gone = true, .processes = 2, .leaks = 1, .text = "1 killed"};
    const struct history *h;

    look(7, 100, 2, "leaked:blocked", &news);
    ledger_gone(ledger, "web", 100, true);
    ledger_certify(ledger, "web", &c);
    ledger_certify(ledger, "web", &c); /* told again by the next master */
    again();
    h = ledger_book(ledger, "web");
    ck_assert_ptr_nonnull(h);
    ck_assert_uint_eq(h->n_groups, 1);
    ck_assert_str_eq(h->groups[0].name, "flush");
    ck_assert_int_eq(h->groups[0].seen[0].state, HISTORY_KILLED);
    ck_assert_uint_eq(h->n_certificates, 1);
    ck_assert_str_eq(h->certificates[0].text, "1 killed");
    ck_assert_int_eq(h->certificates[0].grade, CERTIFICATE_PIDS);
    ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(a_generation_is_compared_with_the_one_before_it_at_its_first_look)
{
    struct ledger_news news;
    json_t *diff;

    look(1, 100, 1, "clean", &news);
    ck_assert_str_eq(news.compare, "");
    look(2, 101, 3, "clean", &news);
    ck_assert_str_eq(news.compare, "unlike generation 1: `flush` 3 (1)");
    look(2, 101, 3, "clean", &news);
    ck_assert_str_eq(news.compare, "");
    diff = ledger_diff(ledger, "web", 2);
    ck_assert_int_eq(json_integer_value(json_object_get(diff, "before")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_array_get(json_object_get(diff, "kinds"), 0), "change")),
                     "more");
    json_decref(diff);
    ck_assert_ptr_null(ledger_diff(ledger, "web", 3));
    ck_assert_ptr_null(ledger_diff(ledger, "api", 2));
}
END_TEST

START_TEST(more_and_more_with_each_generation_is_a_trend)
{
    struct ledger_news news;
    unsigned at = 0;

    for (unsigned g = 1; g <= 6 && at == 0; g++) {
        look(g, (pid_t)(100 + g), g * 2, "clean", &news);
        if (news.trend[0])
            at = g;
    }
    ck_assert_uint_ge(at, 3);
    ck_assert_msg(strstr(news.trend, "`flush`") != NULL, "%s", news.trend);
}
END_TEST

START_TEST(lines_that_are_damaged_are_left_out_and_said_once)
{
    struct ledger_news news;

    look(1, 100, 1, "leaked:blocked", &news);
    append(
        "{\"service\":\"web\",\"look\":{}}\nno json\n{\"service\":7}\n"
        "{\"service\":\"web\",\"certificate\":{\"generation\":-1}}\n\n{\"service\":\"web\",\"gon");
    again();
    ck_assert_msg(strstr(said, "lines make no sense and were left out") != NULL, "%s", said);
    ck_assert_uint_eq(ledger_book(ledger, "web")->n_groups, 1);
    look(2, 101, 1, "leaked:blocked", &news); /* not behind half a line */
    said[0] = '\0';
    again();
    ck_assert_str_eq(said, "");
    ck_assert_uint_eq(ledger_book(ledger, "web")->groups[0].n_seen, 2);
}
END_TEST

START_TEST(the_file_does_not_grow_without_bound)
{
    struct ledger_news news;
    struct stat st;

    for (int i = 0; i < 30000; i++)
        look(1 + (uint64_t)(i % 7), 100 + i % 5, 1, "leaked:blocked", &news);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_le(st.st_size, (off_t)(LEDGER_BYTES + LEDGER_LINE));
    again();
    ck_assert_str_eq(said, "");
    ck_assert_uint_eq(ledger_book(ledger, "web")->n_groups, 1);
}
END_TEST

START_TEST(without_a_place_on_disk_it_goes_on_in_memory)
{
    struct ledger_news news;
    json_t *report;

    ledger_close(ledger);
    (void)snprintf(path, sizeof(path), "%s/nowhere/leaks.jsonl", own_dir);
    begin();
    ck_assert_msg(strstr(said, "is kept in memory only") != NULL, "%s", said);
    look(1, 100, 1, "leaked:blocked", &news);
    report = ledger_report(ledger, NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(report, "services")), 1);
    json_decref(report);
    report = ledger_report(ledger, "api");
    ck_assert_uint_eq(json_array_size(json_object_get(report, "services")), 0);
    json_decref(report);
}
END_TEST

static void
retain(pid_t pid, int start_time, const char *text)
{
    json_t *o = json_pack("{s:i, s:i, s:s, s:s}", "pid", (int)pid, "start_time", start_time, "comm",
                          "sleep", "text", text);

    ledger_retain(ledger, "web", 7, o);
    json_decref(o);
}

START_TEST(who_was_left_behind_stays_in_the_book_with_how_it_ended)
{
    struct ledger_certificate c = {.generation = 7, .pids_gone = true, .killed = 1};
    const struct history *h;

    retain(100, 5, "`sleep 1000`, holds stdout of worker 99 (fd 1)");
    retain(100, 5, "the same, later");
    retain(101, 6, "`sleep 2000`");
    retain(102, 7, "never seen to end");
    ledger_gone(ledger, "web", 100, true);
    ledger_gone(ledger, "web", 101, false);
    ledger_gone(ledger, "web", 101, false); /* costs no line */
    again();
    h = ledger_book(ledger, "web");
    ck_assert_uint_eq(h->n_retained, 3);
    ck_assert_uint_eq(h->retained[0].generation, 7);
    ck_assert_str_eq(h->retained[0].text, "the same, later");
    ck_assert_int_eq(h->retained[0].state, HISTORY_KILLED);
    ck_assert_int_eq(h->retained[1].state, HISTORY_RECOVERED);
    ck_assert_int_eq(h->retained[2].state, HISTORY_LEAKED);
    ledger_certify(ledger, "web", &c);
    ck_assert_int_eq(ledger_book(ledger, "web")->retained[2].state, HISTORY_KILLED);
    for (int i = 0; i < 3 * HISTORY_RETAINED; i++)
        retain(1000 + i, i, "one of many");
    again();
    h = ledger_book(ledger, "web");
    ck_assert_uint_eq(h->n_retained, HISTORY_RETAINED);
    ck_assert_int_eq(h->retained[HISTORY_RETAINED - 1].pid, 1000 + 3 * HISTORY_RETAINED - 1);
    ck_assert_str_eq(said, "");
}
END_TEST

/* What a worker with this pid counted of one thread and one caller. */
static bool
overrun(pid_t pid, uint64_t count, const char *thread)
{
    struct overrun row = {.count = count,
                          .over_us = 7,
                          .most_us = (int64_t)count * 1000,
                          .last_us = mono_now_us() - 5000000,
                          .trace_id = "0af7651916cd43dd8448eb211c80319c"};
    struct overrun_caller caller = {.calls = 10, .overruns = count, .least_us = 5, .most_us = 9};
    const struct overruns o = {
        .of = &row, .n = 1, .callers = &caller, .n_callers = 1, .total = count};

    (void)snprintf(row.thread, sizeof(row.thread), "%s", thread);
    (void)snprintf(row.creator, sizeof(row.creator), "pool.c:41 in \"start\"");
    (void)snprintf(caller.name, sizeof(caller.name), "gateway");
    return ledger_overrun(ledger, "web", 7, pid, &o);
}

static const struct overruns *
overruns(uint64_t total, size_t rows)
{
    const struct overruns *o = ledger_overruns(ledger, "web");

    ck_assert_ptr_nonnull(o);
    ck_assert_uint_eq(o->total, total);
    ck_assert_uint_eq(o->n, rows);
    ck_assert_uint_eq(o->n_callers, 1);
    ck_assert_uint_eq(o->callers[0].overruns, total);
    return o;
}

START_TEST(who_went_on_past_a_deadline_is_counted_once_and_outlives_whoever_counted)
{
    const struct overruns *o;

    ck_assert_ptr_null(ledger_overruns(ledger, "web"));
    ck_assert(overrun(100, 3, "pool-1"));
    again();
    ck_assert(!overrun(100, 3, "pool-1")); /* told again by the next master, which was not there */
    overrun(101, 2, "pool-1");
    overrun(102, 1, "other");
    again();
    o = overruns(6, 2);
    ck_assert_uint_eq(o->callers[0].calls, 30);
    ck_assert_str_eq(o->callers[0].name, "gateway");
    ck_assert_uint_eq(o->of[0].count, 5);
    ck_assert_int_eq(o->of[0].most_us, 3000);
    ck_assert_int_ge(mono_now_us() - o->of[0].last_us, 5000000);
    ck_assert_int_le(mono_now_us() - o->of[0].last_us, 65000000);
    ck_assert_str_eq(o->of[0].creator, "pool.c:41 in \"start\"");
    ck_assert_str_eq(o->of[0].trace_id, "0af7651916cd43dd8448eb211c80319c");
    ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(what_was_counted_is_there_when_the_file_was_written_anew)
{
    struct ledger_news news;

    for (pid_t pid = 1000; pid < 1100; pid++)
        overrun(pid, 1, "pool-1");
    append("no json\n"); /* … so that the next one writes it anew */
    again();
    (void)overruns(100, 1);
    overrun(1099, 1, "pool-1"); /* it knows who is in the sum */
    (void)overruns(100, 1);
    look(1, 100, 1, "clean", &news);
    said[0] = '\0';
    again();
    (void)overruns(100, 1);
    ck_assert_uint_eq(ledger_book(ledger, "web")->n_looked, 1);
    ck_assert_str_eq(said, "");
    for (int i = 0; i < 200; i++) {
        char thread[32];

        (void)snprintf(thread, sizeof(thread), "pool-%d", i);
        overrun(2000 + i, 1, thread);
    }
    (void)overruns(300, 64); /* bounded: those without a row are in the total */
    again();
    (void)overruns(300, 64);
}
END_TEST

START_TEST(who_was_never_looked_at_costs_no_line)
{
    struct stat st;

    for (pid_t pid = 1; pid < 1000; pid++)
        ledger_gone(ledger, "web", pid, false);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 0);
    ck_assert_ptr_null(ledger_book(ledger, "web"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ledger");
    TCase *t = tcase_create("ledger");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_was_seen_outlives_whoever_saw_it);
    tcase_add_test(t, a_generation_is_compared_with_the_one_before_it_at_its_first_look);
    tcase_add_test(t, more_and_more_with_each_generation_is_a_trend);
    tcase_add_test(t, lines_that_are_damaged_are_left_out_and_said_once);
    tcase_add_test(t, the_file_does_not_grow_without_bound);
    tcase_add_test(t, without_a_place_on_disk_it_goes_on_in_memory);
    tcase_add_test(t, who_was_left_behind_stays_in_the_book_with_how_it_ended);
    tcase_add_test(t, who_went_on_past_a_deadline_is_counted_once_and_outlives_whoever_counted);
    tcase_add_test(t, what_was_counted_is_there_when_the_file_was_written_anew);
    tcase_add_test(t, who_was_never_looked_at_costs_no_line);
    suite_add_tcase(s, t);
    return unit_main(s);
}
