// SPDX-License-Identifier: GPL-2.0-or-later
/* What may happen to a kept connection between two requests. The test is the server, step by step. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/load_client.h"
#include "tests/unit/unit.h"

#define ANSWER      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define INTERVAL_US (100 * US_PER_MS)
#define SOON_MS     20000

enum ending {
    END_CLOSE,
    END_RESET,
    END_STRAY, /* an answer that nobody asked for */
    END_NONE
};

static const struct {
    enum ending ending;
    bool blind;
    unsigned lost, idle_closed; /* of two requests */
} cases[] = {
    {END_NONE,  false, 0, 0},
    {END_NONE,  true,  0, 0},
    {END_CLOSE, false, 0, 1},
    {END_CLOSE, true,  1, 0},
    {END_RESET, false, 0, 1},
    {END_RESET, true,  1, 0},
    {END_STRAY, false, 0, 1},
    {END_STRAY, true,  0, 1},
};

static struct load_client *client;
static struct load_stats *stats;

static int
listen_here(struct load_options *o)
{
    struct sockaddr_in *at = (struct sockaddr_in *)(void *)&o->address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET};
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    o->address_bytes = sizeof(*at);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)at, o->address_bytes), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)at, &o->address_bytes), 0);
    return fd;
}

/* Let the client run until @fd has something. */
static void
turn_until_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t limit = mono_now_us() + SOON_MS * US_PER_MS;

    while (poll(&p, 1, 0) == 0) {
        ck_assert_int_ge(load_client_turn(client, mono_now_us() + US_PER_MS), 0);
        ck_assert_int_lt(mono_now_us(), limit);
    }
}

static void
take_request(int fd)
{
    char text[1024];
    ssize_t n;

    turn_until_readable(fd);
    n = recv(fd, text, sizeof(text) - 1, 0);
    ck_assert_int_gt(n, 4);
    text[n] = '\0';
    ck_assert_str_eq(text + n - 4, "\r\n\r\n");
}

static int
take_connection(int listener)
{
    turn_until_readable(listener);
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void
answer(int fd)
{
    uint64_t before = stats->requests;
    int64_t limit = mono_now_us() + SOON_MS * US_PER_MS;

    ck_assert_int_eq(send(fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL), sizeof(ANSWER) - 1);
    while (stats->requests == before) {
        ck_assert_int_ge(load_client_turn(client, mono_now_us() + US_PER_MS), 0);
        ck_assert_int_lt(mono_now_us(), limit);
    }
}

/* End the connection behind the client's back: it does not get a turn before its next request is due. */
static int
end(int fd, enum ending ending)
{
    const struct linger at_once = {1, 0};

    if (ending == END_STRAY)
        ck_assert_int_gt(send(fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL), 0);
    if (ending == END_RESET)
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    if (ending == END_CLOSE || ending == END_RESET) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

START_TEST(what_a_request_finds_is_counted_once)
{
    struct load_options o = {.host = "test",
                             .path = "/",
                             .rate = (unsigned)(US_PER_S / INTERVAL_US),
                             .keepalive = 1,
                             .timeout_us = 10 * US_PER_S,
                             .blind = cases[_i].blind};
    int listener = listen_here(&o);
    int64_t begin_us = mono_now_us();
    struct error error;
    int fd;

    ck_assert_int_eq(http_expect_init(&o.expect, "X-Generation", "hello"), 0);
    stats = load_stats_create(begin_us);
    ck_assert_int_eq(load_client_create(&o, stats, begin_us, &client, &error), 0);
    load_client_stop(client, begin_us + 2 * INTERVAL_US);
    fd = take_connection(listener);
    take_request(fd);
    answer(fd);
    fd = end(fd, cases[_i].ending);
    while (mono_now_us() < begin_us + INTERVAL_US)
        (void)poll(NULL, 0, 1);
    ck_assert_int_ge(load_client_turn(client, 0), 0);
    if (cases[_i].lost == 0 && cases[_i].idle_closed > 0) {
        (void)close(fd);
        fd = take_connection(listener);
    }
    if (cases[_i].lost == 0) {
        take_request(fd);
        answer(fd);
    }
    while (!load_client_done(client))
        ck_assert_int_ge(load_client_turn(client, mono_now_us() + US_PER_MS), 0);
    ck_assert_uint_eq(stats->requests, 2);
    ck_assert_uint_eq(stats->answers, 2 - cases[_i].lost);
    ck_assert_uint_eq(stats->failed[LOAD_LOST_ON_REUSED], cases[_i].lost);
    ck_assert_uint_eq(load_stats_failed(stats), cases[_i].lost);
    ck_assert_uint_eq(stats->idle_closed, cases[_i].idle_closed);
    load_client_destroy(client);
    load_stats_destroy(stats);
    (void)close(listener);
    if (fd >= 0)
        (void)close(fd);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench.idle");
    TCase *tc = tcase_create("between two requests");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_a_request_finds_is_counted_once, 0, (int)ARRAY_LEN(cases));
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
