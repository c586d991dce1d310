/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests with deadlines, and who works on past them: examples/pool, whose stubborn work sleeps through its own. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/scenario/harness.h"

#define POLICY(more) "{default: 5s, max: 9s, tolerance: 50ms, look: 50ms" more "}"

static void
configure(const char *deadlines)
{
    scn_config("  pool:\n    command: [%s/program]\n    directory: %s\n    workers: 1\n"
               "    listen:\n      requests: {address: 'unix:%s/serve.sock'}\n"
               "    libstint: true\n    ready: notify\n    deadlines: %s\n",
               scn_dir(), scn_dir(), scn_dir(), deadlines);
}

static unsigned
begin(const char *deadlines)
{
    scn_copy("program", getenv("POOL_BINARY"), "");
    configure(deadlines);
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    return scn_baseline();
}

static int
ask(const char *line)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", scn_path("serve.sock"));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    return fd;
}

static void
await_answer(int fd, const char *word)
{
    char line[256] = "";
    size_t n = 0;

    while (n + 1 < sizeof(line) && !strchr(line, '\n')) {
        struct pollfd news = {.fd = fd, .events = POLLIN};
        ssize_t got;

        ck_assert_int_eq(poll(&news, 1, 10000 * SCN_PATIENCE), 1);
        got = read(fd, line + n, sizeof(line) - 1 - n);
        ck_assert_int_gt(got, 0);
        n += (size_t)got;
        line[n] = '\0';
    }
    ck_assert_msg(strncmp(line, word, strlen(word)) == 0, "'%s'", line);
    close(fd);
}

/* `deadlines` of the service; the caller's. */
static json_t *
deadlines_now(void)
{
    auto_free char *out = NULL;
    json_t *whole, *deadlines;

    ck_assert_int_eq(scn_cli(&out, "status", "pool", "--json", NULL), 0);
    whole = json_loads(out, 0, NULL);
    deadlines = json_incref(
        json_object_get(json_array_get(json_object_get(whole, "services"), 0), "deadlines"));
    ck_assert_msg(deadlines != NULL, "%s", out);
    json_decref(whole);
    return deadlines;
}

static json_int_t
number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static const char *
text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

/* It answers a moment before its task is over. */
static void
await_counted(json_int_t total)
{
    for (int i = 0;; i++) {
        json_t *d = deadlines_now();
        bool counted = number(d, "overruns_total") == total;

        json_decref(d);
        if (counted)
            return;
        ck_assert_int_lt(i, 200);
    }
}

/* The edge of a caller; NULL = none. */
static const json_t *
edge_of(const json_t *deadlines, const char *caller)
{
    const json_t *edges = json_object_get(deadlines, "edges"), *e;
    size_t i;

    json_array_foreach(edges, i, e) if (strcmp(text(e, "caller"), caller) == 0) return e;
    return NULL;
}

START_TEST(a_handler_that_sleeps_through_its_deadline_is_named_while_it_does_and_afterwards)
{
    unsigned fds = begin(POLICY(""));
    int client = ask("1500 100 gateway stubborn\n");
    auto_free char *out = NULL;
    json_t *d, *one;

    (void)scn_await("event=overrun service=pool gen=1 task=request count=1 live=true "
                    "~pool.c: ~goes+on",
                    5000);
    d = deadlines_now();
    one = json_array_get(json_object_get(d, "overruns"), 0);
    ck_assert(json_is_true(json_object_get(one, "live")));
    ck_assert_msg(strncmp(text(one, "thread"), "pool-", 5) == 0, "%s", text(one, "thread"));
    ck_assert_msg(strstr(text(one, "creator"), "pool.c:") != NULL, "%s", text(one, "creator"));
    ck_assert_int_ge(number(one, "over_ms"), 50);
    ck_assert_int_eq(number(one, "generation"), 1);
    json_decref(d);
    ck_assert_int_eq(scn_cli(&out, "status", "pool", NULL), 0);
    ck_assert_msg(strstr(out, "PAST ITS DEADLINE: thread pool-") != NULL, "%s", out);
    await_answer(client, "done");
    for (int i = 0;; i++) { /* it answers a moment before its task is over */
        d = deadlines_now();
        if (number(d, "overruns_total") == 1)
            break;
        ck_assert_int_lt(i, 200);
        json_decref(d);
    }
    one = json_array_get(json_object_get(d, "overruns"), 0);
    ck_assert(json_is_false(json_object_get(one, "live")));
    ck_assert_int_eq(number(one, "count"), 1);
    ck_assert_int_ge(number(one, "most_ms"), 1300);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "overruns"), 1);
    free(out);
    ck_assert_int_eq(scn_cli(&out, "leaks", "pool", NULL), 0);
    ck_assert_msg(strstr(out, "past its deadline  thread pool-") != NULL, "%s", out);
    ck_assert_uint_eq(scn_count("event=overrun"), 1); /* who was named while it did is not again */
    json_decref(d);
    scn_after(fds);
}
END_TEST

START_TEST(who_obeys_is_not_named_and_what_is_over_is_refused)
{
    unsigned fds = begin(POLICY(""));
    json_t *d;

    await_answer(ask("1000 60 gateway\n"), "late");
    await_answer(ask("1 3000 gateway\n"), "done");
    await_answer(ask("1 0 gateway\n"), "refused");
    await_answer(ask("1 60000 cron\n"), "done"); /* more than the maximum */
    d = deadlines_now();
    ck_assert_int_eq(number(d, "overruns_total"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(d, "overruns")), 0);
    ck_assert_int_eq(number(d, "default_ms"), 5000);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "calls"), 3);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "expired"), 1);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "shortest_ms"), 60);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "longest_ms"), 3000);
    ck_assert_int_eq(number(edge_of(d, "cron"), "cut"), 1);
    ck_assert_uint_eq(scn_count("event=overrun"), 0);
    json_decref(d);
    scn_after(fds);
}
END_TEST

START_TEST(what_arrives_is_compared_with_what_is_declared)
{
    unsigned fds = begin(POLICY(", client_timeout: {gateway: 2s, cron: 9s, idle: 6s}"));
    json_t *d;

    await_answer(ask("1 3000 gateway\n"), "done");
    await_answer(ask("1 3000 cron\n"), "done");
    d = deadlines_now();
    ck_assert_msg(strstr(text(edge_of(d, "gateway"), "fault"), "waits no longer than 2s") != NULL,
                  "%s", text(edge_of(d, "gateway"), "fault"));
    ck_assert_str_eq(text(edge_of(d, "cron"), "fault"), "");
    ck_assert_str_eq(text(edge_of(d, "idle"), "fault"), "");
    ck_assert_int_eq(number(edge_of(d, "idle"), "client_timeout_ms"), 6000);
    json_decref(d);
    /* In place: who calls is no matter of the program. */
    configure(POLICY(", client_timeout: {gateway: 6s, cron: 2500ms}"));
    (void)scn_await_any("event=service service=pool ~changed+in+place", 10000);
    ck_assert_uint_eq(scn_count("event=generation_starting"), 1);
    /* What the program is told is. */
    configure("{default: 1s, max: 9s, client_timeout: {gateway: 2s}}");
    (void)scn_await("event=verdict service=pool outcome=serving gen=2", 15000);
    await_answer(ask("1 3000 gateway\n"), "done");
    d = deadlines_now();
    ck_assert_msg(strstr(text(edge_of(d, "gateway"), "fault"), "came with a timeout of 3") != NULL,
                  "%s", text(edge_of(d, "gateway"), "fault"));
    json_decref(d);
    scn_after(fds);
}
END_TEST

START_TEST(what_a_worker_counted_is_there_when_it_has_gone_and_lines_are_few)
{
    unsigned fds = begin(POLICY(""));
    int clients[12];
    json_t *d;

    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = ask("200 20 gateway stubborn\n");
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        await_answer(clients[i], "done");
    ck_assert_int_eq(scn_cli(NULL, "reload", "pool", "--force", "--wait=gone", NULL), 0);
    d = deadlines_now();
    ck_assert_int_eq(number(d, "overruns_total"), 12);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "overruns"), 12);
    ck_assert_uint_ge(scn_count("event=overrun"), 1);
    ck_assert_uint_le(scn_count("event=overrun"), 10); /* 5 in 10 s, and a slow machine */
    json_decref(d);
    scn_after(fds);
}
END_TEST

START_TEST(a_new_master_goes_on_with_what_the_worker_counted)
{
    unsigned fds = begin(POLICY(""));
    json_t *d;

    await_answer(ask("300 50 gateway stubborn\n"), "done");
    (void)scn_await_any("event=overrun service=pool", 5000);
    (void)scn_kill_master();
    d = deadlines_now();
    ck_assert_int_eq(number(d, "overruns_total"), 1);
    json_decref(d);
    await_answer(ask("300 50 gateway stubborn\n"), "done");
    (void)scn_await("event=overrun service=pool gen=1", 5000);
    ck_assert_uint_eq(scn_count("event=overrun"), 2); /* the first one is not told again */
    (void)fds;
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

START_TEST(who_looks_from_outside_sees_what_has_ended_past_its_deadline)
{
    unsigned fds = begin(POLICY(""));
    auto_free char *out = NULL, *people = NULL;
    json_t *report;
    const json_t *evidence, *row;

    await_answer(ask("300 50 gateway stubborn\n"), "done");
    await_counted(1);
    ck_assert_int_eq(scn_cli(&people, "threads", "pool", NULL), 0);
    ck_assert_msg(strstr(people, "past its deadline  thread pool-") && strstr(people, "1 times"),
                  "%s", people);
    ck_assert_int_eq(scn_cli(&out, "threads", "pool", "--json", NULL), 0);
    report = json_loads(out, 0, NULL);
    evidence = json_object_get(json_array_get(json_object_get(report, "workers"), 0), "evidence");
    row = json_array_get(json_object_get(evidence, "overruns"), 0);
    ck_assert_msg(row != NULL, "%s", out);
    ck_assert_int_eq(number(row, "count"), 1);
    ck_assert_int_ge(number(row, "most_us"), 200000);
    ck_assert_int_ge(number(row, "ended_ago_us"), 0);
    ck_assert_ptr_nonnull(strstr(text(row, "creator"), "pool.c:"));
    ck_assert_int_eq(number(evidence, "overruns_total"), 1);
    json_decref(report);
    scn_after(fds);
}
END_TEST

START_TEST(what_workers_counted_that_are_gone_outlives_the_master_and_stint)
{
    (void)begin(POLICY(""));
    json_t *d;

    await_answer(ask("300 50 gateway stubborn\n"), "done");
    await_answer(ask("300 50 gateway stubborn\n"), "done");
    await_counted(2);
    ck_assert_int_eq(scn_cli(NULL, "reload", "pool", "--force", "--wait=gone", NULL), 0);
    (void)scn_kill_master();
    d = deadlines_now();
    ck_assert_int_eq(number(d, "overruns_total"), 2);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "calls"), 2);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "overruns"), 2);
    ck_assert_int_ge(number(json_array_get(json_object_get(d, "overruns"), 0), "most_ms"), 200);
    json_decref(d);
    ck_assert_int_eq(scn_stop(), 0);
    scn_start();
    (void)scn_await("event=generation_serving", 10000);
    await_answer(ask("300 50 gateway stubborn\n"), "done");
    await_counted(3);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

#ifdef STINT_EDGES
/* A worker dies, and over it the master: before it took the counts, or right after. */
static void
master_dies(const char *edge)
{
    json_t *d;

    scn_file("once.0", "%s", "");
    ck_assert_int_eq(setenv("STINT_EDGE", edge, 1), 0);
    ck_assert_int_eq(setenv("STINT_EDGE_ONCE", scn_path("once"), 1), 0);
    (void)begin(POLICY(""));
    await_answer(ask("300 50 gateway stubborn\n"), "done");
    await_answer(ask("300 50 gateway stubborn\n"), "done");
    await_counted(2);
    ck_assert_int_eq(scn_cli(NULL, "reload", "pool", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_ne(access(scn_path("once.0"), F_OK), 0); /* it was struck */
    d = deadlines_now();
    ck_assert_int_eq(number(d, "overruns_total"), 2);
    ck_assert_int_eq(number(edge_of(d, "gateway"), "calls"), 2);
    json_decref(d);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}

START_TEST(a_master_that_dies_over_a_dead_worker_does_not_lose_what_it_counted)
{
    master_dies("dead-not-collected:kill");
}
END_TEST

START_TEST(a_master_that_dies_over_a_dead_worker_does_not_count_it_twice)
{
    master_dies("stepped:worker:DRAINING-EXIT->EXITED:kill"); /* its end is in no book yet */
}
END_TEST
#endif

scn_main("deadlines",
#ifdef STINT_EDGES
         a_master_that_dies_over_a_dead_worker_does_not_lose_what_it_counted,
         a_master_that_dies_over_a_dead_worker_does_not_count_it_twice,
#endif
         who_looks_from_outside_sees_what_has_ended_past_its_deadline,
         what_workers_counted_that_are_gone_outlives_the_master_and_stint,
         a_handler_that_sleeps_through_its_deadline_is_named_while_it_does_and_afterwards,
         who_obeys_is_not_named_and_what_is_over_is_refused,
         what_arrives_is_compared_with_what_is_declared,
         what_a_worker_counted_is_there_when_it_has_gone_and_lines_are_few,
         a_new_master_goes_on_with_what_the_worker_counted)
