/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many lines at once: the same lines as one by one, wherever the pipe cuts them, and in fair portions. */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/capture.h"
#include "tests/unit/io/loop.h"

static struct ev_loop *ev;
static struct capture *capture;
static struct text heard;       /* all lines, with their newlines where they ended */
static size_t at_once;          /* bytes that came many lines at once */
static unsigned most_lines;     /* … in one call */
static size_t most_bytes, room; /* … at most so many are taken at once */

static void
on_line(void *env, enum capture_stream stream, const char *bytes, size_t n, unsigned flags)
{
    (void)env;
    (void)stream;
    text_addn(&heard, bytes, n);
    if (!(flags & (CAPTURE_CUT | CAPTURE_UNENDED)))
        text_add(&heard, "\n");
}

static size_t
on_lines(void *env, enum capture_stream stream, const char *bytes, size_t n, unsigned *lines)
{
    size_t taken = 0;
    unsigned count = 0;

    (void)env;
    (void)stream;
    ck_assert_int_eq(bytes[n - 1], '\n');
    ck_assert_uint_le(*lines, CAPTURE_TURN_LINES);
    while (taken < n && count < *lines) {
        const char *newline = memchr(bytes + taken, '\n', n - taken);
        size_t line = (size_t)(newline + 1 - bytes) - taken;

        if (line > CAPTURE_LINE_MAX + 1 || taken + line > room)
            break;
        taken += line;
        count++;
    }
    *lines -= count;
    text_addn(&heard, bytes, taken);
    at_once += taken;
    if (count > most_lines)
        most_lines = count;
    if (taken > most_bytes)
        most_bytes = taken;
    return taken;
}

static void
on_rest(void *env, enum capture_stream stream, const struct capture_rest *rest)
{
    (void)env;
    (void)stream;
    (void)rest;
}

static void
on_taken(void *env, enum capture_stream stream)
{
    (void)env;
    (void)stream;
}

static const struct capture_keeper keeper = {NULL, NULL, on_rest, on_taken, on_lines};

static void
begin(void)
{
    struct error error = {0};

    ev = ev_loop_new(EVFLAG_AUTO);
    ck_assert_msg(capture_open(ev, on_line, NULL, &capture, &error) == 0, "%s", error.text);
    capture_kept_by(capture, &keeper);
    text_clear(&heard);
    at_once = most_bytes = 0;
    most_lines = 0;
    room = SIZE_MAX;
}

static void
end(void)
{
    capture_close(capture);
    ev_loop_destroy(ev);
}

static bool
is_empty(void *env)
{
    int n = 1;

    (void)env;
    ck_assert_int_eq(ioctl(capture_fd(capture, CAPTURE_STDOUT), FIONREAD, &n), 0);
    return n == 0;
}

static void
print(const char *bytes, size_t n)
{
    ck_assert_int_eq(write(capture_stdout_fd(capture), bytes, n), (ssize_t)n);
    ck_assert(loop_until(ev, is_empty, NULL, 10 * US_PER_S));
}

static void
assert_cut_anywhere(const char *bytes, size_t n, size_t from, size_t to)
{
    for (size_t at = from; at <= to; at++) {
        auto_text struct text last = TEXT_INIT;

        begin();
        if (at > 0)
            print(bytes, at);
        if (at < n)
            print(bytes + at, n - at);
        ck_assert(capture_drain(capture));
        ck_assert_uint_eq(heard.bytes, n);
        ck_assert_mem_eq(heard.data, bytes, n);
        ck_assert_uint_eq(capture_bytes(capture), n);
        capture_last_lines(capture, &last);
        ck_assert_ptr_nonnull(memmem(last.data, last.bytes, "last", 4)); /* of lines at once, too */
        end();
    }
}

START_TEST(lines_that_are_cut_at_any_byte_are_whole)
{
    static const char text[] = "one\n\n\ntwo a\0b\n\xff\xfe\xc3\n\0\n{\"x\":\"\xe2\x82\"}\r\n"
                               "last\nbut one";

    assert_cut_anywhere(text, sizeof(text) - 1, 0, sizeof(text) - 1);
}
END_TEST

START_TEST(lines_longer_than_the_cap_among_short_ones_too)
{
    static char text[3 * CAPTURE_LINE_MAX + 64];
    size_t n = 0;

    for (int i = 0; i < 3; i++) { /* one byte less than the cap, as many, and one more */
        size_t line = CAPTURE_LINE_MAX - 1 + (size_t)i;

        memset(text + n, 'a' + i, line);
        text[n + line] = '\n';
        n += line + 1;
    }
    memcpy(text + n, "last\n", sizeof("last\n"));
    n += 5;
    assert_cut_anywhere(text, n, 0, 3);
    assert_cut_anywhere(text, n, CAPTURE_LINE_MAX - 3, CAPTURE_LINE_MAX + 3);
    assert_cut_anywhere(text, n, 2 * CAPTURE_LINE_MAX - 3, 2 * CAPTURE_LINE_MAX + 5);
    assert_cut_anywhere(text, n, n - 8, n);
}
END_TEST

START_TEST(where_there_is_room_for_some_of_them_the_others_follow)
{
    auto_text struct text want = TEXT_INIT;

    begin();
    room = 100; /* at once: the first of the others goes by itself */
    for (int i = 0; i < 3000; i++)
        text_addf(&want, "line %d\n", i * i);
    print(want.data, want.bytes);
    ck_assert_str_eq(text_str(&heard), text_str(&want));
    ck_assert_uint_gt(at_once, want.bytes / 2);
    ck_assert_uint_le(most_bytes, 100);
    end();
}
END_TEST

/* One that has a megabyte to say, and another with a word. */
START_TEST(a_flood_has_bounded_turns_and_large_pieces)
{
    const size_t bytes = 1 << 20;
    auto_free char *lines = malloc(bytes);
    unsigned turns = 0;

    begin();
    for (size_t i = 0; i < bytes; i++)
        lines[i] = i % 128 == 127 ? '\n' : 'x';
    ck_assert_int_eq(write(capture_stdout_fd(capture), lines, bytes), (ssize_t)bytes);
    while (!is_empty(NULL)) {
        size_t before = heard.bytes;

        ev_run(ev, EVRUN_ONCE);
        ck_assert_uint_le(heard.bytes - before, CAPTURE_READ_BYTES);
        turns++;
    }
    ck_assert_uint_eq(heard.bytes, bytes);
    ck_assert_uint_lt(turns, bytes / 65536); /* pieces grow: 16 KiB would be four times as many */
    ck_assert_uint_eq(most_bytes, CAPTURE_READ_BYTES);
    end();
}
END_TEST

START_TEST(short_lines_are_bounded_by_their_number)
{
    const size_t bytes = 1 << 20;
    auto_free char *lines = malloc(bytes);

    begin();
    memset(lines, '\n', bytes);
    ck_assert_int_eq(write(capture_stdout_fd(capture), lines, bytes), (ssize_t)bytes);
    while (!is_empty(NULL)) {
        size_t before = heard.bytes;

        ev_run(ev, EVRUN_ONCE);
        ck_assert_uint_le(heard.bytes - before, CAPTURE_TURN_LINES);
    }
    ck_assert_uint_eq(heard.bytes, bytes);
    ck_assert_uint_eq(most_lines, CAPTURE_TURN_LINES);
    end();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("capture_lines");
    TCase *t = tcase_create("capture_lines");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, lines_that_are_cut_at_any_byte_are_whole);
    tcase_add_test(t, lines_longer_than_the_cap_among_short_ones_too);
    tcase_add_test(t, where_there_is_room_for_some_of_them_the_others_follow);
    tcase_add_test(t, a_flood_has_bounded_turns_and_large_pieces);
    tcase_add_test(t, short_lines_are_bounded_by_their_number);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
