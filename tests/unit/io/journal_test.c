/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/journal_world.h"
#include "tests/unit/unit.h"

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
        const char *dropped = strstr(line, "event=log_dropped lines=");

        ck_assert_msg(strncmp(line, "ts=20", 5) == 0, "torn line: %s", line);
        if (dropped)
            counted += strtoull(strstr(dropped, "lines=") + 6, NULL, 10);
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
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
