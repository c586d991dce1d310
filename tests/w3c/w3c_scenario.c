/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The published cases of trace context, through a real service: headers come in by HTTP, and calls go out. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "tests/scenario/harness.h"
#include "tests/unit/worker-api/w3c_cases.h"
#include "tests/w3c/http.h"

#define CALLS   3
#define SOON_US INT64_C(20000000)

static struct message message; /* one at a time */

static void
start_service(void)
{
    scn_config("  traced:\n    command: [%s]\n    libstint: true\n    ready: notify\n"
               "    listen:\n      http: tcp://127.0.0.1:%d\n",
               getenv("W3C_SERVICE"), scn_port());
    scn_start();
    (void)scn_await("event=verdict service=traced outcome=serving", 10000);
}

static struct sockaddr_in
loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Where the service's calls arrive. */
static int
receiver(int *ret_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void
put(int fd, const char *text)
{
    ck_assert_int_eq(http_write(NULL, fd, text, strlen(text), stint_now_us() + SOON_US), 0);
}

/* Return: the connection on which the answer comes. */
static int
ask(const char *path, const struct w3c_line *lines, size_t n, const char *json)
{
    struct sockaddr_in address = loopback(scn_port());
    auto_text struct text request = TEXT_INIT;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    text_addf(&request, "POST %s HTTP/1.1\r\nContent-Length: %zu\r\n", path, strlen(json));
    for (size_t i = 0; i < n && lines[i].name; i++)
        text_addf(&request, "%s: %s\r\n", lines[i].name, lines[i].value);
    text_addf(&request, "\r\n%s", json);
    put(fd, text_str(&request));
    return fd;
}

/* Closes @fd. What was answered is in `message`. */
static void
await_answer(int fd, const char *of)
{
    ck_assert_msg(http_read(NULL, fd, &message, stint_now_us() + SOON_US) == 0, "%s", of);
    ck_assert_msg(strncmp(message.start, "HTTP/1.1 200 ", 13) == 0, "%s: %s", of, message.start);
    close(fd);
}

/* The value of the one header of that name, as text in @to; "" without one. */
static void
header(const char *name, char *to, size_t size)
{
    to[0] = '\0';
    for (size_t i = 0; i < message.n; i++) {
        const struct stint_header *h = &message.headers[i];

        if (h->name_bytes != strlen(name) || strncasecmp(h->name, name, h->name_bytes) != 0)
            continue;
        ck_assert_msg(to[0] == '\0', "%s is there twice", name);
        ck_assert_uint_lt(h->value_bytes, size);
        ck_assert_int_eq(h->value[0], ' ');
        (void)snprintf(to, size, "%.*s", (int)h->value_bytes - 1, h->value + 1);
    }
}

static void
judge_parent(const char *of, const char *parent, bool goes_on)
{
    ck_assert_msg(strlen(parent) == 55, "%s: '%s'", of, parent);
    ck_assert_uint_eq(strspn(parent, "0123456789abcdef-"), 55);
    ck_assert_msg((strncmp(parent, "00-" W3C_ID "-", 36) == 0) == goes_on, "%s: %s", of, parent);
    ck_assert_msg(strncmp(parent + 36, W3C_PARENT, 16) != 0, "%s: %s", of, parent);
}

/* One of the calls: what its headers are, and an answer to it. */
static void
take_call(int from, const char *of, char parent[128], char *state, size_t size)
{
    struct pollfd wait = {.fd = from, .events = POLLIN};
    int fd;

    ck_assert_msg(poll(&wait, 1, (int)(SOON_US / 1000)) == 1, "%s: no call", of);
    fd = accept4(from, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(http_read(NULL, fd, &message, stint_now_us() + SOON_US), 0);
    header("traceparent", parent, 128);
    header("tracestate", state, size);
    put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull");
    close(fd);
}

static void
play(const struct w3c_case *row, int from, const char *json)
{
    char of[160], parent[CALLS][128], state[1024];
    int fd = ask("/test", row->in, W3C_LINES, json);

    (void)snprintf(of, sizeof(of), "%s: %s", row->test ? row->test : "ours", row->what);
    for (int i = 0; i < CALLS; i++) {
        take_call(from, of, parent[i], state, sizeof(state));
        judge_parent(of, parent[i], row->goes_on);
        ck_assert_msg(strcmp(state, row->state ? row->state : "") == 0, "%s: '%s'", of, state);
        ck_assert_msg(strncmp(parent[i], parent[0], 36) == 0, "%s: two traces", of);
        for (int j = 0; j < i; j++)
            ck_assert_msg(strncmp(parent[i] + 36, parent[j] + 36, 16) != 0, "%s: one span", of);
    }
    await_answer(fd, of);
}

START_TEST(the_published_cases_go_through_a_service_and_its_threads)
{
    auto_text struct text json = TEXT_INIT;
    int port;
    auto_fd int from = receiver(&port);

    start_service();
    for (int i = 0; i < CALLS; i++)
        text_addf(&json, "%s{\"url\": \"http://127.0.0.1:%d/%d\", \"arguments\": []}",
                  i > 0 ? ", " : "[", port, i);
    text_addf(&json, "]");
    for (size_t i = 0; i < W3C_CASES; i++)
        play(&w3c_cases[i], from, text_str(&json));
}
END_TEST

/* What a child of the request finds in its environment. */
static void
ask_child(const struct w3c_line *lines, size_t n, char parent[128], char *state, size_t size)
{
    const char *at;

    await_answer(
        ask("/child", lines, n, "[\"sh\", \"-c\", \"echo $TRACEPARENT; echo $TRACESTATE\"]"),
        "a child");
    at = message.body;
    (void)snprintf(parent, 128, "%.*s", (int)strcspn(at, "\n"), at);
    at += strcspn(at, "\n");
    ck_assert_int_eq(*at++, '\n');
    (void)snprintf(state, size, "%.*s", (int)strcspn(at, "\n"), at);
}

START_TEST(each_child_of_a_request_is_told_a_span_of_its_own)
{
    static const struct w3c_line lines[] = {
        {"traceparent", W3C_GOOD     },
        {"tracestate",  "foo=1,bar=2"},
    };
    char one[128], other[128], state[128];

    start_service();
    ask_child(lines, 2, one, state, sizeof(state));
    judge_parent("the first", one, true);
    ck_assert_str_eq(state, "foo=1,bar=2");
    ask_child(lines, 2, other, state, sizeof(state));
    judge_parent("the second", other, true);
    ck_assert_int_ne(strncmp(one + 36, other + 36, 16), 0);
    ask_child(lines, 0, one, state, sizeof(state));
    judge_parent("of nobody", one, false);
    ck_assert_str_eq(state, "");
    ask_child(lines, 0, other, state, sizeof(state));
    ck_assert_int_ne(strncmp(one, other, 35), 0);
}
END_TEST

scn_main("w3c", the_published_cases_go_through_a_service_and_its_threads,
         each_child_of_a_request_is_told_a_span_of_its_own)
