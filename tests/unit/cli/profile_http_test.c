/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/profile_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/unit/unit.h"

/* What comes in at `stint profile --http`: from anybody, before it is known who that is. */

#define TOKEN "0123456789abcdef0123456789abcdef"

static struct profile_call call;

static int
said(const char *bytes, size_t n)
{
    int ends[2], r;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(write(ends[0], bytes, n), (ssize_t)n);
    ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
    r = profile_call_read(ends[1], TOKEN, &call);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return r;
}

#define SAID(bytes) said(bytes, sizeof(bytes) - 1)

START_TEST(the_token_may_be_in_the_path_or_in_a_header)
{
    ck_assert_int_eq(SAID("GET /" TOKEN "/debug/pprof/heap?seconds=5 HTTP/1.1\r\n\r\n"), 0);
    ck_assert(call.known);
    ck_assert_str_eq(call.method, "GET");
    ck_assert_str_eq(call.path, "/debug/pprof/heap");
    ck_assert_str_eq(call.query, "seconds=5");
    ck_assert_int_eq(SAID("GET /x HTTP/1.0\r\nauthorization: bearer " TOKEN "\r\n\r\n"), 0);
    ck_assert(call.known);
    ck_assert_str_eq(call.path, "/x");
    ck_assert_int_eq(SAID("GET /x HTTP/1.1\r\nX-Stint-Token: " TOKEN "\r\n\r\n"), 0);
    ck_assert(call.known);
    ck_assert_int_eq(SAID("GET /" TOKEN " HTTP/1.1\r\n\r\n"), 0);
    ck_assert(call.known);
    ck_assert_str_eq(call.path, "/");
}
END_TEST

START_TEST(what_is_nearly_the_token_is_not)
{
    static const char *const wrong[] = {
        "GET /debug/pprof/heap HTTP/1.1\r\n\r\n",
        "GET /0123456789abcdef0123456789abcdee/debug/pprof/heap HTTP/1.1\r\n\r\n",
        "GET /0123456789abcdef0123456789abcde HTTP/1.1\r\n\r\n",
        "GET /" TOKEN "0/debug/pprof/heap HTTP/1.1\r\n\r\n",
        "GET /?" TOKEN " HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nAuthorization: Basic " TOKEN "\r\n\r\n",
        "GET / HTTP/1.1\r\nAuthorization: Bearer " TOKEN "0\r\n\r\n",
        "GET / HTTP/1.1\r\nX-Stint-Token: \r\n\r\n",
        "GET / HTTP/1.1\r\nReferer: X-Stint-Token: " TOKEN "\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_int_eq(said(wrong[i], strlen(wrong[i])), 0);
        ck_assert_msg(!call.known, "%s", wrong[i]);
    }
}
END_TEST

START_TEST(what_is_no_http_is_refused)
{
    static char much[9000];

    ck_assert_int_eq(SAID("hello\r\n\r\n"), -EPROTO);
    ck_assert_int_eq(SAID("GET / SPDY/3\r\n\r\n"), -EPROTO);
    ck_assert_int_eq(SAID("GET http://x/ HTTP/1.1\r\n\r\n"), -EPROTO);
    ck_assert_int_eq(SAID("PROPPATCHES / HTTP/1.1\r\n\r\n"), -EPROTO);
    ck_assert_int_eq(SAID("GET /\0/ HTTP/1.1\r\n\r\n"), -ECONNRESET); /* its head has no end */
    ck_assert_int_eq(SAID("GET / HTTP/1.1\r\n"), -ECONNRESET);
    ck_assert_int_eq(SAID(""), -ECONNRESET);
    memset(much, 'a', sizeof(much));
    ck_assert_int_eq(said(much, sizeof(much)), -EPROTO);
    (void)snprintf(much, sizeof(much), "GET /%0600d HTTP/1.1\r\n\r\n", 1);
    ck_assert_int_eq(said(much, strlen(much)), -EPROTO); /* a path that is too long */
}
END_TEST

START_TEST(addresses_are_numbers)
{
    static const char *const wrong[] = {
        "",      "6060",          ":",       ":x", ":70000", "example.org:1", "[::1:1",
        "unix:", "unix:relative", "1.2.3:80"};
    struct profile_listener l = {.fd = -1};
    struct error err;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(profile_listen(wrong[i], &l, &err) == -EINVAL && err.text[0] != '\0', "%s",
                      wrong[i]);
    ck_assert_int_eq(profile_listen(":0", &l, &err), 0);
    ck_assert(!l.public && !l.local);
    ck_assert_int_eq(strncmp(l.url, "http://127.0.0.1:", 17), 0);
    (void)fd_close(l.fd);
    ck_assert_int_eq(profile_listen("localhost:0", &l, &err), 0);
    ck_assert(!l.public);
    (void)fd_close(l.fd);
    ck_assert_int_eq(profile_listen("0.0.0.0:0", &l, &err), 0);
    ck_assert(l.public);
    (void)fd_close(l.fd);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("profile_http");
    TCase *t = tcase_create("profile_http");

    tcase_add_test(t, the_token_may_be_in_the_path_or_in_a_header);
    tcase_add_test(t, what_is_nearly_the_token_is_not);
    tcase_add_test(t, what_is_no_http_is_refused);
    tcase_add_test(t, addresses_are_numbers);
    suite_add_tcase(s, t);
    return unit_main(s);
}
