/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <signal.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/capture.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"

static struct ev_loop *ev;
static struct capture *capture;
static struct text heard; /* what on_line was told: stream, flags, bytes */
static unsigned pieces;   /* calls of on_line */
static size_t line_bytes; /* their sum */
static unsigned last_flags;

static void
on_line(void *env, enum capture_stream stream, const char *bytes, size_t n, unsigned flags)
{
    ck_assert_ptr_eq(env, &heard);
    pieces++;
    line_bytes += n;
    last_flags = flags;
    if (heard.bytes > 4096)
        return;
    text_add(&heard, stream == CAPTURE_STDOUT ? "out" : "err");
    if (flags & CAPTURE_CUT)
        text_add(&heard, "/cut");
    if (flags & CAPTURE_CONTINUED)
        text_add(&heard, "/continued");
    if (flags & CAPTURE_UNENDED)
        text_add(&heard, "/unended");
    text_add(&heard, "<");
    if (n <= 64)
        text_addn(&heard, bytes, n);
    else
        text_addf(&heard, "%zu bytes", n);
    text_add(&heard, "> ");
}

static void
begin(void)
{
    struct error error;

    ev = ev_loop_new(EVFLAG_AUTO);
    ck_assert_msg(capture_open(ev, on_line, &heard, &capture, &error) == 0, "%s", error.text);
}

static void
end(void)
{
    capture_close(capture);
    text_finish(&heard);
    ev_loop_destroy(ev);
}

static bool
heard_enough(void *env)
{
    return pieces >= *(unsigned *)env;
}

static void
await_pieces(unsigned n)
{
    ck_assert_msg(loop_until(ev, heard_enough, &n, PATIENCE_MS * US_PER_MS), "heard only: %s",
                  text_str(&heard));
}

static void
print(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(capture_stdout_fd(capture), bytes, n);

        ck_assert_int_gt(done, 0);
        bytes += done;
        n -= (size_t)done;
    }
}

START_TEST(lines_come_one_by_one_from_both_streams)
{
    print("one\n\ntw", 7);
    await_pieces(2);
    print("o\nrest", 6);
    await_pieces(3);
    ck_assert_int_eq(write(capture_stderr_fd(capture), "oops\n", 5), 5);
    await_pieces(4);
    ck_assert_str_eq(text_str(&heard), "out<one> out<> out<two> err<oops> ");
}
END_TEST

START_TEST(a_line_of_exactly_the_cap_is_whole_and_one_byte_more_is_cut)
{
    static char line[CAPTURE_LINE_MAX * 2 + 2];

    memset(line, 'x', sizeof line);
    line[CAPTURE_LINE_MAX] = '\n';
    print(line, 100); /* not all at once, so that it has to be put together */
    await_pieces(0);
    print(line + 100, CAPTURE_LINE_MAX + 1 - 100);
    await_pieces(1);
    ck_assert_str_eq(text_str(&heard), "out<8192 bytes> ");
    line[CAPTURE_LINE_MAX] = 'x';
    line[CAPTURE_LINE_MAX * 2 + 1] = '\n';
    print(line, sizeof line);
    await_pieces(4);
    ck_assert_str_eq(text_str(&heard), "out<8192 bytes> out/cut<8192 bytes> "
                                       "out/cut/continued<8192 bytes> out/continued<x> ");
    text_clear(&heard);
    print("after\n", 6);
    await_pieces(5);
    ck_assert_str_eq(text_str(&heard), "out<after> ");
}
END_TEST

START_TEST(nul_and_binary_bytes_are_only_bytes)
{
    print("a\0b\377\n\0\n", 7);
    await_pieces(2);
    ck_assert_uint_eq(heard.bytes, strlen("out<") * 2 + strlen("> ") * 2 + 4 + 1);
    ck_assert_mem_eq(heard.data, "out<a\0b\377> out<\0> ", heard.bytes);
}
END_TEST

START_TEST(the_last_words_without_a_newline_are_flushed_at_the_end)
{
    print("done\nalmost", 11);
    capture_spawned(capture); /* nobody else has the write end: EOF */
    await_pieces(2);
    ck_assert_str_eq(text_str(&heard), "out<done> out/unended<almost> ");
    ck_assert_int_eq(capture_stdout_fd(capture), -1);
    ck_assert_uint_eq(capture_bytes(capture), 11);
}
END_TEST

START_TEST(closing_flushes_too)
{
    print("bye", 3);
    ck_assert(capture_drain(capture));
    ck_assert_str_eq(text_str(&heard), "out/unended<bye> ");
    print("x", 1);
    capture_close(capture); /* what nobody read any more is gone, and nothing is waited for */
    ck_assert_int_eq(capture_open(ev, on_line, &heard, &capture, NULL), 0);
}
END_TEST

START_TEST(a_grandchild_that_keeps_the_pipe_does_not_hold_up_the_end)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"echo last; printf words >&2; sleep 100 & exit 3"}, NULL};
    char *envp[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
    struct spawn_request req = SPAWN_REQUEST_INIT;
    auto_text struct text last = TEXT_INIT;
    struct spawned child;

    req.argv = argv;
    req.envp = envp;
    req.exe_path = "/bin/sh";
    req.stdout_fd = capture_stdout_fd(capture);
    req.stderr_fd = capture_stderr_fd(capture);
    ck_assert_int_eq(spawn_start(&req, &child, NULL), 0);
    capture_spawned(capture);
    await_readable(child.pidfd);
    ck_assert(capture_drain(capture)); /* although the pipe has no end */
    capture_last_lines(capture, &last);
    ck_assert_str_eq(text_str(&last), "last\nwords");
    (void)child_kill_group(child.pid, child.pidfd);
    ck_assert_int_eq(await_exit(&child), 3 << 8);
    spawned_close(&child);
}
END_TEST

START_TEST(only_the_newest_lines_are_kept_and_of_each_its_beginning)
{
    static char line[CAPTURE_LINE_MAX + 100];
    auto_text struct text last = TEXT_INIT, expected = TEXT_INIT;

    for (unsigned i = 0; i < 30; i++) {
        int n = snprintf(line, sizeof line, "line %u\n", i);

        print(line, (size_t)n);
        if (i >= 11)
            text_addf(&expected, "line %u\n", i);
    }
    memset(line, 'y', sizeof line);
    line[sizeof line - 1] = '\n';
    print(line, sizeof line);
    ck_assert(capture_drain(capture));
    text_addn(&expected, line, CAPTURE_KEEP_EACH);
    capture_last_lines(capture, &last);
    ck_assert_str_eq(text_str(&last), text_str(&expected));
}
END_TEST

START_TEST(a_chatty_worker_gets_a_bounded_part_of_each_turn)
{
    char *argv[] = {(char[]){"yes"}, NULL};
    char *envp[] = {NULL};
    struct spawn_request req = SPAWN_REQUEST_INIT;
    struct spawned child;
    size_t before;

    req.argv = argv;
    req.envp = envp;
    req.exe_path = "/usr/bin/yes";
    req.stdout_fd = capture_stdout_fd(capture);
    ck_assert_int_eq(spawn_start(&req, &child, NULL), 0);
    capture_spawned(capture);
    for (unsigned turn = 0; turn < 50; turn++) {
        before = line_bytes;
        ev_run(ev, EVRUN_ONCE);
        ck_assert_uint_le(line_bytes - before, UINTMAX_C(128) * 1024);
    }
    before = line_bytes;
    for (bool all = false; !all;) { /* and so is the last look, though it never stops talking */
        uint64_t turn = line_bytes;

        all = capture_drain(capture);
        ck_assert_uint_le(line_bytes - turn, UINTMAX_C(256) * 1024);
    }
    ck_assert_uint_le(line_bytes - before, UINTMAX_C(2) * 1024 * 1024);
    ck_assert_uint_gt(line_bytes, UINTMAX_C(100) * 1024);
    (void)child_kill_group(child.pid, child.pidfd);
    (void)await_exit(&child);
    spawned_close(&child);
}
END_TEST

/* Line by line, until one is not told in the turn it comes in. Return: how many were written. */
static unsigned
print_until_put_off(void)
{
    unsigned lines = 0;

    while (pieces == lines) {
        print("a line\n", 7);
        lines++;
        ck_assert_uint_lt(lines, 1000000);
        ev_run(ev, EVRUN_NOWAIT);
    }
    return lines;
}

START_TEST(who_writes_line_by_line_is_read_many_at_once)
{
    unsigned lines = print_until_put_off() + 100;

    ck_assert_uint_gt(lines, 105); /* not at once */
    for (unsigned i = 0; i < 100; i++)
        print("one more\n", 9);
    await_pieces(lines);
    print("after a while\n", 14); /* it is empty, so nobody looks at it any more … */
    await_pieces(lines + 1);
    pieces = 0;
    lines = print_until_put_off(); /* … and again */
    await_pieces(lines);
    capture_spawned(capture);
    ck_assert(capture_drain(capture));
    ck_assert_uint_eq(pieces, lines);
}
END_TEST

START_TEST(who_ends_while_its_pipe_is_looked_at_now_and_then_is_heard_to_the_end)
{
    unsigned lines = print_until_put_off();

    print("no end", 6);
    capture_spawned(capture);
    await_pieces(lines + 1);
    ck_assert_uint_eq(last_flags, CAPTURE_UNENDED);
}
END_TEST

START_TEST(descriptors_come_back)
{
    unsigned before = count_fds();
    struct capture *other;

    ck_assert_int_eq(capture_open(ev, on_line, &heard, &other, NULL), 0);
    ck_assert_uint_eq(count_fds(), before + 4);
    capture_close(other);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture");
    TCase *t = tcase_create("capture");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, lines_come_one_by_one_from_both_streams);
    tcase_add_test(t, a_line_of_exactly_the_cap_is_whole_and_one_byte_more_is_cut);
    tcase_add_test(t, nul_and_binary_bytes_are_only_bytes);
    tcase_add_test(t, the_last_words_without_a_newline_are_flushed_at_the_end);
    tcase_add_test(t, closing_flushes_too);
    tcase_add_test(t, a_grandchild_that_keeps_the_pipe_does_not_hold_up_the_end);
    tcase_add_test(t, only_the_newest_lines_are_kept_and_of_each_its_beginning);
    tcase_add_test(t, a_chatty_worker_gets_a_bounded_part_of_each_turn);
    tcase_add_test(t, who_writes_line_by_line_is_read_many_at_once);
    tcase_add_test(t, who_ends_while_its_pipe_is_looked_at_now_and_then_is_heard_to_the_end);
    tcase_add_test(t, descriptors_come_back);
    suite_add_tcase(s, t);
    return unit_main(s);
}
