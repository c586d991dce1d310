/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/core/effect.h"
#include "supervisor/io/journal.h"
#include "tests/unit/unit.h"

static struct ev_loop *loop;
static struct journal *journal;
static int ends[2]; /* the log: we read [0] */
static struct text got;

static void
open_journal(const struct journal_options *o)
{
    ck_assert_int_eq(journal_create(loop, o, &journal), 0);
}

static void
set_up(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    got = (struct text)TEXT_INIT;
    journal = NULL;
}

static void
tear_down(void)
{
    journal_destroy(journal);
    text_finish(&got);
    close(ends[0]);
    close(ends[1]);
    ev_loop_destroy(loop);
}

static void
take(void)
{
    char buf[65536];
    ssize_t n;

    while ((n = read(ends[0], buf, sizeof(buf))) > 0)
        text_addn(&got, buf, (size_t)n);
}

/* Read and turn until nothing more comes. */
static void
take_all(void)
{
    struct journal_counters n;

    do {
        take();
        ev_run(loop, EVRUN_NOWAIT);
        journal_counters(journal, &n);
    } while (n.buffered_bytes > 0);
    take();
}

static struct record
death(void)
{
    struct record r = {
        .kind = RECORD_EXIT,
        .service = "web",
        .generation = 7,
        .worker = 3,
        .slot = 1,
        .pid = 4711,
        .at_us = mono_now_us(),
        .duration_us = 1500 * US_PER_MS,
        .count = 9, /* as waitpid(2) says it: SIGKILL */
        .warning = true,
        .reload = 12,
        .trace = "0123456789abcdef0123456789abcdef",
        .text = "ended by SIGKILL",
    };

    return r;
}

START_TEST(a_record_is_one_line_with_its_keys_in_order)
{
    struct record r = death();

    open_journal(&(struct journal_options){.fd = ends[1], .level = LOG_LEVEL_INFO});
    journal_record(journal, &r);
    take();

    ck_assert_ptr_nonnull(
        strstr(text_str(&got),
               " level=warning event=worker_exit service=web gen=7 slot=1 pid=4711 "
               "trace=0123456789abcdef0123456789abcdef reload=12 signal=SIGKILL duration_ms=1500 "
               "msg=\"ended by SIGKILL\"\n"));
    ck_assert_int_eq(strncmp(text_str(&got), "ts=20", 5), 0);
    ck_assert_int_eq(text_str(&got)[26], 'Z');
}
END_TEST

START_TEST(as_json_it_is_the_same_line)
{
    struct record r = death();
    json_t *json;

    open_journal(&(struct journal_options){.fd = ends[1], .format = LOG_JSON});
    journal_record(journal, &r);
    take();
    json = json_loads(text_str(&got), 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_str_eq(json_string_value(json_object_get(json, "event")), "worker_exit");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "gen")), 7);
    ck_assert_str_eq(json_string_value(json_object_get(json, "msg")), "ended by SIGKILL");
    json_decref(json);
}
END_TEST

/* _i walks every kind: each has a name and makes one whole line. */
START_TEST(every_kind_of_record_makes_a_line)
{
    struct record r = death();

    r.kind = (enum record_kind)_i;
    r.outcome = OUTCOME_REJECTED;
    open_journal(&(struct journal_options){.fd = ends[1]});
    journal_record(journal, &r);
    take();
    ck_assert_ptr_nonnull(strstr(text_str(&got), record_kind_name(r.kind)));
    ck_assert_ptr_eq(strchr(text_str(&got), '\n') + 1, got.data + got.bytes);
}
END_TEST

START_TEST(quieter_events_go_nowhere)
{
    struct journal_counters n;

    open_journal(&(struct journal_options){.fd = ends[1], .level = LOG_LEVEL_WARNING});
    journal_say(journal, LOG_LEVEL_INFO, "hello", "not said");
    journal_say(journal, LOG_LEVEL_WARNING, "hello", "said %d", 1);
    take();
    journal_counters(journal, &n);
    ck_assert_uint_eq(n.events, 1);
    ck_assert_ptr_null(strstr(text_str(&got), "not said"));
    ck_assert_ptr_nonnull(strstr(text_str(&got), "\"said 1\""));
    journal_configure(journal, LOG_LOGFMT, LOG_LEVEL_DEBUG);
    journal_say(journal, LOG_LEVEL_DEBUG, "hello", "now said");
    take();
    ck_assert_ptr_nonnull(strstr(text_str(&got), "now said"));
}
END_TEST

START_TEST(a_reader_that_sleeps_loses_whole_lines_and_learns_how_many)
{
    struct journal_counters n;
    uint64_t said = 0, counted = 0;
    int64_t began_us = mono_now_us();

    open_journal(&(struct journal_options){.fd = ends[1], .buffer_bytes = 16384});
    for (int i = 0; i < 5000; i++)
        journal_say(journal, LOG_LEVEL_INFO, "noise", "number %d of many", i);
    ck_assert_int_lt(mono_now_us() - began_us,
                     10 * US_PER_S); /* a blocked write would be for ever */
    journal_counters(journal, &n);
    ck_assert_uint_gt(n.dropped_lines, 1000);
    ck_assert_uint_le(n.buffered_bytes, 16384);

    take_all();
    journal_say(journal, LOG_LEVEL_INFO, "after", "the flood");
    take_all();
    for (char *line = strtok(got.data, "\n"); line; line = strtok(NULL, "\n")) {
        uint64_t lines;
        const char *dropped = strstr(line, "event=log_dropped lines=");

        ck_assert_msg(strncmp(line, "ts=20", 5) == 0, "torn line: %s", line);
        if (dropped && sscanf(dropped, "event=log_dropped lines=%" SCNu64, &lines) == 1)
            counted += lines;
        else
            said++;
    }
    ck_assert_uint_eq(counted, n.dropped_lines);
    ck_assert_uint_eq(said + counted, 5001);
}
END_TEST

START_TEST(nobody_reads_any_more_and_the_master_lives)
{
    struct journal_counters n;
    struct journal_entry e;

    open_journal(&(struct journal_options){.fd = ends[1]});
    close(ends[0]);
    ends[0] = -1;
    for (int i = 0; i < 10; i++)
        journal_say(journal, LOG_LEVEL_INFO, "into_the_void", "%d", i);
    journal_flush(journal, US_PER_S);
    journal_counters(journal, &n);
    ck_assert(n.broken);
    ck_assert_uint_eq(n.buffered_bytes, 0);
    ck_assert(journal_events_next(journal, 9, &e)); /* the rings go on */
}
END_TEST

START_TEST(the_flags_of_a_shared_stderr_are_left_alone)
{
    open_journal(&(struct journal_options){.fd = ends[1]});
    journal_say(journal, LOG_LEVEL_INFO, "x", "y");
    ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(a_socket_and_a_file_are_fine_too)
{
    char path[] = "/tmp/stint-journal-XXXXXX", buf[512] = "";
    int pair[2];
    int file = mkostemp(path, O_CLOEXEC);

    ck_assert_int_ge(file, 0);
    unlink(path);
    open_journal(&(struct journal_options){.fd = file});
    journal_say(journal, LOG_LEVEL_INFO, "to_file", "y");
    ck_assert_int_gt(pread(file, buf, sizeof(buf) - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(buf, "event=to_file"));
    journal_destroy(journal);
    close(file);

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    open_journal(&(struct journal_options){.fd = pair[1]});
    journal_say(journal, LOG_LEVEL_INFO, "to_socket", "y");
    memset(buf, 0, sizeof(buf));
    ck_assert_int_gt(recv(pair[0], buf, sizeof(buf) - 1, MSG_DONTWAIT), 0);
    ck_assert_ptr_nonnull(strstr(buf, "event=to_socket"));
    journal_destroy(journal);
    journal = NULL;
    close(pair[0]);
    close(pair[1]);
}
END_TEST

START_TEST(the_last_events_are_kept_and_numbered)
{
    struct journal_entry e;
    uint64_t after = 0, n = 0;

    open_journal(&(struct journal_options){.fd = -1});
    for (int i = 1; i <= JOURNAL_EVENTS_MAX + 100; i++)
        journal_say(journal, LOG_LEVEL_INFO, "e", "%d", i);
    ck_assert(journal_events_next(journal, 0, &e));
    ck_assert_uint_eq(e.seq, 101);
    ck_assert_uint_eq(e.lost, 100);
    for (; journal_events_next(journal, after, &e); after = e.seq)
        n++;
    ck_assert_uint_eq(n, JOURNAL_EVENTS_MAX);
    ck_assert_uint_eq(after, journal_events_last(journal));
}
END_TEST

START_TEST(large_events_take_the_place_of_many_small_ones)
{
    struct record r = death();
    struct journal_entry e;
    uint64_t last = 0, after;

    open_journal(&(struct journal_options){.fd = -1});
    memset(r.text, 'x', sizeof(r.text) - 1);
    for (int i = 0; i < 3000; i++) { /* about 4 MB through a ring of one */
        journal_record(journal, &r);
        journal_say(journal, LOG_LEVEL_INFO, "small", "%d", i);
    }
    ck_assert(journal_events_next(journal, 0, &e));
    ck_assert_uint_gt(e.seq, 3000);
    for (after = e.seq - 1; journal_events_next(journal, after, &e); after = e.seq) {
        json_t *json = json_loadb(e.json, e.bytes, 0, NULL);

        ck_assert(json != NULL);
        ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(json, "seq")), e.seq);
        ck_assert_uint_eq(e.lost, 0);
        last = e.seq;
        json_decref(json);
    }
    ck_assert_uint_eq(last, 6000);
}
END_TEST

static void
print(const char *service, uint64_t generation, pid_t pid, const char *line)
{
    struct journal_origin from = {
        .service = service, .generation = generation, .pid = pid, .stream = "stderr"};

    journal_output(journal, &from, line, strlen(line), 0);
}

START_TEST(output_is_kept_for_each_service)
{
    struct journal_entry e;
    uint64_t after = 0;
    int n = 0;

    open_journal(&(struct journal_options){.fd = -1});
    print("web", 1, 10, "from web");
    for (int i = 0; i < 2 * JOURNAL_OUTPUT_LINES; i++)
        print("chatty", 1, 20, "blah");
    ck_assert(journal_output_next(journal, "web", 0, &e)); /* a chatty one displaces nobody */
    ck_assert_ptr_nonnull(strstr(e.json, "from web"));
    for (; journal_output_next(journal, "chatty", after, &e); after = e.seq)
        n++;
    ck_assert_int_eq(n, JOURNAL_OUTPUT_LINES);
    ck_assert(journal_output_next(journal, NULL, 0, &e)); /* of all: in order of time */
    ck_assert_str_eq(e.service, "web");
    journal_forget(journal, "chatty");
    ck_assert(!journal_output_next(journal, "chatty", 0, &e));
}
END_TEST

START_TEST(the_last_lines_are_those_of_the_one_asked_for)
{
    auto_text struct text t = TEXT_INIT;

    open_journal(&(struct journal_options){.fd = -1});
    print("web", 7, 10, "old one");
    print("web", 8, 11, "first");
    print("web", 8, 11, "second");
    print("web", 7, 10, "old again");
    print("web", 8, 12, "third");
    journal_last_lines(journal,
                       &(struct journal_query){.service = "web", .generation = 8, .max = 2}, &t);
    ck_assert_str_eq(text_str(&t), "second\nthird");
    text_clear(&t);
    journal_last_lines(journal, &(struct journal_query){.service = "web", .pid = 10, .max = 9}, &t);
    ck_assert_str_eq(text_str(&t), "old one\nold again");
}
END_TEST

START_TEST(output_of_any_bytes_is_one_valid_line)
{
    char noise[JOURNAL_LINE_BYTES + 100];
    struct journal_origin from = {.service = "web", .stream = "stdout"};
    struct journal_entry e;
    json_t *json;

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 7);
    open_journal(&(struct journal_options){.fd = ends[1]});
    journal_output(journal, &from, noise, sizeof(noise), 0);
    ck_assert(journal_output_next(journal, "web", 0, &e));
    json = json_loadb(e.json, e.bytes, JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert(json_is_true(json_object_get(json, "cut")));
    json_decref(json);
    take_all();
    ck_assert_ptr_eq(strchr(text_str(&got), '\n') + 1, got.data + got.bytes);
}
END_TEST

static unsigned woken;

static void
on_woken(struct journal_watch *w)
{
    (void)w;
    woken++;
}

START_TEST(who_follows_is_woken_until_it_leaves)
{
    struct journal_watch w = {.woken = on_woken};

    open_journal(&(struct journal_options){.fd = -1});
    woken = 0;
    journal_watch_add(journal, &w);
    journal_say(journal, LOG_LEVEL_INFO, "e", "1");
    print("web", 1, 1, "x");
    ck_assert_uint_eq(woken, 2);
    journal_watch_remove(&w);
    journal_watch_remove(&w);
    journal_say(journal, LOG_LEVEL_INFO, "e", "2");
    ck_assert_uint_eq(woken, 2);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tc = tcase_create("lines");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_record_is_one_line_with_its_keys_in_order);
    tcase_add_test(tc, as_json_it_is_the_same_line);
    tcase_add_loop_test(tc, every_kind_of_record_makes_a_line, 0, RECORD_KIND_COUNT);
    tcase_add_test(tc, quieter_events_go_nowhere);
    tcase_add_test(tc, a_reader_that_sleeps_loses_whole_lines_and_learns_how_many);
    tcase_add_test(tc, nobody_reads_any_more_and_the_master_lives);
    tcase_add_test(tc, the_flags_of_a_shared_stderr_are_left_alone);
    tcase_add_test(tc, a_socket_and_a_file_are_fine_too);
    tcase_add_test(tc, the_last_events_are_kept_and_numbered);
    tcase_add_test(tc, large_events_take_the_place_of_many_small_ones);
    tcase_add_test(tc, output_is_kept_for_each_service);
    tcase_add_test(tc, the_last_lines_are_those_of_the_one_asked_for);
    tcase_add_test(tc, output_of_any_bytes_is_one_valid_line);
    tcase_add_test(tc, who_follows_is_woken_until_it_leaves);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
