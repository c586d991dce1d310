/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deadlines that arrive in HTTP headers, by their units: examples/seeds/sleeper, whose work takes 600 ms. */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "tests/scenario/harness.h"

static void
begin(const char *program)
{
    auto_text struct text from = TEXT_INIT;

    text_addf(&from, "%s/%s", getenv("SEEDS_DIR"), program);
    scn_copy("sleeper", text_str(&from), "");
    scn_config("  web:\n    command: [%s/sleeper]\n    libstint: true\n    ready: notify\n"
               "    listen: {http: 'tcp://127.0.0.1:%d'}\n"
               "    deadlines:\n      default: 1s\n      max: 1500ms\n      tolerance: 200ms\n"
               "      headers: {X-Request-Timeout: s, x-timeout-ms: ms, x-timeout-us: us, "
               "x-timeout: grpc}\n",
               scn_dir(), scn_port());
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
}

static int
ask_for(const char *path, const char *headers)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)scn_port())};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_text struct text rq = TEXT_INIT;

    text_addf(&rq, "GET %s HTTP/1.1\r\nHost: web\r\n%s\r\n", path, headers);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(write(fd, text_str(&rq), rq.bytes), (ssize_t)rq.bytes);
    return fd;
}

static int
ask(const char *headers)
{
    return ask_for("/", headers);
}

/* Its answer: "200 done". */
static void
answer(int fd, char *buf, size_t room)
{
    char all[2048] = "", *body;
    size_t n = 0;
    ssize_t got;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        ck_assert_int_eq(poll(&p, 1, 10000 * SCN_PATIENCE), 1);
        got = read(fd, all + n, sizeof(all) - 1 - n);
        ck_assert_int_ge(got, 0);
        if (got == 0)
            break;
        n += (size_t)got;
        all[n] = '\0';
    }
    close(fd);
    body = strstr(all, "\r\n\r\n");
    ck_assert_msg(body != NULL && strncmp(all, "HTTP/1.1 ", 9) == 0, "%s", all);
    (void)snprintf(buf, room, "%.3s %.*s", all + 9, (int)strcspn(body + 4, "\n"), body + 4);
}

#define UP   "200 given up in time"
#define DONE "200 done"

static const struct {
    const char *headers, *answer; /* the beginning of it */
} cases[] = {
    {"",                                             DONE }, /* the default */
    {"X-Request-Timeout: 0.2\r\n",                   UP   },
    {"x-request-timeout:  1.4 \r\n",                 DONE }, /* blanks are the header's */
    {"X-Request-Timeout: 2\r\n",                     DONE },
    {"X-Timeout-MS: 200\r\n",                        UP   }, /* names know no case */
    {"X-Timeout-MS: 1400\r\n",                       DONE },
    {"x-timeout-us: 200000\r\n",                     UP   },
    {"x-timeout: 200m\r\n",                          UP   },
    {"grpc-timeout: 200000u\r\n",                    UP   },
    {"grpc-timeout: 1400m\r\nx-timeout-ms: 200\r\n", UP   }, /* the earliest of all */
    {"X-Request-Timeout: 0\r\n",                     "504"},
    {"X-Timeout-MS: 0\r\n",                          "504"},
    {"X-Request-Timeout: 200ms\r\n",                 "400"}, /* the unit is configured, not said */
    {"X-Request-Timeout: -1\r\n",                    "400"},
    {"X-Request-Timeout: 1e1\r\n",                   "400"},
    {"X-Request-Timeout:\r\n",                       "400"},
    {"X-Timeout-MS: 0x10\r\n",                       "400"},
    {"x-timeout-us: 123456789\r\n",                  "400"}, /* 8 digits at most */
    {"grpc-timeout: 1.5S\r\n",                       "400"},
    {"x-timeout: 200\r\n",                           "400"},
};

START_TEST(a_header_says_its_timeout_in_the_unit_that_is_configured)
{
    int fds[ARRAY_LEN(cases)];
    auto_free char *out = NULL;
    const json_t *d, *edge;
    unsigned wrong = 0, over = 0;
    json_t *status;

    begin("sleeper-fixed");
    for (size_t i = 0; i < ARRAY_LEN(cases); i += 2) { /* two at a time: it has two threads */
        for (size_t k = i; k < i + 2 && k < ARRAY_LEN(cases); k++)
            fds[k] = ask(cases[k].headers);
        for (size_t k = i; k < i + 2 && k < ARRAY_LEN(cases); k++) {
            char got[256];

            answer(fds[k], got, sizeof(got));
            ck_assert_msg(strncmp(got, cases[k].answer, strlen(cases[k].answer)) == 0,
                          "%s gives '%s', not '%s'", cases[k].headers, got, cases[k].answer);
            wrong += cases[k].answer[0] == '4';
            over += cases[k].answer[0] == '5';
        }
    }
    ck_assert_int_eq(scn_cli(&out, "status", "web", "--json", NULL), 0);
    status = json_loads(out, 0, NULL);
    d = json_object_get(json_array_get(json_object_get(status, "services"), 0), "deadlines");
    edge = json_array_get(json_object_get(d, "edges"), 0);
    ck_assert_msg(edge != NULL, "%s", out);
#define IS(o, key, n) \
    ck_assert_int_eq(json_integer_value(json_object_get((o), (key))), (json_int_t)(n))
    IS(edge, "calls", ARRAY_LEN(cases));
    IS(edge, "malformed", wrong);
    IS(edge, "expired", over);
    IS(edge, "without_timeout", 1);
    IS(edge, "shortest_ms", 200);
    IS(edge, "longest_ms", 2000);
    IS(edge, "cut", 1);
    IS(d, "overruns_total", 0);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(d, "headers"), "x-request-timeout")),
        "s");
    json_decref(status);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(who_sleeps_through_the_timeout_of_a_header_is_named)
{
    char got[256];

    begin("sleeper");
    answer(ask("X-Request-Timeout: 0.1\r\n"), got, sizeof(got));
    ck_assert_str_eq(got, DONE);
    (void)scn_await("event=overrun service=web gen=1 task=slow ~server.c:", 10000);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* examples/web: its slow requests end with their clients' patience, in an epoll loop. */
START_TEST(the_example_gives_up_with_its_client)
{
    static const struct {
        const char *path, *headers, *answer;
    } asked[] = {
        {"/slow?ms=600", "X-Request-Timeout: 0.1\r\n", "504"},
        {"/slow?ms=600", "X-Request-Timeout: 1e1\r\n", "400"},
        {"/slow?ms=600", "X-Request-Timeout: 0\r\n",   "504"},
        {"/slow?ms=200", "x-request-timeout: 30\r\n",  "200"},
        {"/slow?ms=200", "",                           "200"},
        {"/",            "X-Request-Timeout: no\r\n",  "200"}, /* which takes no time */
    };

    scn_copy("web", getenv("WEB_BINARY"), "");
    scn_file("web.conf", "%s", "greeting = hello\n");
    scn_config("  web:\n    command: [%s/web, --config, %s/web.conf]\n    libstint: true\n"
               "    ready: notify\n    listen: {http: 'tcp://127.0.0.1:%d'}\n"
               "    deadlines: {max: 60s, headers: {x-request-timeout: s}, tolerance: 100ms}\n",
               scn_dir(), scn_dir(), scn_port());
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        auto_text struct text headers = TEXT_INIT;
        char got[256];

        text_addf(&headers, "%sConnection: close\r\n", asked[i].headers);
        answer(ask_for(asked[i].path, text_str(&headers)), got, sizeof(got));
        ck_assert_msg(strncmp(got, asked[i].answer, 3) == 0, "%s %s gives '%s', not %s",
                      asked[i].path, asked[i].headers, got, asked[i].answer);
    }
    ck_assert_uint_eq(scn_count("event=overrun"), 0);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("http_deadlines", the_example_gives_up_with_its_client,
         a_header_says_its_timeout_in_the_unit_that_is_configured,
         who_sleeps_through_the_timeout_of_a_header_is_named)
