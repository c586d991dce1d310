/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Workers that link libstint, as they should and as they should not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

static void
conf(const char *leak)
{
    scn_file("web.conf", "greeting = hello\nthreads = 2\nleak = %s\ndrain_quiet_ms = 50\n", leak);
}

static unsigned
web(const char *leak)
{
    scn_copy("web", getenv("WEB_BINARY"), "");
    conf(leak);
    scn_config("  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n"
               "    listen: {http: \"tcp://127.0.0.1:%d\"}\n    libstint: true\n"
               "    watch: {paths: [web.conf], settle: 50ms}\n    check: [./web, --check, "
               "web.conf]\n    drain_timeout: 1s\n    leak_grace: 300ms\n",
               scn_dir(), scn_port());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

START_TEST(a_leaked_thread_is_named_with_its_creator_and_what_it_waits_for)
{
    unsigned fds = web("yes");

    conf("no");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    (void)scn_await_any("event=worker_leak service=web gen=1 ~`flush-2` ~cache.c: "
                        "~cache_start_flusher ~read ~listener+http+still+held+by+pid",
                        5000);
    (void)scn_await_any("event=worker_exit service=web gen=1 signal=SIGKILL", 5000);
    (void)scn_await_any("event=certificate service=web gen=1 leaks=1", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_uint_eq(scn_count("event=certificate service=web gen=2 leaks=0"), 1);
    scn_after(fds);
}
END_TEST

START_TEST(the_registered_threads_are_listed_with_their_names)
{
    auto_free char *out = NULL;
    unsigned fds = web("no");

    do { /* it says ready before its last thread has run */
        free(out);
        ck_assert_int_eq(scn_cli(&out, "threads", "web", "--all", "--json", NULL), 0);
    } while (strstr(out, "\"registered\": false"));
    ck_assert_msg(strstr(out, "\"flush-1\"") && strstr(out, "\"serve-0\"") &&
                      strstr(out, "\"serve-1\"") && strstr(out, "\"cache_start_flusher\""),
                  "%s", out);
    ck_assert_msg(strstr(out, "\"grade\": \"registry\"") != NULL, "%s", out);
    scn_after(fds);
}
END_TEST

START_TEST(a_worker_hears_why_it_has_to_leave)
{
    unsigned fds;

    scn_copy("hello", getenv("HELLO_BINARY"), "");
    scn_config("  web:\n    command: [./hello]\n    directory: %s\n    libstint: true\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    fds = scn_baseline();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=output service=web gen=1 ~bye:+relieved+by+generation+2", 5000);
    scn_await_fds(fds);
    ck_assert_int_eq(scn_cli(NULL, "stop", "web", NULL), 0);
    (void)scn_await_any("event=output service=web gen=2 ~bye:+the+service+stops", 5000);
    ck_assert_int_eq(scn_cli(NULL, "start", "web", NULL), 0);
    scn_after(fds);
}
END_TEST

/* The helper links libstint too and comes first: it gets none of the worker's voice. */
START_TEST(a_helper_of_the_worker_does_not_speak_for_it)
{
    unsigned fds;

    scn_copy("hello", getenv("HELLO_BINARY"), "");
    scn_config(
        "  web:\n    command: [/bin/sh, -c, \"./hello | head -n 1 | sed s/.*/helper/ && exec "
        "./hello\"]\n    directory: %s\n    libstint: true\n",
        scn_dir());
    scn_start();
    (void)scn_await_any("event=output service=web gen=1 ~hello+from+generation", 10000);
    ck_assert_uint_eq(scn_count("event=output service=web gen=1 ~helper"), 1);
    fds = scn_baseline();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=output service=web gen=1 ~bye:+relieved+by+generation+2", 5000);
    (void)scn_await_any("event=output service=web gen=2 ~hello+from+generation", 10000);
    ck_assert_uint_eq(scn_count("event=channel_closed service=web"), 0);
    scn_after(fds);
}
END_TEST

#define ACTOR                                                                     \
    "  web:\n    command: [./actor, \"%s=%s\", deaf, ready]\n    directory: %s\n" \
    "    listen: {main: \"unix:%s/web.sock\"}\n    libstint: true\n"              \
    "    drain_timeout: 200ms\n    leak_grace: 200ms\n"

/* It becomes generation @gen, is asked for its threads, relieved by itself, accused and killed. */
static void
hostile(const char *with, const char *how, int gen)
{
    auto_free char *out = NULL;
    char words[128];

    scn_config(ACTOR, with, how, scn_dir(), scn_dir());
    if (scn_keeper() == 0)
        scn_start();
    (void)snprintf(words, sizeof(words), "event=verdict service=web outcome=serving gen=%d", gen);
    (void)scn_await_any(words, 10000);
    ck_assert_int_eq(scn_cli(&out, "threads", "web", "--all", "--json", NULL), 0);
    ck_assert_msg(strstr(out, "\"registered\": false") != NULL, "%s: %s", how, out);
    ck_assert_msg(strstr(out, "\"name\": \"actor\"") != NULL, "%s: %s", how, out);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)snprintf(words, sizeof(words), "event=worker_leak service=web gen=%d", gen);
    (void)scn_await_any(words, 5000);
    (void)snprintf(words, sizeof(words), "event=certificate service=web gen=%d leaks=1", gen);
    (void)scn_await_any(words, 5000);
    scn_did_not_block(); /* whatever it says of itself, somebody else reads it */
}

START_TEST(a_registry_full_of_lies_is_read_without_harm)
{
    static const char *const ways[] = {"bad-magic", "huge-slots", "odd", "noise"};
    int gen = 1;
    unsigned fds;

    for (size_t i = 0; i < ARRAY_LEN(ways); i++, gen += 2)
        hostile("registry", ways[i], gen);
    fds = scn_baseline();
    scn_after(fds);
}
END_TEST

START_TEST(a_channel_full_of_nonsense_is_closed_and_the_worker_goes_on)
{
    static const char *const ways[] = {"noise", "length", "sequence", "fds", "deluge", "silent"};
    int gen = 1;
    unsigned fds;

    for (size_t i = 0; i < ARRAY_LEN(ways); i++, gen += 2)
        hostile("channel", ways[i], gen);
    /* the four that broke the rules, each in two generations */
    ck_assert_uint_eq(scn_count("event=channel_closed service=web"), 8);
    fds = scn_baseline();
    scn_after(fds);
}
END_TEST

scn_main("libstint", a_leaked_thread_is_named_with_its_creator_and_what_it_waits_for,
         the_registered_threads_are_listed_with_their_names, a_worker_hears_why_it_has_to_leave,
         a_helper_of_the_worker_does_not_speak_for_it, a_registry_full_of_lies_is_read_without_harm,
         a_channel_full_of_nonsense_is_closed_and_the_worker_goes_on)
