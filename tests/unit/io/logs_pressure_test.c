/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines that come faster than their log takes them: wait a little, then drop and count. */
#include <signal.h>

#include "tests/unit/io/logs_world.h"

static const char text[] =
    "a line of some length, so that it does not take all day to fill what there is";

static bool
somebody_went(void *env)
{
    (void)env;
    return went > 0;
}

/* Lines until there is no room for another. Return: how many. */
static unsigned
fill(void)
{
    unsigned n = 0;

    while (log_has_room(web, &waiter, sizeof(text) - 1)) {
        line(text);
        ck_assert_uint_lt(++n, 100000);
    }
    return n;
}

static size_t
count(const char *in, const char *what)
{
    size_t n = 0;

    while ((in = strstr(in, what)) != NULL) {
        in += strlen(what);
        n++;
    }
    return n;
}

START_TEST(a_file_that_cannot_be_written_holds_nobody_up_for_longer_than_block)
{
    auto_text struct text is = TEXT_INIT, note = TEXT_INIT;
    int64_t since_us;
    unsigned written;

    ck_assert_int_eq(mkdir("web.log", 0700), 0);
    configure();
    written = fill();
    ck_assert_uint_gt(written, 3000);
    since_us = mono_now_us();
    ck_assert_str_eq(status().state, status().error ? "failed" : "waiting");
    ck_assert(!log_has_room(web, &waiter, 1));
    ck_assert(loop_until(loop, somebody_went, NULL, PATIENCE_US));
    ck_assert_int_ge(mono_now_us() - since_us, 90 * US_PER_MS);
    await_event("event=log_behind service=web");
    for (int i = 0; i < 7; i++) { /* from here on nobody waits */
        ck_assert(log_has_room(web, &waiter, sizeof(text) - 1));
        line(text);
    }
    ck_assert_uint_eq(status().dropped_lines, 7);
    ck_assert_uint_eq(status().dropped_bytes, 7 * (sizeof(text) - 1));
    ck_assert_str_eq(status().state, "failed");
    ck_assert_ptr_nonnull(strstr(status().error, "is a directory; a log wants a file"));
    ck_assert_int_eq(rmdir("web.log"), 0);
    await_event("event=log_works service=web");
    await_event("event=output_lost service=web lines=7 bytes=");
    line("after");
    await_written();
    add_file(&is, "web.log");
    text_addf(&note, "\n… 7 lines dropped (%zu bytes) …\nafter\n", 7 * (sizeof(text) - 1));
    ck_assert_uint_eq(count(text_str(&is), text), written);
    ck_assert_str_eq(text_str(&is) + is.bytes - note.bytes, text_str(&note));
    ck_assert_str_eq(status().state, "ok");
    ck_assert_uint_eq(count(text_str(&got), "event=log_failed"), 1);
    ck_assert_uint_eq(count(text_str(&got), "event=log_behind"), 1);
}
END_TEST

START_TEST(a_writer_that_is_only_slow_costs_no_line)
{
    auto_text struct text is = TEXT_INIT;
    unsigned n = 0;

    spec.log.block_us = 10 * US_PER_S;
    configure();
    while (n < 50000) {
        if (!log_has_room(web, &waiter, sizeof(text) - 1)) {
            went = 0;
            ck_assert(loop_until(loop, somebody_went, NULL, PATIENCE_US));
            continue;
        }
        line(text);
        n++;
    }
    await_written();
    add_file(&is, "web.log");
    ck_assert_uint_eq(is.bytes, n * sizeof(text));
    ck_assert_uint_eq(status().dropped_lines, 0);
}
END_TEST

START_TEST(of_a_line_in_pieces_all_that_follows_a_dropped_one_goes_with_it)
{
    auto_text struct text is = TEXT_INIT;

    spec.log.block_us = 0;
    ck_assert_int_eq(mkdir("web.log", 0700), 0);
    configure();
    while (!status().dropped_lines) /* the last of these is dropped */
        line_of(1, text, sizeof(text) - 1, CAPTURE_CUT | CAPTURE_CONTINUED);
    ck_assert_uint_eq(status().dropped_lines, 1);
    line_of(1, "more", 4, CAPTURE_CUT | CAPTURE_CONTINUED);
    ck_assert_int_eq(rmdir("web.log"), 0);
    await_event("event=output_lost");
    line_of(1, "rest", 4, CAPTURE_CONTINUED); /* of the same line, though there is room now */
    line("whole");
    ck_assert_uint_eq(status().dropped_lines, 1);
    await_written();
    add_file(&is, "web.log");
    ck_assert_ptr_nonnull(strstr(text_str(&is), " …\n… 1 line dropped ("));
    ck_assert_ptr_null(strstr(text_str(&is), "rest"));
    ck_assert_ptr_nonnull(strstr(text_str(&is), " …\nwhole\n"));
}
END_TEST

START_TEST(a_reader_of_stderr_that_stopped_holds_nobody_up_for_longer_than_block)
{
    unsigned written;

    spec.log.to = LOG_TO_STDERR;
    configure();
    written = fill();
    ck_assert_uint_gt(written, 1000);
    ck_assert_str_eq(status().state, "waiting");
    while (went == 0) /* nobody reads */
        ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(status().state, "dropping");
    for (int i = 0; i < 3; i++) {
        ck_assert(log_has_room(web, &waiter, sizeof(text) - 1));
        line(text);
    }
    ck_assert_uint_eq(status().dropped_lines, 3);
    await_event("event=output_lost service=web lines=3 bytes=");
    ck_assert_str_eq(status().state, "ok");
    line("after");
    take_all();
    ck_assert_uint_eq(count(text_str(&got), text), written);
    ck_assert_ptr_nonnull(strstr(text_str(&got), "msg=after"));
}
END_TEST

START_TEST(one_who_floods_stderr_leaves_room_to_those_who_do_not)
{
    const struct journal_origin from = {.service = "quiet", .generation = 1, .stream = "stdout"};
    struct log_waiter other;
    struct log *quiet;

    spec.log.to = LOG_TO_STDERR;
    configure();
    quiet = logs_get(logs, "quiet");
    log_waiter_init(&other, on_go);
    (void)fill();
    for (int i = 0; i < 100; i++) {
        ck_assert(log_has_room(quiet, &other, sizeof(text) - 1));
        log_line(quiet, &(struct printed){&from, 9, CAPTURE_STDOUT, text, sizeof(text) - 1, 0, -1});
    }
    take_all();
    ck_assert_uint_eq(count(text_str(&got), "service=quiet"), 100);
    ck_assert_ptr_null(strstr(text_str(&got), "event=log_dropped"));
    log_unref(quiet);
}
END_TEST

START_TEST(what_was_dropped_is_still_shown_by_stint_logs)
{
    struct journal_entry e;

    spec.log.block_us = 0;
    ck_assert_int_eq(mkdir("web.log", 0700), 0);
    configure();
    for (int i = 0; i < 10000; i++)
        line(text);
    line("the newest");
    ck_assert_uint_gt(status().dropped_lines, 1);
    ck_assert(journal_output_next(journal, "web", journal_output_tail(journal, "web", 1), &e));
    ck_assert_ptr_nonnull(strstr(e.json, "the newest"));
    ck_assert_int_eq(rmdir("web.log"), 0);
}
END_TEST

/* As a disk that hangs: it can neither write nor end. */
START_TEST(a_writer_that_hangs_keeps_its_file_and_another_one_writes_the_rest)
{
    static struct service_spec other;
    struct service_spec *both[] = {&spec, &other};
    const struct journal_origin from = {.service = "other", .generation = 1, .stream = "stdout"};
    auto_text struct text is = TEXT_INIT;
    struct log *second;
    pid_t hung;

    other = spec;
    other.name = (char *)(uintptr_t) "other";
    other.log.file = strdup(full("other.log"));
    configure();
    logs_configure(logs, both, 2);
    second = logs_get(logs, "other");
    line("first");
    log_line(second, &(struct printed){&from, 9, CAPTURE_STDOUT, "first", 5, 0, -1});
    await_written();
    hung = writer_pid();
    ck_assert_int_eq(kill(hung, SIGSTOP), 0);
    line("second");
    await_event("event=log_hangs service=web");
    log_line(second, &(struct printed){&from, 9, CAPTURE_STDOUT, "second", 6, 0, -1});
    await_written();
    line("third");
    ck_assert_int_eq(kill(hung, SIGCONT), 0); /* it sees that it is not wanted any more */
    await_written();
    line("fourth");
    assert_file("first\nsecond\nthird\nfourth\n");
    add_file(&is, "other.log");
    ck_assert_str_eq(text_str(&is), "first\nsecond\n");
    ck_assert_uint_eq(count(text_str(&got), "event=log_hangs"), 1);
    log_unref(second);
    configure();
    free(other.log.file);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("logs_pressure");
    TCase *c = tcase_create("logs_pressure");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_file_that_cannot_be_written_holds_nobody_up_for_longer_than_block);
    tcase_add_test(c, a_writer_that_is_only_slow_costs_no_line);
    tcase_add_test(c, of_a_line_in_pieces_all_that_follows_a_dropped_one_goes_with_it);
    tcase_add_test(c, a_reader_of_stderr_that_stopped_holds_nobody_up_for_longer_than_block);
    tcase_add_test(c, one_who_floods_stderr_leaves_room_to_those_who_do_not);
    tcase_add_test(c, a_writer_that_hangs_keeps_its_file_and_another_one_writes_the_rest);
    tcase_add_test(c, what_was_dropped_is_still_shown_by_stint_logs);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
