/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log without room: lines wait in the pipe, and come once, whole and in order. */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/capture.h"
#include "tests/unit/io/loop.h"

static struct ev_loop *ev;
static struct capture *capture;
static struct text heard;
static unsigned room; /* lines and pieces that may still come */
static size_t bytes;  /* of all that came */

static void
on_line(void *env, enum capture_stream stream, const char *line, size_t n, unsigned flags)
{
    (void)env;
    (void)stream;
    bytes += n;
    if (room > 0)
        room--;
    text_addf(&heard, "%s%s", flags & CAPTURE_CONTINUED ? "~" : "", n > 100 ? "long" : "");
    text_addn(&heard, line, n > 100 ? 0 : n);
    text_add(&heard, flags & CAPTURE_CUT ? "~ " : ". ");
}

static bool
has_room(void *env, size_t n)
{
    (void)env;
    (void)n;
    return room > 0;
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

static const struct capture_keeper keeper = {has_room, NULL, on_rest, on_taken, NULL};

static void
begin(void)
{
    struct error error = {0};

    ev = ev_loop_new(EVFLAG_AUTO);
    room = 0;
    bytes = 0;
    ck_assert_msg(capture_open(ev, on_line, NULL, &capture, &error) == 0, "%s", error.text);
    capture_kept_by(capture, &keeper);
}

static void
end(void)
{
    capture_close(capture);
    text_finish(&heard);
    ev_loop_destroy(ev);
}

static void
print(const char *text)
{
    ck_assert_int_eq(write(capture_stdout_fd(capture), text, strlen(text)), (ssize_t)strlen(text));
}

static bool
it_waits(void *env)
{
    (void)env;
    return capture_waits(capture);
}

static bool
all_is_heard(void *env)
{
    return bytes >= *(size_t *)env;
}

/* So many lines more. */
static void
allow(unsigned n)
{
    room = n;
    capture_resume(capture);
    ck_assert(loop_until(ev, it_waits, NULL, 10 * US_PER_S));
}

START_TEST(lines_wait_in_the_pipe_and_come_once_and_in_order)
{
    print("one\ntwo\n\nfour\nfi");
    ck_assert(loop_until(ev, it_waits, NULL, 10 * US_PER_S));
    ck_assert_str_eq(text_str(&heard), "");
    ck_assert_uint_eq(capture_bytes(capture), 0);
    allow(1);
    ck_assert_str_eq(text_str(&heard), "one. ");
    ck_assert_uint_eq(capture_bytes(capture), 4);
    allow(2);
    ck_assert_str_eq(text_str(&heard), "one. two. . ");
    print("ve\nsix\n");
    allow(1);
    ck_assert_str_eq(text_str(&heard), "one. two. . four. ");
    allow(1);
    ck_assert_str_eq(text_str(&heard), "one. two. . four. five. ");
    ck_assert_uint_eq(capture_bytes(capture), 4 + 4 + 1 + 5 + 5);
}
END_TEST

START_TEST(a_long_line_waits_where_the_room_ends_and_goes_on_there)
{
    static char line[5 * CAPTURE_LINE_MAX];
    size_t n = sizeof(line) + 4;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    print(line);
    print("\nnext\n");
    allow(2);
    ck_assert_str_eq(text_str(&heard), "long~ ~long~ ");
    allow(1);
    ck_assert_str_eq(text_str(&heard), "long~ ~long~ ~long~ ");
    room = 100;
    capture_resume(capture);
    n--; /* no newline counts */
    ck_assert(loop_until(ev, all_is_heard, &n, 10 * US_PER_S));
    ck_assert_str_eq(text_str(&heard), "long~ ~long~ ~long~ ~long~ ~long. next. ");
    ck_assert_uint_eq(bytes, n);
}
END_TEST

START_TEST(the_last_words_of_the_dead_wait_too_and_only_the_unended_are_forced)
{
    print("one\ntwo\nthree");
    capture_spawned(capture);
    ck_assert(!capture_drain(capture));
    ck_assert(capture_waits(capture));
    ck_assert(!capture_drain(capture));
    ck_assert_str_eq(text_str(&heard), "");
    room = 1;
    capture_resume(capture);
    ck_assert(!capture_drain(capture));
    ck_assert_str_eq(text_str(&heard), "one. ");
    room = 1;
    capture_resume(capture);
    while (!capture_drain(capture))
        ck_assert(!capture_waits(capture));
    ck_assert_str_eq(text_str(&heard), "one. two. three. "); /* nobody was asked for the last one */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("capture_room");
    TCase *c = tcase_create("capture_room");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, lines_wait_in_the_pipe_and_come_once_and_in_order);
    tcase_add_test(c, a_long_line_waits_where_the_room_ends_and_goes_on_there);
    tcase_add_test(c, the_last_words_of_the_dead_wait_too_and_only_the_unended_are_forced);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
