// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/load_http.h"
#include "tests/unit/unit.h"

static struct http_expect expect;
static struct http_answer answer;

static void
begin(const char *substring)
{
    ck_assert_int_eq(http_expect_init(&expect, "X-Stint-Generation", substring), 0);
    http_answer_init(&answer, &expect);
}

static int64_t
feed(const char *text)
{
    return http_answer_feed(&answer, text, strlen(text));
}

#define PLAIN                         \
    "HTTP/1.1 200 OK\r\n"             \
    "Content-Type: text/plain\r\n"    \
    "x-stint-generation:  seven \r\n" \
    "Content-Length: 12\r\n"          \
    "\r\n"                            \
    "hello world\n"

START_TEST(a_whole_answer_is_taken_and_what_follows_is_left)
{
    begin("world");
    ck_assert_int_eq(feed(PLAIN "HTTP/1.1"), (int64_t)strlen(PLAIN));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.generation, "seven");
    ck_assert(http_answer_right(&answer));
    ck_assert(!answer.close);
}
END_TEST

START_TEST(byte_by_byte_is_the_same_as_at_once)
{
    begin("lo wor");
    for (const char *p = PLAIN; *p; p++) {
        ck_assert(!http_answer_right(&answer));
        ck_assert_int_eq(http_answer_feed(&answer, p, 1), 1);
    }
    ck_assert(http_answer_right(&answer));
    ck_assert_str_eq(answer.generation, "seven");
}
END_TEST

START_TEST(the_expected_text_is_found_behind_a_false_start)
{
    begin("aab");
    ck_assert_int_gt(feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\naa"), 0);
    ck_assert_int_gt(feed("aab"), 0);
    ck_assert(http_answer_right(&answer));
}
END_TEST

START_TEST(a_body_without_the_expected_text_is_not_right)
{
    begin("goodbye");
    ck_assert_int_gt(feed(PLAIN), 0);
    ck_assert_int_eq(answer.state, HTTP_COMPLETE);
    ck_assert(!http_answer_right(&answer));
}
END_TEST

START_TEST(another_status_is_not_right)
{
    begin(NULL);
    ck_assert_int_gt(feed("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), 0);
    ck_assert_int_eq(answer.state, HTTP_COMPLETE);
    ck_assert_int_eq(answer.status, 503);
    ck_assert(!http_answer_right(&answer));
}
END_TEST

START_TEST(connection_close_is_heard_in_any_case_and_place)
{
    begin(NULL);
    ck_assert_int_gt(
        feed("HTTP/1.1 200 OK\r\ncONNECTION: foo ,\tClose\r\nContent-Length: 0\r\n\r\n"), 0);
    ck_assert(http_answer_right(&answer));
    ck_assert(answer.close);
    begin(NULL);
    ck_assert_int_gt(feed("HTTP/1.1 200 OK\r\nConnection: closer\r\nContent-Length: 0\r\n\r\n"), 0);
    ck_assert(!answer.close);
}
END_TEST

START_TEST(http_1_0_closes_unless_it_says_otherwise)
{
    begin(NULL);
    ck_assert_int_gt(feed("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), 0);
    ck_assert(answer.close);
    begin(NULL);
    ck_assert_int_gt(feed("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
                     0);
    ck_assert(!answer.close);
}
END_TEST

START_TEST(without_a_length_the_end_of_the_connection_completes_it)
{
    begin("more");
    ck_assert_int_gt(feed("HTTP/1.1 200 OK\r\n\r\nand more"), 0);
    ck_assert_int_eq(answer.state, HTTP_BODY);
    ck_assert(answer.close);
    ck_assert(http_answer_eof(&answer));
    ck_assert(http_answer_right(&answer));
}
END_TEST

START_TEST(an_end_before_the_announced_length_completes_nothing)
{
    begin(NULL);
    ck_assert(!http_answer_eof(&answer));
    ck_assert_int_gt(feed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), 0);
    ck_assert(!http_answer_eof(&answer));
    ck_assert(!http_answer_right(&answer));
}
END_TEST

START_TEST(an_interim_answer_is_not_the_answer)
{
    begin(NULL);
    ck_assert_int_gt(feed("HTTP/1.1 103 Early Hints\r\nX-Stint-Generation: 1\r\n\r\n"), 0);
    ck_assert_int_eq(answer.state, HTTP_STATUS_LINE);
    ck_assert(answer.any);
    ck_assert_int_gt(feed(PLAIN), 0);
    ck_assert(http_answer_right(&answer));
}
END_TEST

static const char *const not_http[] = {
    "SSH-2.0-OpenSSH\r\n",
    "HTTP/2 200\r\n",
    "HTTP/1.1 2x0 OK\r\n",
    "HTTP/1.1 2000 OK\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n",
    "HTTP/1.1 200 OK\r\n: no name\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
};

START_TEST(what_is_not_an_answer_is_refused)
{
    begin(NULL);
    ck_assert_msg(feed(not_http[_i]) == -EBADMSG, "accepted: %s", not_http[_i]);
}
END_TEST

START_TEST(a_line_or_a_header_without_an_end_is_refused)
{
    int64_t r = 0;

    begin(NULL);
    for (int i = 0; i <= HTTP_LINE_MAX && r >= 0; i++)
        r = feed("a");
    ck_assert_int_eq(r, -EBADMSG);
    begin(NULL);
    r = feed("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i <= HTTP_LINES_MAX && r >= 0; i++)
        r = feed("A: b\r\n");
    ck_assert_int_eq(r, -EBADMSG);
}
END_TEST

START_TEST(an_expected_text_that_is_too_long_is_refused)
{
    char text[300];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ck_assert_int_eq(http_expect_init(&expect, "H", text), -E2BIG);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench.http");
    TCase *tc = tcase_create("answers");

    tcase_add_test(tc, a_whole_answer_is_taken_and_what_follows_is_left);
    tcase_add_test(tc, byte_by_byte_is_the_same_as_at_once);
    tcase_add_test(tc, the_expected_text_is_found_behind_a_false_start);
    tcase_add_test(tc, a_body_without_the_expected_text_is_not_right);
    tcase_add_test(tc, another_status_is_not_right);
    tcase_add_test(tc, connection_close_is_heard_in_any_case_and_place);
    tcase_add_test(tc, http_1_0_closes_unless_it_says_otherwise);
    tcase_add_test(tc, without_a_length_the_end_of_the_connection_completes_it);
    tcase_add_test(tc, an_end_before_the_announced_length_completes_nothing);
    tcase_add_test(tc, an_interim_answer_is_not_the_answer);
    tcase_add_loop_test(tc, what_is_not_an_answer_is_refused, 0,
                        (int)(sizeof(not_http) / sizeof(not_http[0])));
    tcase_add_test(tc, a_line_or_a_header_without_an_end_is_refused);
    tcase_add_test(tc, an_expected_text_that_is_too_long_is_refused);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
