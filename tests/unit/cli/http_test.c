/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/http.h"
#include "tests/unit/cli/canned.h"
#include "tests/unit/unit.h"

#define LINE  "HTTP/1.1 200 OK\r\n"
#define CHUNK "Transfer-Encoding: chunked\r\n\r\n"

static const struct exchange {
    const char *answer;
    int result; /* 0 or negative errno */
    int status;
    const char *body;
} exchanges[] = {
    {LINE "Content-Length: 5\r\n\r\nhello",                                               0,           200, "hello"        },
    {LINE "content-length: 5\r\n\r\nhello trailing noise",                                0,           200, "hello"        },
    {LINE CHUNK "3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n",                                 0,           200, "hello"        },
    {LINE CHUNK "0\r\n\r\n",                                                              0,           200, ""             },
    {LINE "\r\nuntil the end",                                                            0,           200, "until the end"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno", 0,           409,
     "no"                                                                                                                  },
    {"HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n",                                    0,           503, ""             },
    {LINE "Content-Length: 50\r\n\r\nhello",                                              -ECONNRESET, 0,   NULL           },
    {LINE CHUNK "5\r\nhel",                                                               -ECONNRESET, 0,   NULL           },
    {LINE CHUNK "zz\r\nhello\r\n",                                                        -EPROTO,     0,   NULL           },
    {LINE CHUNK "ffffffffffffffffff\r\n",                                                 -EPROTO,     0,   NULL           },
    {"SSH-2.0-OpenSSH_9.2\r\n",                                                           -EPROTO,     0,   NULL           },
    {"HTTP/1.1 999 What\r\n\r\n",                                                         -EPROTO,     0,   NULL           },
    {"HTTP/1.1 2",                                                                        -ECONNRESET, 0,   NULL           },
    {"",                                                                                  -ECONNRESET, 0,   NULL           },
    {LINE "X: HANG",                                                                      -ETIMEDOUT,  0,   NULL           },
};

#define N_EXCHANGES ((int)(sizeof(exchanges) / sizeof(exchanges[0])))

/* _i walks the answers, first whole, then byte by byte. */
START_TEST(an_answer_is_understood_or_refused_with_a_reason)
{
    const struct exchange *x = &exchanges[_i % N_EXCHANGES];
    struct canned server;
    struct http_reply reply = {0};
    struct error e = {0};
    struct http_request rq = {.method = "GET", .path = "/v1/status"};
    int r;

    canned_start(&server, x->answer, _i >= N_EXCHANGES);
    rq.socket = server.path;
    rq.deadline_us = mono_now_us() + (x->result == -ETIMEDOUT ? 300 * US_PER_MS : 20 * US_PER_S);
    r = http_exchange(&rq, &reply, &e);
    ck_assert_msg(r == x->result, "got %d (%s), want %d", r, e.text, x->result);
    if (r == 0) {
        ck_assert_int_eq(reply.status, x->status);
        ck_assert_str_eq(reply.body, x->body);
        ck_assert_uint_eq(reply.bytes, strlen(x->body));
    } else {
        ck_assert_uint_gt(strlen(e.text), 10);
        ck_assert_ptr_null(reply.body);
    }
    free(reply.body);
    ck_assert_ptr_nonnull(
        strstr(canned_stop(&server), "GET /v1/status HTTP/1.1\r\nHost: stint\r\n"));
}
END_TEST

START_TEST(a_body_is_sent_with_its_length)
{
    struct canned server;
    struct http_reply reply = {0};
    struct error e = {0};
    struct http_request rq = {.method = "POST", .path = "/v1/reload", .body = "{\"all\":true}"};

    canned_start(&server, LINE "Content-Length: 2\r\n\r\n{}", false);
    rq.socket = server.path;
    rq.deadline_us = mono_now_us() + 20 * US_PER_S;
    ck_assert_int_eq(http_exchange(&rq, &reply, &e), 0);
    free(reply.body);
    ck_assert_ptr_nonnull(strstr(canned_stop(&server), "Content-Length: 12\r\n\r\n{\"all\":true}"));
}
END_TEST

static bool
on_piece(void *env, const char *bytes, size_t n)
{
    struct text *t = env;

    text_addn(t, bytes, n);
    return strstr(text_str(t), "enough") == NULL;
}

START_TEST(a_stream_ends_when_its_reader_has_enough)
{
    struct canned server;
    auto_text struct text got = TEXT_INIT;
    struct http_reply reply = {0};
    struct error e = {0};
    struct http_request rq = {
        .method = "GET", .path = "/v1/events", .piece = on_piece, .env = &got};

    canned_start(&server, LINE CHUNK "7\r\none\ntwo\r\n7\r\n enough\r\n4\r\nHANG\r\n", true);
    rq.socket = server.path;
    rq.deadline_us = TIME_NEVER;
    ck_assert_int_eq(http_exchange(&rq, &reply, &e), 0);
    ck_assert_str_eq(text_str(&got), "one\ntwo enough");
    ck_assert_ptr_null(reply.body);
    (void)canned_stop(&server);
}
END_TEST

START_TEST(nobody_there_is_told_from_not_allowed)
{
    struct http_reply reply = {0};
    struct error e = {0};
    struct http_request rq = {.socket = "/tmp/stint-there-is-nothing-here.sock",
                              .method = "GET",
                              .path = "/",
                              .deadline_us = mono_now_us() + US_PER_S};
    char longer[200];

    ck_assert_int_eq(http_exchange(&rq, &reply, &e), -ENOENT);
    ck_assert_ptr_nonnull(strstr(e.text, "/tmp/stint-there"));
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    rq.socket = longer;
    ck_assert_int_eq(http_exchange(&rq, &reply, &e), -ENAMETOOLONG);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http");
    TCase *tc = tcase_create("client");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, an_answer_is_understood_or_refused_with_a_reason, 0, 2 * N_EXCHANGES);
    tcase_add_test(tc, a_body_is_sent_with_its_length);
    tcase_add_test(tc, a_stream_ends_when_its_reader_has_enough);
    tcase_add_test(tc, nobody_there_is_told_from_not_allowed);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
