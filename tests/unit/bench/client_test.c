// SPDX-License-Identifier: GPL-2.0-or-later
/* The load client against a server that does exactly what each test says, request by request. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/load_client.h"
#include "tests/unit/unit.h"

enum act {
    ACT_END = 0,
    ACT_ANSWER,      /* and keep the connection */
    ACT_BYTEWISE,    /* the same, one send per byte */
    ACT_LATE,        /* the same, 120 ms later */
    ACT_GOODBYE,     /* answer with Connection: close, then close */
    ACT_IDLE_CLOSE,  /* answer, then close without having said so */
    ACT_STATUS,      /* 500 */
    ACT_OTHER_BODY,  /* 200, but not what is expected */
    ACT_GARBAGE,     /* not HTTP */
    ACT_TOO_MUCH,    /* more bytes than announced */
    ACT_SHORT,       /* close in the middle of the body */
    ACT_RESET_SHORT, /* reset in the middle of the body */
    ACT_CLOSE,       /* close without a byte */
    ACT_RESET,       /* reset without a byte */
    ACT_SILENCE      /* no answer; wait until the client gives up */
};

static struct {
    int listener;
    const enum act *acts; /* one per request, whatever connection it comes on; the last repeats */
    size_t taken;         /* of acts */
    pthread_t thread;
    struct load_options options;
    struct load_stats *stats;
} world;

#define ANSWER(connection, body, length)                                                \
    "HTTP/1.1 200 OK\r\nX-Stint-Generation: 3\r\n" connection "Content-Length: " length \
    "\r\n\r\n" body

static const char *
text_of(enum act act)
{
    if (act == ACT_GOODBYE)
        return ANSWER("Connection: close\r\n", "hello", "5");
    if (act == ACT_STATUS)
        return "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nhello";
    if (act == ACT_OTHER_BODY)
        return ANSWER("", "howdy", "5");
    if (act == ACT_GARBAGE)
        return "220 smtp.example.org\r\n";
    if (act == ACT_TOO_MUCH)
        return ANSWER("", "hello!", "5");
    if (act == ACT_SHORT || act == ACT_RESET_SHORT)
        return ANSWER("", "hel", "5");
    if (act == ACT_CLOSE || act == ACT_RESET || act == ACT_SILENCE)
        return "";
    return ANSWER("", "hello", "5");
}

/* Read one request. Return: false when the client has gone. */
static bool
read_request(int fd)
{
    char tail[4] = "";
    char c;

    while (recv(fd, &c, 1, 0) == 1) {
        memmove(tail, tail + 1, 3);
        tail[3] = c;
        if (memcmp(tail, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

/* Return: false when the connection is to end. */
static bool
perform(int fd, enum act act)
{
    const char *text = text_of(act);
    const struct linger at_once = {1, 0};
    char c;

    if (act == ACT_SILENCE) {
        while (recv(fd, &c, 1, 0) == 1)
            continue;
        return false;
    }
    if (act == ACT_LATE)
        (void)poll(NULL, 0, 120);
    if (act == ACT_BYTEWISE) {
        for (; *text; text++)
            (void)send(fd, text, 1, MSG_NOSIGNAL);
        return true;
    }
    /* MSG_MORE: what ends the connection then arrives together with the answer. */
    (void)send(fd, text, strlen(text),
               MSG_NOSIGNAL | (act == ACT_IDLE_CLOSE || act == ACT_GOODBYE ? MSG_MORE : 0));
    if (act == ACT_RESET_SHORT)
        (void)poll(NULL, 0, 20); /* a reset would overtake the bytes before it */
    if (act == ACT_RESET || act == ACT_RESET_SHORT)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    return act == ACT_ANSWER || act == ACT_LATE || act == ACT_STATUS || act == ACT_OTHER_BODY ||
           act == ACT_GARBAGE || act == ACT_TOO_MUCH;
}

/* The next line of the script; connections take them in the order their requests come. */
static enum act
next_act(void)
{
    size_t n = __atomic_fetch_add(&world.taken, 1, __ATOMIC_RELAXED);
    size_t i = 0;

    while (i < n && world.acts[i + 1] != ACT_END)
        i++;
    return world.acts[i];
}

static void *
serve_one(void *fd_as_pointer)
{
    int fd = (int)(intptr_t)fd_as_pointer;

    while (read_request(fd) && perform(fd, next_act()))
        continue;
    (void)close(fd);
    return NULL;
}

static void *
serve(void *unused)
{
    int fd;

    while ((fd = accept4(world.listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0)
            (void)pthread_detach(thread);
    }
    return unused;
}

static void
setup(void)
{
    struct sockaddr_in *at = (struct sockaddr_in *)(void *)&world.options.address;
    struct sockaddr_in bound = {.sin_family = AF_INET};
    socklen_t n = sizeof(bound);

    bound.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    world.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ne(world.listener, -1);
    ck_assert_int_eq(bind(world.listener, (struct sockaddr *)&bound, n), 0);
    ck_assert_int_eq(listen(world.listener, 64), 0);
    ck_assert_int_eq(getsockname(world.listener, (struct sockaddr *)&bound, &n), 0);
    memset(&world.options, 0, sizeof(world.options));
    *at = bound;
    world.options.address_bytes = n;
    world.options.host = "test";
    world.options.path = "/";
    world.options.timeout_us = 5 * US_PER_S;
    ck_assert_int_eq(http_expect_init(&world.options.expect, "X-Stint-Generation", "hello"), 0);
    world.thread = 0;
}

/* Press @requests requests through the client, 30 ms apart, all by one stream. */
static void
press(const enum act *acts, unsigned requests, bool keep)
{
    struct load_client *client = NULL;
    struct error error = {0};
    int64_t begin_us;

    world.acts = acts;
    ck_assert_int_eq(pthread_create(&world.thread, NULL, serve, NULL), 0);
    world.options.rate = keep ? 33 : 0;
    world.options.single = keep ? 0 : 33;
    if (world.options.keepalive == 0)
        world.options.keepalive = 1;
    begin_us = mono_now_us();
    world.stats = load_stats_create(begin_us);
    ck_assert_int_eq(load_client_create(&world.options, world.stats, begin_us, &client, &error), 0);
    load_client_stop(client, begin_us + (int64_t)requests * US_PER_S / 33);
    while (!load_client_done(client)) {
        ck_assert_int_ge(load_client_turn(client, mono_now_us() + 100 * US_PER_MS), 0);
        ck_assert_int_lt(mono_now_us(), begin_us + 20 * US_PER_S);
    }
    load_client_destroy(client);
    ck_assert_uint_eq(world.stats->requests, requests); /* whatever happened */
    ck_assert_uint_eq(world.stats->answers + load_stats_failed(world.stats), requests);
}

static void
teardown(void)
{
    if (world.thread != 0) {
        (void)shutdown(world.listener, SHUT_RDWR);
        (void)pthread_join(world.thread, NULL);
    }
    (void)close(world.listener);
    load_stats_destroy(world.stats);
}

START_TEST(right_answers_on_one_connection_are_all_counted)
{
    press((const enum act[]){ACT_ANSWER, ACT_BYTEWISE, ACT_ANSWER, ACT_END}, 6, true);
    ck_assert_uint_eq(world.stats->answers, 6);
    ck_assert_uint_eq(world.stats->connects, 1);
    ck_assert_str_eq(world.stats->generations[0].name, "3");
    ck_assert_uint_eq(world.stats->generations[0].answers, 6);
}
END_TEST

START_TEST(a_goodbye_in_the_answer_makes_the_next_request_connect_anew)
{
    press((const enum act[]){ACT_ANSWER, ACT_GOODBYE, ACT_ANSWER, ACT_END}, 4, true);
    ck_assert_uint_eq(world.stats->answers, 4);
    ck_assert_uint_eq(world.stats->connects, 2);
    ck_assert_uint_eq(world.stats->idle_closed, 0);
}
END_TEST

START_TEST(an_idle_connection_closed_by_the_server_is_no_failure)
{
    press((const enum act[]){ACT_IDLE_CLOSE, ACT_ANSWER, ACT_END}, 3, true);
    ck_assert_uint_eq(world.stats->answers, 3);
    ck_assert_uint_eq(world.stats->connects, 2);
    ck_assert_uint_eq(world.stats->idle_closed, 1);
}
END_TEST

struct failing {
    enum act acts[4];
    enum load_failure kind;
    bool keep;
};

static const struct failing failing[] = {
    {{ACT_STATUS, ACT_ANSWER},            LOAD_WRONG,          true },
    {{ACT_OTHER_BODY, ACT_ANSWER},        LOAD_WRONG,          true },
    {{ACT_GARBAGE, ACT_ANSWER},           LOAD_WRONG,          true },
    {{ACT_TOO_MUCH, ACT_ANSWER},          LOAD_WRONG,          true },
    {{ACT_SHORT, ACT_ANSWER},             LOAD_SHORT,          true },
    {{ACT_SHORT, ACT_ANSWER},             LOAD_SHORT,          false},
    {{ACT_RESET_SHORT, ACT_ANSWER},       LOAD_RESET,          true },
    {{ACT_CLOSE, ACT_ANSWER},             LOAD_EOF_FRESH,      true },
    {{ACT_CLOSE, ACT_ANSWER},             LOAD_EOF_FRESH,      false},
    {{ACT_RESET, ACT_ANSWER},             LOAD_RESET,          false},
    {{ACT_ANSWER, ACT_CLOSE, ACT_ANSWER}, LOAD_LOST_ON_REUSED, true },
    {{ACT_ANSWER, ACT_RESET, ACT_ANSWER}, LOAD_LOST_ON_REUSED, true },
};

START_TEST(one_fault_is_one_failure_of_its_kind_and_nothing_is_tried_again)
{
    const struct failing *f = &failing[_i];

    press(f->acts, 5, f->keep);
    ck_assert_uint_eq(world.stats->answers, 4);
    ck_assert_msg(world.stats->failed[f->kind] == 1, "case %d is not counted as %s", _i,
                  load_failure_name(f->kind));
}
END_TEST

START_TEST(when_nobody_listens_each_request_is_refused)
{
    (void)close(world.listener);
    world.listener = -1;
    press((const enum act[]){ACT_ANSWER, ACT_END}, 5, true);
    ck_assert_uint_eq(world.stats->failed[LOAD_REFUSED], 5);
    (void)pthread_join(world.thread, NULL);
    world.thread = 0;
}
END_TEST

START_TEST(what_cannot_be_answered_in_time_is_a_timeout_or_never_sent)
{
    world.options.timeout_us = 200 * US_PER_MS;
    press((const enum act[]){ACT_SILENCE, ACT_END}, 12, true);
    ck_assert_uint_ge(world.stats->failed[LOAD_TIMEOUT], 1);
    ck_assert_uint_ge(world.stats->failed[LOAD_QUEUED_OUT], 1);
    ck_assert_uint_eq(load_stats_failed(world.stats), 12);
}
END_TEST

START_TEST(the_wait_behind_a_slow_answer_is_part_of_the_latency)
{
    press((const enum act[]){ACT_LATE, ACT_ANSWER, ACT_END}, 4, true);
    ck_assert_uint_eq(world.stats->answers, 4);
    ck_assert_int_ge(world.stats->all.max_us, 120 * US_PER_MS);
    /* The second was due 30 ms after the first and could only go 90 ms later. */
    ck_assert_int_ge(histogram_at(&world.stats->all, 0.75), 85 * US_PER_MS);
}
END_TEST

START_TEST(kept_connections_are_used_in_turn)
{
    world.options.keepalive = 3;
    press((const enum act[]){ACT_ANSWER, ACT_END}, 6, true);
    ck_assert_uint_eq(world.stats->answers, 6);
    ck_assert_uint_eq(world.stats->connects, 3);
}
END_TEST

START_TEST(single_requests_have_a_connection_each)
{
    press((const enum act[]){ACT_GOODBYE, ACT_END}, 5, false);
    ck_assert_uint_eq(world.stats->answers, 5);
    ck_assert_uint_eq(world.stats->connects, 5);
}
END_TEST

START_TEST(a_client_without_descriptors_is_broken_and_blames_nobody)
{
    struct load_client *client = NULL;
    struct rlimit before, none;
    int64_t now = mono_now_us();
    struct error error;

    world.options.single = 1000;
    world.stats = load_stats_create(now);
    ck_assert_int_eq(load_client_create(&world.options, world.stats, now, &client, &error), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(load_client_turn(client, now + US_PER_S), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_uint_eq(load_stats_failed(world.stats), 0);
    load_client_destroy(client);
}
END_TEST

START_TEST(addresses_are_numbers_or_a_path)
{
    struct error error;
    struct load_options o = {0};

    ck_assert_int_eq(load_address_parse("127.0.0.1:80", &o, &error), 0);
    ck_assert_int_eq(o.address.ss_family, AF_INET);
    ck_assert_int_eq(load_address_parse("[::1]:80", &o, &error), 0);
    ck_assert_int_eq(o.address.ss_family, AF_INET6);
    ck_assert_int_eq(load_address_parse("unix:/run/web.sock", &o, &error), 0);
    ck_assert_int_eq(o.address.ss_family, AF_UNIX);
    ck_assert_int_lt(load_address_parse("example.org:80", &o, &error), 0);
    ck_assert_int_lt(load_address_parse("127.0.0.1", &o, &error), 0);
    ck_assert_int_lt(load_address_parse("127.0.0.1:http", &o, &error), 0);
    ck_assert_int_lt(load_address_parse("unix:", &o, &error), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench.client");
    TCase *tc = tcase_create("against a hostile server");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, right_answers_on_one_connection_are_all_counted);
    tcase_add_test(tc, a_goodbye_in_the_answer_makes_the_next_request_connect_anew);
    tcase_add_test(tc, an_idle_connection_closed_by_the_server_is_no_failure);
    tcase_add_loop_test(tc, one_fault_is_one_failure_of_its_kind_and_nothing_is_tried_again, 0,
                        (int)ARRAY_LEN(failing));
    tcase_add_test(tc, when_nobody_listens_each_request_is_refused);
    tcase_add_test(tc, what_cannot_be_answered_in_time_is_a_timeout_or_never_sent);
    tcase_add_test(tc, the_wait_behind_a_slow_answer_is_part_of_the_latency);
    tcase_add_test(tc, kept_connections_are_used_in_turn);
    tcase_add_test(tc, single_requests_have_a_connection_each);
    tcase_add_test(tc, a_client_without_descriptors_is_broken_and_blames_nobody);
    tcase_add_test(tc, addresses_are_numbers_or_a_path);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
