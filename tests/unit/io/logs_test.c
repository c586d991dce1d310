/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where lines go, and what they look like there. */
#include <signal.h>
#include <sys/un.h>

#include "tests/unit/io/logs_world.h"

START_TEST(lines_of_a_file_are_in_it_and_not_in_the_log_of_stint)
{
    struct journal_entry e;

    configure();
    line("hello");
    line("");
    assert_file("hello\n\n");
    take_all();
    ck_assert_ptr_null(strstr(text_str(&got), "hello"));
    ck_assert(journal_output_next(journal, "web", 0, &e)); /* `stint logs` has it all the same */
    ck_assert_ptr_nonnull(strstr(e.json, "\"msg\":\"hello\""));
    ck_assert_str_eq(status().state, "ok");
    ck_assert_uint_eq(status().lines, 2);
    ck_assert_uint_eq(status().size, 7);
}
END_TEST

START_TEST(lines_go_to_journald_with_the_fields_of_the_service_whatever_the_log_of_stint_is)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char record[4096] = "";

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", JOURNALD);
    ck_assert_int_eq(bind(journald, (struct sockaddr *)&address, sizeof(address)), 0);
    spec.log.to = LOG_TO_JOURNAL;
    configure();
    line("hello");
    take_all();
    ck_assert_int_gt(recv(journald, record, sizeof(record) - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(record, "\nMESSAGE=hello\n"));
    ck_assert_ptr_nonnull(strstr(record, "\nSTINT_SERVICE=web\n"));
    ck_assert_ptr_nonnull(strstr(record, "\nSTINT_GENERATION=7\n"));
    ck_assert_ptr_null(strstr(text_str(&got), "hello"));
    (void)close(journald);
}
END_TEST

static size_t
lines_at_once(const char *bytes, size_t n, unsigned *most)
{
    const struct journal_origin from = {
        .service = "web", .generation = 7, .pid = 4711, .stream = "stdout"};

    return log_lines(web, &(struct printed){&from, 1, CAPTURE_STDOUT, bytes, n, 0, -1}, most);
}

START_TEST(many_lines_at_once_are_in_the_file_as_they_came)
{
    static char long_one[CAPTURE_LINE_MAX + 20] = "one\ntwo\n";
    struct journal_entry e;
    unsigned most = 100;

    configure();
    ck_assert_uint_eq(lines_at_once("a\n\nb\xff c\n", 8, &most), 8);
    ck_assert_uint_eq(most, 97);
    most = 1;
    ck_assert_uint_eq(lines_at_once("d\ne\n", 4, &most), 2);
    ck_assert_uint_eq(most, 0);
    memset(long_one + 8, 'x', sizeof(long_one) - 9);
    long_one[sizeof(long_one) - 1] = '\n';
    most = 100; /* what has to be cut goes the other way */
    ck_assert_uint_eq(lines_at_once(long_one, sizeof(long_one), &most), 8);
    ck_assert_uint_eq(lines_at_once(long_one + 8, sizeof(long_one) - 8, &most), 0);
    assert_file("a\n\nb\xff c\nd\none\ntwo\n");
    ck_assert_uint_eq(status().lines, 6);
    ck_assert_uint_eq(status().bytes, 1 + 4 + 1 + 3 + 3);
    ck_assert(journal_output_next(journal, "web", 5, &e));
    ck_assert_ptr_nonnull(strstr(e.json, "\"msg\":\"two\""));
    line_of(1, "cut", 3, CAPTURE_CUT); /* a line of another kind between them */
    ck_assert_uint_eq(lines_at_once("f\n", 2, &most), 0);
}
END_TEST

START_TEST(lines_at_once_are_as_many_as_there_is_room_for)
{
    static char text[1 << 19];
    size_t taken, all = 0;

    configure();
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 64 == 63 ? '\n' : 'x';
    line("first");
    await_written(); /* it runs */
    ck_assert_int_eq(kill(writer_pid(), SIGSTOP), 0);
    do {
        unsigned most = CAPTURE_TURN_LINES;

        taken = lines_at_once(text, sizeof(text), &most);
        ck_assert_uint_eq(taken % 64, 0);
        all += taken;
    } while (taken > 0);
    ck_assert_uint_gt(all, (256 << 10) - 1024);
    ck_assert_uint_lt(all, 256 << 10);
    for (; log_has_room(web, &waiter, 63); all += 64) /* whoever asks for one more waits */
        line_of(1, text, 63, 0);
    ck_assert_int_eq(kill(writer_pid(), SIGCONT), 0);
    await_written();
    ck_assert_uint_eq(status().size, 6 + all);
    ck_assert_uint_eq(status().dropped_lines, 0);
    ck_assert_uint_eq(went, 1);
}
END_TEST

START_TEST(a_line_of_a_mebibyte_is_one_line_of_the_file)
{
    auto_text struct text is = TEXT_INIT;
    char piece[CAPTURE_LINE_MAX];

    configure();
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 128; i++) {
        line_of(1, piece, sizeof(piece),
                (i > 0 ? CAPTURE_CONTINUED : 0u) | (i < 127 ? CAPTURE_CUT : 0u));
        await_written();
    }
    line("after");
    await_written();
    add_file(&is, "web.log");
    ck_assert_uint_eq(is.bytes, (1 << 20) + 7);
    ck_assert_ptr_eq(memchr(is.data, '\n', is.bytes), is.data + (1 << 20));
    ck_assert_uint_eq(status().lines, 2);
}
END_TEST

START_TEST(a_line_that_another_worker_interrupts_is_marked_where_it_goes_on)
{
    configure();
    line_of(1, "begin,", 6, CAPTURE_CUT);
    line_of(1, "more,", 5, CAPTURE_CUT | CAPTURE_CONTINUED);
    line_of(2, "other", 5, 0);
    line_of(1, "still,", 6, CAPTURE_CUT | CAPTURE_CONTINUED);
    line_of(1, "end", 3, CAPTURE_CONTINUED);
    line_of(2, "last words", 10, CAPTURE_UNENDED);
    assert_file("begin,more, …\nother\n… still,end\nlast words\n");
}
END_TEST

START_TEST(what_may_be_there_twice_has_one_mark_before_it)
{
    configure();
    line("one");
    line_of(1, "two", 3, CAPTURE_AGAIN);
    line_of(1, "three", 5, CAPTURE_AGAIN);
    line("four");
    assert_file("one\n… the next lines may be here twice: stint was killed …\ntwo\nthree\nfour\n");
}
END_TEST

START_TEST(a_raw_line_begins_with_the_time_where_that_is_asked_for)
{
    auto_text struct text is = TEXT_INIT;

    spec.log.timestamp = true;
    configure();
    line("hello");
    await_written();
    add_file(&is, "web.log");
    ck_assert_uint_eq(is.bytes, strlen("2026-11-26T13:02:33.123456Z hello\n"));
    ck_assert_int_eq(is.data[10], 'T');
    ck_assert_int_eq(is.data[19], '.');
    ck_assert_int_eq(is.data[26], 'Z');
    ck_assert_str_eq(is.data + 27, " hello\n");
}
END_TEST

START_TEST(logfmt_and_json_have_the_fields_and_escape_what_is_no_text)
{
    static const char bytes[] = "a\0b\xff\n";
    auto_text struct text is = TEXT_INIT;
    json_t *object;

    spec.log.format = LOG_LINES_JSON;
    configure();
    line_of(1, bytes, sizeof(bytes) - 2, CAPTURE_UNENDED);
    await_written();
    add_file(&is, "web.log");
    object = json_loads(text_str(&is), JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(object);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "gen")), 7);
    ck_assert_str_eq(json_string_value(json_object_get(object, "stream")), "stdout");
    ck_assert(json_is_true(json_object_get(object, "unfinished")));
    ck_assert_uint_eq(json_string_length(json_object_get(object, "msg")),
                      strlen("a_b\xef\xbf\xbd"));
    json_decref(object);
    spec.log.format = LOG_LINES_LOGFMT;
    configure();
    line("two words");
    await_written();
    text_clear(&is);
    add_file(&is, "web.log");
    ck_assert_ptr_nonnull(
        strstr(strchr(text_str(&is), '\n'), " service=web gen=7 slot=1 pid=4711 "));
    ck_assert_ptr_nonnull(strstr(strchr(text_str(&is), '\n'), " msg=\"two words\"\n"));
}
END_TEST

START_TEST(a_change_of_the_place_takes_effect_at_once_and_loses_nothing)
{
    configure();
    line("first");
    spec.log.to = LOG_TO_STDERR;
    configure();
    line("second");
    take_all();
    ck_assert_ptr_nonnull(strstr(text_str(&got), "msg=second"));
    spec.log.to = LOG_TO_FILE;
    configure();
    line("third");
    await_written();
    spec.log.max_size = 12;
    configure();
    line("fourth");
    await_event("event=log_rotated");
    assert_file("fourth\n");
    free(spec.log.file);
    spec.log.file = strdup(full("other.log"));
    configure();
    line("fifth");
    await_written();
    auto_text struct text is = TEXT_INIT;
    add_file(&is, "other.log");
    ck_assert_str_eq(text_str(&is), "fifth\n");
}
END_TEST

static bool
nothing_is_kept(void *env)
{
    (void)env;
    return kept_fd < 0;
}

START_TEST(a_service_that_is_gone_takes_its_memory_along_when_all_is_written)
{
    configure();
    line("last");
    log_unref(web);
    web = NULL;
    ck_assert_int_ge(kept_fd, 0);
    logs_configure(logs, NULL, 0);
    ck_assert(loop_until(loop, nothing_is_kept, NULL, PATIENCE_US));
    auto_text struct text is = TEXT_INIT;
    add_file(&is, "web.log");
    ck_assert_str_eq(text_str(&is), "last\n");
}
END_TEST

START_TEST(what_waits_is_written_by_the_logs_of_the_next_master)
{
    int fd;

    ck_assert_int_eq(mkdir("web.log", 0700), 0); /* nothing can be written */
    configure();
    line("first");
    await_event("event=log_failed");
    fd = fcntl(kept_fd, F_DUPFD_CLOEXEC, 3);
    log_unref(web);
    web = NULL;
    logs_destroy(logs);
    ck_assert_int_eq(rmdir("web.log"), 0);
    open_logs();
    logs_adopt(logs, kept_id, fd);
    configure();
    line("second");
    assert_file("first\nsecond\n");
}
END_TEST

START_TEST(a_file_that_somebody_moved_is_opened_anew_when_asked)
{
    configure();
    line("first");
    await_written();
    ck_assert_int_eq(rename("web.log", "web.log.1"), 0);
    ck_assert_uint_eq(logs_reopen(logs, "other"), 0);
    ck_assert_uint_eq(logs_reopen(logs, NULL), 1);
    ck_assert_uint_eq(logs_reopen(logs, "web"), 1);
    line("second");
    assert_file("second\n");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("logs");
    TCase *c = tcase_create("logs");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, many_lines_at_once_are_in_the_file_as_they_came);
    tcase_add_test(c, lines_at_once_are_as_many_as_there_is_room_for);
    tcase_add_test(c, lines_of_a_file_are_in_it_and_not_in_the_log_of_stint);
    tcase_add_test(
        c, lines_go_to_journald_with_the_fields_of_the_service_whatever_the_log_of_stint_is);
    tcase_add_test(c, a_line_of_a_mebibyte_is_one_line_of_the_file);
    tcase_add_test(c, a_line_that_another_worker_interrupts_is_marked_where_it_goes_on);
    tcase_add_test(c, what_may_be_there_twice_has_one_mark_before_it);
    tcase_add_test(c, a_raw_line_begins_with_the_time_where_that_is_asked_for);
    tcase_add_test(c, logfmt_and_json_have_the_fields_and_escape_what_is_no_text);
    tcase_add_test(c, a_change_of_the_place_takes_effect_at_once_and_loses_nothing);
    tcase_add_test(c, a_service_that_is_gone_takes_its_memory_along_when_all_is_written);
    tcase_add_test(c, what_waits_is_written_by_the_logs_of_the_next_master);
    tcase_add_test(c, a_file_that_somebody_moved_is_opened_anew_when_asked);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
