/* SPDX-License-Identifier: GPL-2.0-or-later */

/* restart_after: workers are relieved one by one, and nobody who asks them notices. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"
#include "tests/kill/cell.h" /* its load */

#define ACTOR(arguments, limits)                                                         \
    "  web:\n    workers: 2\n    directory: %s\n    command: [./actor, " arguments "]\n" \
    "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 2s\n"                  \
    "    restart_after: {" limits "}\n"

static unsigned
begin(void)
{
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

#define begun(services) (scn_config(services, scn_dir(), scn_dir()), begin())

/* Of each relief that was told: that one starts in the slot, is ready, and only then another leaves. */
static void
await_relief(int slot)
{
    char words[64];

    (void)snprintf(words, sizeof(words), "event=relief service=web gen=1 slot=%d", slot);
    (void)scn_await(words, 20000);
    (void)snprintf(words, sizeof(words), "event=worker_spawn slot=%d", slot);
    (void)scn_await(words, 20000);
    (void)snprintf(words, sizeof(words), "event=worker_ready slot=%d", slot);
    (void)scn_await(words, 20000);
    (void)snprintf(words, sizeof(words), "event=worker_exit slot=%d status=0", slot);
    (void)scn_await(words, 20000);
}

static json_t *
status(void)
{
    auto_free char *out = NULL;
    json_t *whole;

    ck_assert_int_eq(scn_cli(&out, "status", "web", "--json", NULL), 0);
    whole = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(whole);
    return whole;
}

/* The first worker of the first generation that serves, and does not leave. */
static json_t *
worker_of(const json_t *whole)
{
    json_t *service = json_array_get(json_object_get(whole, "services"), 0);
    json_t *generation = json_array_get(json_object_get(service, "generations"), 0), *w;
    size_t i;

    json_array_foreach(json_object_get(generation, "workers"), i,
                       w) if (json_object_get(w, "restart_after")) return w;
    return NULL;
}

START_TEST(under_load_no_request_is_lost_while_each_worker_is_relieved_again_and_again)
{
    struct load_result r;
    json_t *whole, *limits;
    unsigned fds;

    scn_copy("web", getenv("WEB_BINARY"), "");
    scn_file("web.conf", "greeting = hello\nthreads = 2\ndrain_quiet_ms = 50\n");
    fds = begun("  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n"
                "    workers: 2\n    libstint: true\n    listen: {http: \"unix:%s/web.sock\"}\n"
                "    drain_timeout: 5s\n"
                "    restart_after: {requests: 100, jitter: 20%%, every: 100ms}\n");
    load_begin(scn_path("web.sock"), true);
    await_relief(0);
    for (int i = 0; i < 12; i++)
        (void)scn_await("event=relief service=web gen=1 level=info", 20000);
    ck_assert_uint_ge(scn_count("event=relief slot=0"), 3);
    ck_assert_uint_ge(scn_count("event=relief slot=1"), 3);
    whole = status();
    limits = json_object_get(worker_of(whole), "restart_after");
    ck_assert_int_ge(json_integer_value(json_object_get(limits, "requests_limit")), 80);
    ck_assert_int_le(json_integer_value(json_object_get(limits, "requests_limit")), 100);
    ck_assert_ptr_nonnull(json_object_get(limits, "requests"));
    json_decref(whole);
    r = load_end();
    ck_assert_msg(r.failed == 0, "%lu of %lu requests failed: %s", r.failed, r.asked, r.why);
    ck_assert_uint_ge(r.asked, 500);
    ck_assert_uint_eq(scn_count("event=generation_starting"), 1);
    /* in this order: the log grows in between, and who exits then has to be a good one, too */
    ck_assert_uint_le(scn_count("event=worker_exit"),
                      scn_count("event=worker_exit status=0 level=info"));
    ck_assert_uint_ge(scn_count("event=relief level=info"), 12);
    (void)fprintf(stderr, "%lu requests, %u reliefs, none failed\n", r.asked,
                  scn_count("event=relief level=info"));
    scn_config("  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n"
               "    workers: 2\n    libstint: true\n    listen: {http: \"unix:%s/web.sock\"}\n"
               "    drain_timeout: 5s\n",
               scn_dir(), scn_dir());
    (void)scn_await_any("event=service service=web ~changed+in+place", 10000);
    scn_after(fds);
}
END_TEST

START_TEST(a_worker_that_is_too_old_is_relieved_also_by_the_next_master)
{
    unsigned fds = begun(ACTOR("ready", "age: 1s, jitter: 0"));

    await_relief(0);
    (void)scn_await("event=relief service=web", 20000);
    (void)scn_kill_master();
    (void)scn_await("event=worker_exit status=0", 20000);
    await_relief(0);
    ck_assert_uint_eq(scn_count("event=generation_starting"), 1);
    ck_assert_uint_eq(scn_count("event=backoff"), 0);
    scn_config(ACTOR("ready", "age: 0"), scn_dir(), scn_dir());
    (void)scn_await_any("event=service service=web ~restart_after.age", 10000);
    scn_after(fds);
}
END_TEST

START_TEST(a_worker_that_has_grown_too_big_is_relieved)
{
    unsigned fds = begun(ACTOR("eat=64, ready", "rss: 48MiB, every: 100ms"));
    json_t *whole = status(), *limits = json_object_get(worker_of(whole), "restart_after");

    ck_assert_int_ge(json_integer_value(json_object_get(limits, "rss_bytes")), 64 << 20);
    ck_assert_int_le(json_integer_value(json_object_get(limits, "rss_limit_bytes")), 48 << 20);
    json_decref(whole);
    (void)scn_await_any("event=relief service=web slot=0 ~MiB+of+memory,+its+limit+is", 20000);
    (void)scn_await_any("event=relief service=web slot=1 ~MiB+of+memory,+its+limit+is", 20000);
    scn_config(ACTOR("eat=64, ready", "rss: 1GiB"), scn_dir(), scn_dir());
    (void)scn_await_any("event=service service=web ~restart_after.rss", 10000);
    scn_after(fds);
}
END_TEST

START_TEST(when_the_next_one_does_not_start_the_old_one_goes_on)
{
    unsigned fds = begun(ACTOR("fail-if=broken, ready", "age: 1s, jitter: 0"));
    struct scn_answer a;
    json_t *whole;

    scn_file("broken", "yes\n");
    scn_rewind();
    (void)scn_await("event=relief service=web level=warning ~it+goes+on", 20000);
    (void)scn_await("event=relief service=web level=warning ~it+goes+on", 20000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    whole = status();
    ck_assert_str_eq(json_string_value(json_object_get(worker_of(whole), "state")), "ready");
    json_decref(whole);
    ck_assert_int_eq(unlink(scn_path("broken")), 0);
    (void)scn_await("event=relief service=web level=info", 20000);
    (void)scn_await("event=worker_exit service=web status=0", 20000);
    ck_assert_uint_eq(scn_count("event=backoff"), 0);
    scn_config(ACTOR("fail-if=broken, ready", "age: 0"), scn_dir(), scn_dir());
    (void)scn_await_any("event=service service=web ~restart_after.age", 10000);
    scn_after(fds);
}
END_TEST

scn_main("restart_after",
         under_load_no_request_is_lost_while_each_worker_is_relieved_again_and_again,
         a_worker_that_is_too_old_is_relieved_also_by_the_next_master,
         a_worker_that_has_grown_too_big_is_relieved,
         when_the_next_one_does_not_start_the_old_one_goes_on)
