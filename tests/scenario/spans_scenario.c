/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Spans that workers tell of when they have ended: seen from outside, below the reload that started them. */
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "collector.h"
#include "harness.h"

#define EXPORT "export: {endpoint: \"http://127.0.0.1:1\"}\n" /* nobody listens there */

static void
pool(const char *more)
{
    scn_config("  pool:\n    command: [%s/program]\n    directory: %s\n    libstint: true\n"
               "    ready: notify\n    listen: {requests: {address: 'unix:%s/serve.sock'}}\n%s",
               scn_dir(), scn_dir(), scn_dir(), more);
}

static void
start_pool(const char *more)
{
    scn_copy("program", getenv("POOL_BINARY"), "");
    pool(more);
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
}

/* A request of the pool: "WORK_MS DEADLINE_MS", and how its answer begins. */
static void
ask(const char *request, const char *answer)
{
    int fd = scn_connect("serve.sock");
    struct pollfd news = {.fd = fd, .events = POLLIN};
    char line[128] = "";

    ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    ck_assert_int_eq(poll(&news, 1, 5000 * SCN_PATIENCE), 1);
    ck_assert_int_gt(read(fd, line, sizeof(line) - 1), 0);
    ck_assert_msg(strncmp(line, answer, strlen(answer)) == 0, "%s", line);
    close(fd);
}

static json_t *
all_spans(void)
{
    json_t *all = json_array();
    auto_free char *out = NULL;

    ck_assert_int_eq(scn_cli(&out, "events", "--spans", "--json", NULL), 0);
    for (const char *at = out; *at; at = strchr(at, '\n') + 1)
        (void)json_array_append_new(all, json_loads(at, JSON_DISABLE_EOF_CHECK, NULL));
    return all;
}

static const char *
text_of(const json_t *span, const char *key)
{
    const char *text = json_string_value(json_object_get(span, key));

    return text ? text : "";
}

/* The newest span of a worker with that name and status; borrowed from @all. */
static json_t *
find(const json_t *all, const char *of, const char *name, const char *status)
{
    for (size_t i = json_array_size(all); i > 0; i--) {
        json_t *span = json_array_get(all, i - 1);

        if (strcmp(text_of(span, "of"), of) == 0 && strcmp(text_of(span, "name"), name) == 0 &&
            strcmp(text_of(span, "status"), status) == 0)
            return span;
    }
    return NULL;
}

/* Until there is one; a reference to all that there are then. */
static json_t *
await_span(const char *of, const char *name, const char *status, json_t **ret_all)
{
    const int64_t until_us = mono_now_us() + (int64_t)10000000 * SCN_PATIENCE;
    json_t *all = NULL, *span = NULL;

    while (!span && mono_now_us() < until_us) {
        json_decref(all);
        all = all_spans();
        span = find(all, of, name, status);
    }
    ck_assert_msg(span != NULL, "no %s '%s' (%s)", of, name, status);
    *ret_all = all;
    return span;
}

static bool
knows(const json_t *all, const char *id)
{
    for (size_t i = 0; i < json_array_size(all); i++)
        if (strcmp(text_of(json_array_get(all, i), "span"), id) == 0)
            return true;
    return false;
}

START_TEST(what_a_worker_did_is_a_tree_below_the_reload_that_started_it)
{
    json_t *all, *done, *late, *work, *spawn = NULL, *process;

    start_pool(EXPORT);
    ask("1 5000 shop\n", "done 1 ");
    ask("5000 20 shop\n", "late 1 ");
    ck_assert_int_eq(scn_cli(NULL, "reload", "pool", "--force", "--wait=gone", NULL), 0);
    process = await_span("process", "pool", "ok", &all); /* told at its end */
    done = find(all, "task", "request", "ok");
    late = find(all, "task", "request", "error");
    ck_assert(done && late);
    work = find(all, "program", "work", "error"); /* a span of the program's own */
    ck_assert_ptr_nonnull(work);
    ck_assert_str_eq(text_of(work, "parent"), text_of(late, "span"));
    ck_assert_str_eq(text_of(work, "msg"), "not done: Connection timed out");
    ck_assert_str_eq(text_of(json_object_get(work, "attributes"), "work_ms"), "5000");
    ck_assert_str_eq(text_of(late, "cause"), "deadline");
    ck_assert_str_eq(text_of(late, "service"), "pool");
    ck_assert_int_eq(json_integer_value(json_object_get(late, "gen")), 1);
    ck_assert_int_eq(strncmp(text_of(done, "thread"), "pool-", 5), 0);
    ck_assert_str_eq(text_of(done, "creator"), "main");
    ck_assert_str_eq(text_of(done, "kind"), "internal");
    ck_assert(json_object_get(late, "deadline_unix_ns") != NULL);
    ck_assert_int_ge(json_integer_value(json_object_get(late, "duration_us")), 20000);
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *span = json_array_get(all, i);

        if (strcmp(text_of(span, "name"), "spawn") == 0 &&
            json_integer_value(json_object_get(span, "gen")) == 1)
            spawn = span;
        if (*text_of(span, "of") == '\0' || json_integer_value(json_object_get(span, "gen")) != 1)
            continue;
        ck_assert_str_eq(text_of(span, "trace"), text_of(process, "trace"));
        ck_assert_msg(knows(all, text_of(span, "parent")), "'%s' hangs below nothing",
                      text_of(span, "name"));
    }
    ck_assert_ptr_nonnull(spawn);
    ck_assert_str_eq(text_of(process, "parent"), text_of(spawn, "span"));
    ck_assert_str_eq(text_of(process, "trace"), text_of(spawn, "trace"));
    json_decref(all);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_worker_that_is_killed_has_told_of_what_it_had_finished)
{
    const char *line;
    json_t *all;
    pid_t pid;

    start_pool(EXPORT);
    line = scn_await_any("event=worker_ready gen=1", 5000);
    pid = (pid_t)scn_field(line, "pid");
    ask("1 5000 shop\n", "done 1 ");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    (void)scn_await_any("event=worker_exit gen=1 signal=SIGKILL", 5000);
    all = all_spans(); /* its obituary is told after the last look */
    ck_assert_ptr_nonnull(find(all, "task", "request", "ok"));
    ck_assert_ptr_null(find(all, "process", "pool", "ok"));
    json_decref(all);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(the_next_master_sends_what_nobody_was_sent)
{
    char export[160];
    json_t *all;

    collector_open(0, COLLECTOR_BUSY);
    (void)snprintf(export, sizeof(export),
                   "export: {endpoint: 'http://127.0.0.1:%d', every: 100ms}\n", collector_port());
    start_pool(export);
    ask("1 5000 before\n", "done 1 ");
    (void)await_span("task", "request", "ok", &all);
    json_decref(all);
    (void)scn_kill_master();
    collector_be(COLLECTOR_TAKES);
    collector_await(
        "/v1/traces \n\"name\":\"request\"\n{\"key\":\"stint.of\",\"value\":{\"stringValue\":"
        "\"task\"}}\n\"name\":\"libstint\"",
        20000);
    ask("5000 20 after\n", "late 1 ");
    (void)await_span("task", "request", "error", &all); /* and it goes on */
    json_decref(all);
    collector_await("/v1/traces \n\"status\":{\"code\":2", 10000);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(spans_are_switched_on_and_off_in_a_worker_that_goes_on)
{
    json_t *all;

    start_pool(EXPORT);
    pool("export: {endpoint: \"http://127.0.0.1:1\", spans: false}\n");
    (void)scn_await("event=config_accepted ~it+is+in+force", 10000);
    ask("5000 20 quiet\n", "late 1 ");
    pool(EXPORT);
    (void)scn_await("event=config_accepted ~it+is+in+force", 10000);
    ask("1 5000 loud\n", "done 1 ");
    (void)await_span("task", "request", "ok", &all);
    ck_assert_ptr_null(find(all, "task", "request", "error"));
    json_decref(all);
    ck_assert_uint_eq(scn_count("event=verdict service=pool outcome=serving"), 1);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(without_an_export_no_worker_tells_of_any)
{
    json_t *all;

    start_pool("");
    ask("1 5000 shop\n", "done 1 ");
    ck_assert_int_eq(scn_cli(NULL, "reload", "pool", "--force", "--wait=gone", NULL), 0);
    all = all_spans();
    ck_assert_uint_gt(json_array_size(all), 0); /* the reload's */
    for (size_t i = 0; i < json_array_size(all); i++)
        ck_assert_str_eq(text_of(json_array_get(all, i), "of"), "");
    json_decref(all);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(what_had_no_room_is_counted_and_told_and_the_last_are_there)
{
    auto_free char *out = NULL;
    json_t *all, *status, *counters;

    scn_copy("tracer", getenv("TRACER_BINARY"), "");
    scn_config(
        "  web:\n    command: [./tracer, flood]\n    directory: %s\n    libstint: true\n" EXPORT,
        scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    (void)await_span("program", "the last", "ok", &all);
    json_decref(all);
    (void)scn_await_any("event=spans_lost ~web/0: ~were+overwritten", 5000);
    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    status = json_loads(out, 0, NULL);
    counters = json_object_get(status, "counters");
    ck_assert_msg(json_integer_value(json_object_get(counters, "spans_dropped")) > 0, "%s", out);
    ck_assert_int_lt(json_integer_value(json_object_get(counters, "spans_dropped")), 20001);
    json_decref(status);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_worker_that_lies_about_its_spans_holds_nobody_up)
{
    json_t *all = NULL;

    scn_copy("actor", getenv("ACTOR_BINARY"), "");
    scn_copy("program", getenv("POOL_BINARY"), "");
    scn_config(
        "  liar:\n    command: [./actor, registry=spans]\n    directory: %s\n"
        "    libstint: true\n    ready: {assume_after: 100ms}\n"
        "  pool:\n    command: [./program]\n    directory: %s\n    libstint: true\n"
        "    ready: notify\n    listen: {requests: {address: 'unix:%s/serve.sock'}}\n" EXPORT,
        scn_dir(), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=generation_serving service=liar", 10000);
    (void)scn_await_any("event=generation_serving service=pool", 10000);
    (void)scn_await_any("event=spans_lost ~liar/0: ~made+no+sense", 10000);
    ask("1 5000 shop\n", "done 1 ");
    do { /* what it told meanwhile may have pushed that out, and it comes to an end */
        ask("1 5000 shop\n", "done 1 ");
        json_decref(all);
        all = all_spans();
    } while (!find(all, "task", "request", "ok"));
    json_decref(all);
    scn_did_not_block();
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST
scn_main("spans", what_a_worker_did_is_a_tree_below_the_reload_that_started_it,
         a_worker_that_is_killed_has_told_of_what_it_had_finished,
         the_next_master_sends_what_nobody_was_sent,
         spans_are_switched_on_and_off_in_a_worker_that_goes_on,
         without_an_export_no_worker_tells_of_any,
         a_worker_that_lies_about_its_spans_holds_nobody_up,
         what_had_no_room_is_counted_and_told_and_the_last_are_there)
