/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/capture.h"
#include "tests/unit/io/loop.h"

/* The pipe of a worker whose master was killed, and what the next one tells of it. */

static struct ev_loop *ev;
static struct capture *capture;
static struct text heard;
static int out[2];

static int
waiting(void)
{
    int n = -1;

    ck_assert_int_eq(ioctl(out[0], FIONREAD, &n), 0);
    return n;
}

static void
on_line(void *env, enum capture_stream stream, const char *bytes, size_t n, unsigned flags)
{
    (void)env;
    (void)stream;
    text_add(&heard, flags & CAPTURE_AGAIN ? "again<" : "<");
    text_addn(&heard, bytes, n);
    text_add(&heard, "> ");
}

static void
on_rest(void *env, enum capture_stream stream, const struct capture_rest *rest)
{
    (void)env;
    (void)stream;
    text_addf(&heard, "rest(%.*s|%.*s)%d ", (int)rest->n, rest->n ? rest->bytes : "",
              (int)rest->piece_n, rest->piece_n ? rest->piece : "", waiting());
}

static void
on_taken(void *env, enum capture_stream stream)
{
    (void)env;
    (void)stream;
    text_addf(&heard, "taken%d ", waiting());
}

static const struct capture_keeper keeper = {NULL, NULL, on_rest, on_taken, NULL};

static void
print(const char *text)
{
    ck_assert_int_eq(write(out[1], text, strlen(text)), (ssize_t)strlen(text));
}

/* After @before stands in the pipe. */
static void
adopt(const char *before)
{
    struct error error = {0};

    print(before);
    ck_assert_msg(capture_adopt(ev, out[0], -1, on_line, NULL, &capture, &error) == 0, "%s",
                  error.text);
}

static bool
is_quiet(void *env)
{
    (void)env;
    return waiting() == 0;
}

static const char *
told(void)
{
    ck_assert(loop_until(ev, is_quiet, NULL, 5 * US_PER_S));
    return text_str(&heard);
}

static void
begin(void)
{
    ev = ev_loop_new(EVFLAG_AUTO);
    text_clear(&heard);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_eq(fd_nonblock(out[0]), 0);
}

static void
end(void)
{
    capture_close(capture);
    (void)close(out[1]);
    text_finish(&heard);
    ev_loop_destroy(ev);
}

START_TEST(what_stands_at_the_head_of_the_pipe_may_have_been_told)
{
    adopt("one\ntwo\n");
    ck_assert_str_eq(told(), "again<one> again<two> ");
    print("three\n");
    ck_assert_str_eq(told(), "again<one> again<two> <three> ");
}
END_TEST

START_TEST(a_line_whose_end_came_later_was_not_told)
{
    adopt("one\ntw");
    print("o\n");
    ck_assert_str_eq(told(), "again<one> <two> ");
}
END_TEST

START_TEST(when_it_is_known_that_nothing_was_told_nothing_says_so)
{
    adopt("gun\nnext\n");
    ck_assert_int_eq(capture_set_rest(capture, CAPTURE_STDOUT, "be", 2, false), 0);
    capture_none_again(capture, CAPTURE_STDOUT);
    ck_assert_str_eq(told(), "<begun> <next> ");
}
END_TEST

START_TEST(last_words_that_were_put_aside_may_have_been_told)
{
    adopt("");
    ck_assert_int_eq(capture_set_rest(capture, CAPTURE_STDOUT, "half", 4, false), 0);
    ck_assert(capture_drain(capture));
    ck_assert_str_eq(text_str(&heard), "again<half> ");
}
END_TEST

/* … which took larger pieces than we do. */
START_TEST(all_that_a_program_of_before_took_at_once_may_have_been_told)
{
    enum { LINE = 128, LINES = 2400, ALL = LINE * LINES };
    static char lines[ALL + 1];
    size_t again = 0, others = 0;

    memset(lines, 'x', sizeof(lines) - 1);
    for (size_t i = LINE - 1; i < sizeof(lines); i += LINE)
        lines[i] = '\n';
    ck_assert_int_ge(fcntl(out[1], F_SETPIPE_SZ, 1 << 20), ALL);
    adopt(lines);
    for (const char *at = told(); (at = strchr(at, '<')) != NULL; at++) {
        bool is = at > heard.data && at[-1] == 'n';

        ck_assert(!is || others == 0);
        again += is;
        others += !is;
    }
    ck_assert_uint_eq(again, ((size_t)256 << 10) / LINE);
    ck_assert_uint_eq(again + others, LINES);
}
END_TEST

START_TEST(the_keeper_hears_before_and_after_a_piece_is_taken_out)
{
    adopt("");
    capture_kept_by(capture, &keeper);
    print("whole\nhalf");
    ck_assert_str_eq(told(), "<whole> rest(half|whole\nhalf)10 taken0 ");
    text_clear(&heard);
    print(" more\n");
    ck_assert_str_eq(told(), "<half more> rest(| more\n)6 taken0 ");
    text_clear(&heard);
    print("whole\n"); /* the common case costs nothing */
    ck_assert_str_eq(told(), "<whole> ");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("capture_adopt");
    TCase *tc = tcase_create("a pipe taken over");

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, what_stands_at_the_head_of_the_pipe_may_have_been_told);
    tcase_add_test(tc, a_line_whose_end_came_later_was_not_told);
    tcase_add_test(tc, when_it_is_known_that_nothing_was_told_nothing_says_so);
    tcase_add_test(tc, last_words_that_were_put_aside_may_have_been_told);
    tcase_add_test(tc, all_that_a_program_of_before_took_at_once_may_have_been_told);
    tcase_add_test(tc, the_keeper_hears_before_and_after_a_piece_is_taken_out);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
