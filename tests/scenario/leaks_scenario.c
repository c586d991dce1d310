/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Threads that leak: in a worker that goes on, over generations, and what is remembered of them. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

static void
deaf(int n)
{
    scn_file("web.conf", "%d\n", n);
}

/* The service with @more of its own keys serves. Return: descriptors of the master then. */
static unsigned
leaker(int n, const char *more)
{
    scn_copy("leaker", getenv("LEAKER_BINARY"), "");
    deaf(n);
    scn_config("  web:\n    command: [./leaker, web.conf]\n    directory: %s\n    libstint: true\n"
               "    watch: {settle: 50ms}\n    drain_timeout: 300ms\n    leak_grace: 100ms\n%s",
               scn_dir(), more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

static json_t *
history(const char *option)
{
    auto_free char *out = NULL;
    json_t *answer;

    ck_assert_int_eq(scn_cli(&out, "leaks", "web", "--json", option, NULL), 0);
    answer = json_loads(out, 0, NULL);
    ck_assert_msg(answer != NULL, "%s", out);
    return answer;
}

static json_t *
service_in(json_t *answer)
{
    return json_array_get(json_object_get(answer, "services"), 0);
}

/* The kind of thread called @name; NULL: none is in the book. */
static json_t *
kind(json_t *answer, const char *name)
{
    size_t i;
    json_t *g;

    json_array_foreach(json_object_get(service_in(answer), "groups"), i,
                       g) if (strcmp(json_string_value(json_object_get(g, "name")), name) ==
                              0) return g;
    return NULL;
}

static pid_t
worker(void)
{
    return (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");
}

START_TEST(threads_of_an_old_configuration_are_named_and_their_end_is_told)
{
    auto_free char *out = NULL, *status = NULL;
    unsigned fds = leaker(2, "    leak_look: 0\n");
    pid_t pid = worker();
    json_t *book;

    ck_assert_int_eq(kill(pid, SIGHUP), 0);
    (void)scn_await("event=thread_leak service=web gen=1 stragglers=2 ~flush", 10000);
    ck_assert_int_eq(scn_cli(&status, "status", "web", "--json", NULL), 0);
    ck_assert_msg(strstr(status, "\"leaked\": 2") || strstr(status, "\"leaked\":2"), "%s", status);
    ck_assert_msg(strstr(status, "\"known\"") && strstr(status, "\"now\""), "%s", status);
    ck_assert_int_eq(scn_cli(&out, "threads", "web/1.0", "--fail-on-leak", NULL), 3);
    ck_assert_msg(strstr(out, "2 LEAKED") && strstr(out, "leaked:blocked"), "%s", out);
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
    (void)scn_await("event=leak_recovered service=web gen=1 ~flush", 20000);
    ck_assert_uint_eq(scn_count("event=thread_leak service=web"), 1);
    book = history(NULL);
    ck_assert_str_eq(json_string_value(json_object_get(kind(book, "flush"), "state")), "recovered");
    json_decref(book);
    ck_assert_int_eq(kill(pid, 0), 0); /* it served all along */
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(what_is_more_with_each_generation_is_flagged_and_compared)
{
    unsigned fds = leaker(1, "    leak_look: 300ms\n");
    json_t *book;

    do /* until the first was looked at */
        book = history(NULL);
    while (!kind(book, "flush") && (json_decref(book), true));
    json_decref(book);
    for (int g = 2; g <= 5; g++) {
        char words[96];

        deaf(2 * g);
        ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
        (void)snprintf(words, sizeof(words), "event=threads service=web gen=%d ~`flush`", g);
        (void)scn_await(words, 10000);
    }
    ck_assert_uint_ge(scn_count("event=leak_trend service=web ~`flush`"), 1);
    book = history(NULL);
    ck_assert(json_is_true(json_object_get(kind(book, "flush"), "rising")));
    json_decref(book);
    {
        auto_free char *out = NULL;

        ck_assert_int_eq(scn_cli(&out, "status", "web", "--json", NULL), 0);
        ck_assert_msg(strstr(out, "\"change\": \"more\"") != NULL, "%s", out);
    }
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(a_budget_that_is_broken_is_told_and_shown_until_it_is_kept)
{
    auto_free char *out = NULL;
    unsigned fds = leaker(3, "    leak_budget: [{thread: \"flu*\", max: 2}, {thread: w*, max: 9}]\n"
                             "    leak_every: 1s\n");

    (void)scn_await("event=leak_budget service=web gen=1 over=1 ~1+more+threads+'flu*'", 10000);
    ck_assert_int_eq(scn_cli(&out, "status", "web", "--json", NULL), 0);
    ck_assert_msg(strstr(out, "\"over_budget\": 1") != NULL, "%s", out);
    ck_assert_int_eq(kill(worker(), SIGUSR1), 0);
    (void)scn_await("event=leak_budget service=web gen=1 over=0", 10000);
    ck_assert_uint_eq(scn_count("event=leak_budget service=web"), 2);
    scn_after(fds);
}
END_TEST

START_TEST(a_killed_master_leaves_the_history_and_the_next_one_goes_on_with_the_leak)
{
    unsigned fds = leaker(1, "    leak_look: 0\n");
    pid_t pid = worker();
    json_t *book, *certificates;

    ck_assert_int_eq(kill(pid, SIGHUP), 0);
    (void)scn_await("event=thread_leak service=web gen=1 stragglers=1", 10000);
    scn_kill_master();
    book = history(NULL);
    ck_assert_str_eq(json_string_value(json_object_get(kind(book, "flush"), "state")), "leaked");
    json_decref(book);
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
    (void)scn_await("event=leak_recovered service=web gen=1", 20000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    book = history("--certificates");
    certificates = json_object_get(service_in(book), "certificates");
    ck_assert_uint_eq(json_array_size(certificates), 1);
    ck_assert(json_is_true(json_object_get(json_array_get(certificates, 0), "pids_gone")));
    ck_assert(json_is_true(json_object_get(json_array_get(certificates, 0), "fds_returned")));
    json_decref(book);
    scn_after(fds);
}
END_TEST

/* The process stays, and its number is another one: what an old configuration left is found. */
START_TEST(a_reload_by_signal_that_leaves_threads_behind_is_seen_in_the_same_process)
{
    unsigned fds = leaker(1, "    handoff: signal\n    reload_assume_after: 100ms\n"
                             "    leak_look: 500ms\n");
    pid_t pid = worker();
    json_t *book, *first;

    do /* until the first was looked at */
        book = history(NULL);
    while (!kind(book, "flush") && (json_decref(book), true));
    json_decref(book);
    deaf(3);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=workers_handed_over service=web gen=2", 5000);
    (void)scn_await_any("event=thread_leak service=web gen=2 stragglers=1 ~flush", 10000);
    (void)scn_await_any("event=threads service=web gen=2 ~generation+1", 10000);
    ck_assert_int_eq(kill(pid, 0), 0);
    book = history("--certificates");
    first = json_array_get(json_object_get(service_in(book), "certificates"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "grade")), "assumed");
    ck_assert_str_eq(json_string_value(json_object_get(first, "text")),
                     "its processes were handed over to generation 2");
    json_decref(book);
    scn_after(fds);
}
END_TEST

/* The service comes and goes, and stint, too: the file has it all. */
START_TEST(who_leaked_in_an_earlier_life_of_stint_is_still_known)
{
    json_t *book;

    (void)leaker(1, "    leak_look: 0\n");
    ck_assert_int_eq(kill(worker(), SIGHUP), 0);
    (void)scn_await("event=thread_leak service=web gen=1 stragglers=1", 10000);
    ck_assert_int_eq(scn_stop(), 0);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    book = history("--certificates");
    ck_assert_ptr_nonnull(kind(book, "flush"));
    ck_assert_uint_eq(json_array_size(json_object_get(service_in(book), "certificates")), 1);
    json_decref(book);
}
END_TEST

/* A look is mostly a pause: a hundred that do not leave are looked at side by side. */
START_TEST(a_hundred_deaf_services_are_all_looked_at_before_a_stop_kills_them)
{
    unsigned n = scn_sanitized() ? 40 : 100;
    auto_free char *services = NULL;
    size_t bytes;
    FILE *f = open_memstream(&services, &bytes);

    for (unsigned i = 0; i < n; i++)
        (void)fprintf(f,
                      "  deaf%u:\n    command: [./actor, deaf, ready]\n    directory: %s\n"
                      "    drain_timeout: 200ms\n    leak_grace: 100ms\n",
                      i, scn_dir());
    (void)fclose(f);
    scn_file(
        "stint.yaml",
        "version: 1\nruntime_dir: %s/run\nstate_dir: %s/state\nstop_budget: 15s\nservices:\n%s",
        scn_dir(), scn_dir(), services);
    scn_start();
    for (unsigned i = 0; i < n; i++) {
        char words[64];

        (void)snprintf(words, sizeof(words), "event=verdict service=deaf%u outcome=serving", i);
        (void)scn_await_any(words, 20000);
    }
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_uint_eq(scn_count("event=worker_leak"), n);
    ck_assert_uint_eq(scn_count("event=worker_leak ~evidence"), 0); /* "no evidence …" */
    ck_assert_uint_eq(scn_count("event=worker_kill ~evidence"), 0);
}
END_TEST

scn_main("leaks", threads_of_an_old_configuration_are_named_and_their_end_is_told,
         what_is_more_with_each_generation_is_flagged_and_compared,
         a_budget_that_is_broken_is_told_and_shown_until_it_is_kept,
         a_killed_master_leaves_the_history_and_the_next_one_goes_on_with_the_leak,
         a_reload_by_signal_that_leaves_threads_behind_is_seen_in_the_same_process,
         who_leaked_in_an_earlier_life_of_stint_is_still_known,
         a_hundred_deaf_services_are_all_looked_at_before_a_stop_kills_them)
