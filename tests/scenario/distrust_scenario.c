/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

/* A state that is not to be trusted, many workers, and too few descriptors to keep them all. */

#define YOUNG \
    5 /* masters that die one after the other, and the next one does not trust the state */

static void
web(unsigned workers)
{
    scn_config("  web:\n    command: [./actor, ready]\n    directory: %s\n    workers: %u\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n",
               scn_dir(), workers, scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 20000);
}

#define CLIENTS 50

/* Its socket takes connections all the time, and all of them are answered; the old workers leave. */
static void
begins_anew(pid_t old)
{
    struct scn_answer a = {.pid = old};
    int clients[2 * CLIENTS];
    char byte;

    for (int i = 0; i < CLIENTS; i++)
        clients[i] = scn_connect("web.sock");
    (void)scn_await_any("event=state_not_trusted ~2+old+workers+were+sent+SIGTERM", 10000);
    for (int i = CLIENTS; i < 2 * CLIENTS; i++)
        clients[i] = scn_connect("web.sock");
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    for (int i = 0; i < 2 * CLIENTS; i++) {
        ck_assert_int_eq(read(clients[i], &byte, 1), 1);
        (void)close(clients[i]);
    }
    ck_assert(scn_await_gone(old, 5000));
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_ne(a.pid, old);
    ck_assert_int_gt(a.generation, 1); /* numbers are never given twice */
    ck_assert_int_eq(scn_cli(NULL, "status", NULL), 0);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}

#ifdef STINT_EDGES
START_TEST(a_state_of_another_version_is_said_and_not_used)
{
    struct scn_answer a;

    ck_assert_int_eq(setenv("STINT_EDGE", "state-version:wrong", 1), 0);
    ck_assert_int_eq(setenv("STINT_EDGE_ONCE", scn_path("once"), 1), 0);
    web(2);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    scn_file("once.0", "%s", "");
    ck_assert_int_eq(kill(scn_master(), SIGKILL), 0);
    (void)scn_await("event=state_not_read ~of+another+version", 10000);
    begins_anew(a.pid);
}
END_TEST
#endif

START_TEST(a_master_that_dies_again_and_again_is_followed_by_one_that_begins_anew)
{
    struct scn_answer a;
    pid_t master;

    web(2);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    master = scn_master();
    for (int i = 0; i < YOUNG; i++) {
        char words[64];

        ck_assert_int_eq(kill(master, SIGKILL), 0);
        (void)snprintf(words, sizeof(words), "event=master_started masters=%d", i + 2);
        master = (pid_t)scn_field(scn_await_any(words, 20000), "pid");
        ck_assert_int_gt(master, 0);
    }
    begins_anew(a.pid);
}
END_TEST

START_TEST(a_hundred_workers_are_adopted)
{
    char *out = NULL;

    web(100);
    (void)scn_kill_master();
    ck_assert_int_eq(scn_field(scn_await_any("event=took_over", 1000), "workers"), 100);
    ck_assert_int_eq(scn_cli(&out, "status", "web", "--json", NULL), 0);
    ck_assert_msg(strstr(out, "\"running\"") != NULL, "%s", out);
    free(out);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 100);
    ck_assert_uint_eq(scn_count("event=worker_exit status=0"), 100);
    scn_nobody_left();
}
END_TEST

/* Fewer than the pidfds, pipes and sockets of all of them. */
START_TEST(who_cannot_be_kept_is_named_and_found_again_all_the_same)
{
    const struct rlimit few = {160, 160};

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    web(25);
    (void)scn_await_any("event=not_kept ~raise+the+limit+of+open+files", 5000);
    (void)scn_kill_master();
    ck_assert_int_eq(scn_field(scn_await_any("event=took_over", 1000), "workers"), 25);
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 25);
    scn_nobody_left();
}
END_TEST

scn_main("distrust",
#ifdef STINT_EDGES
         a_state_of_another_version_is_said_and_not_used,
#endif
         a_master_that_dies_again_and_again_is_followed_by_one_that_begins_anew,
         a_hundred_workers_are_adopted, who_cannot_be_kept_is_named_and_found_again_all_the_same)
