/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * An ordinary user's supervisor where /proc is mounted with hidepid=2, and where a filter forbids to look
 * into processes: what may not be seen is told as that, and never taken for gone. Needs root, to make such
 * worlds.
 */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

#define NOBODY 65534

static void
begin(const struct scn_world *world, const char *command, const char *more)
{
    scn_config("  web:\n    command: %s\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 500ms\n"
               "    leak_grace: 300ms\n%s",
               command, scn_dir(), scn_dir(), more);
    ck_assert(scn_launch(world));
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 20000);
}

static const struct scn_world hidden = {.uid = NOBODY, .hidden_proc = true};
static const struct scn_world blind = {.uid = NOBODY, .no_look = true};

static pid_t
worker(void)
{
    return (pid_t)scn_field(scn_await_any("event=worker_spawn service=web gen=1", 5000), "pid");
}

static void
says(const char *verb, const char *option, const char *what)
{
    auto_free char *out = NULL;

    (void)scn_cli(&out, verb, "web", option, NULL);
    ck_assert_msg(strstr(out, what) != NULL, "stint %s: no '%s' in:\n%s", verb, what, out);
}

static void
reload(void)
{
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
}

/* Others are not there at all; who is one's own is. */
START_TEST(ones_own_workers_are_looked_at_as_ever_and_others_are_not_claimed_to_be_none)
{
    begin(&hidden, "[./actor, ready]", "");
    says("threads", NULL, "evidence: proc");
    says("threads", NULL, "in poll(");
    reload();
    says("leaks", "--certificates", "generation 1 clean");
    says("leaks", "--certificates", "processes gone (seen)");
    says("leaks", "--certificates", "descriptors returned (refused)");
    scn_did_not_block();
}
END_TEST

/* It lives, works and is handed over, though /proc knows nothing of it. */
START_TEST(a_worker_that_is_not_shown_is_no_dead_one)
{
    auto_free char *out = NULL;
    pid_t pid;

    begin(&hidden, "[./actor, undumpable, deaf, ready]", "");
    pid = worker();
    says("threads", NULL, "is not shown: /proc is mounted with hidepid");
    says("threads", NULL, "run stint as root");
    (void)scn_kill_master();
    ck_assert_int_eq(scn_cli(&out, "status", "web", NULL), 0);
    ck_assert_msg(strstr(out, "1, workers 1") != NULL, "%s", out);
    ck_assert(scn_alive(pid));
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    reload();
    (void)scn_await_any("event=worker_leak service=web gen=1 ~hidepid", 10000);
    (void)scn_await_any("event=worker_exit service=web gen=1 signal=SIGKILL", 10000);
    says("leaks", "--certificates", "processes gone (seen)"); /* by its pidfd */
}
END_TEST

/* A daemon without anything of its worker, not even a name: nobody can say whose it is, or that there is none. */
START_TEST(an_orphan_that_is_not_shown_keeps_a_certificate_from_saying_that_all_are_gone)
{
    int fifo;
    const char *line;
    pid_t daemon;

    fifo = scn_fifo("up");
    begin(&hidden,
          "[/bin/sh, -c, \"[ -e once ] || { >once; (exec env -i setsid ./actor orphan mute "
          "undumpable deaf "
          "tell=up never 3>&- </dev/null >/dev/null 2>&1 &); }; exec ./actor ready\"]",
          "");
    scn_fifo_read(fifo, 10000);
    reload();
    line = scn_await_any("event=certificate service=web gen=1 ~may+be+of+it ~hidepid", 10000);
    daemon = (pid_t)strtol(strstr(line, "process ") + strlen("process "), NULL, 10);
    if (daemon <= 0) /* "every process is gone" comes first */
        daemon = (pid_t)strtol(strstr(line, "; process ") + strlen("; process "), NULL, 10);
    ck_assert(scn_alive(daemon));
    says("leaks", "--certificates", "processes gone (refused)");
    ck_assert_int_eq(kill(daemon, SIGKILL), 0);
    ck_assert(scn_await_gone(daemon, 10000));
    scn_did_not_block();
}
END_TEST

/* The kernel tells the session of whom it does not show. */
START_TEST(an_orphan_that_is_not_shown_is_known_by_its_session)
{
    int fifo;
    pid_t daemon;

    fifo = scn_fifo("up");
    begin(&hidden,
          "[/bin/sh, -c, \"[ -e once ] || { >once; (./actor orphan undumpable deaf tell=up never "
          "&); }; "
          "exec ./actor ready\"]",
          "");
    scn_fifo_read(fifo, 10000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    daemon = (pid_t)scn_field(
        scn_await_any("event=escapee service=web gen=1 ~by+its+session", 10000), "pid");
    (void)scn_await_any("event=worker_kill service=web gen=1", 10000);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    ck_assert(scn_await_gone(daemon, 10000));
    says("leaks", "--certificates", "processes gone (seen)");
}
END_TEST

/* ptrace, process_vm_readv, perf_event_open: as in a container. What is in /proc is seen all the same. */
START_TEST(where_memory_may_not_be_read_the_grade_says_so)
{
    begin(&blind, "[./actor, ready]", "    profiling: {cpu: true, threads: true}\n");
    says("threads", NULL, "evidence: proc (its memory may not be read (Operation not permitted)");
    says("threads", NULL, "blocked in poll()"); /* … and no more than that of it */
    says("profile", "--threads", "its memory may not be read");
    says("profile", "--cpu", "the kernel does not permit to sample process");
    reload();
    says("leaks", "--certificates", "generation 1 clean");
    says("leaks", "--certificates", "processes gone (seen)");
}
END_TEST

START_TEST(threads_of_libstint_are_named_all_the_same)
{
    scn_copy("leaker", getenv("LEAKER_BINARY"), "");
    scn_file("leaker.conf", "1\n");
    begin(&blind, "[./leaker, leaker.conf]", "    libstint: true\n    leak_look: 0\n");
    ck_assert_int_eq(kill(worker(), SIGHUP), 0);
    (void)scn_await_any("event=thread_leak service=web gen=1 stragglers=1 ~`flush` ~leaker.c",
                        15000);
    says("threads", NULL, "evidence: registry (its memory may not be read");
    says("threads", NULL, "leaked:blocked!  thread `flush`, started at leaker.c:");
    says("threads", NULL, "blocked in read(fd ");
}
END_TEST

scn_main_in(&hidden, "no mount namespace may be made", "hidden",
            ones_own_workers_are_looked_at_as_ever_and_others_are_not_claimed_to_be_none,
            a_worker_that_is_not_shown_is_no_dead_one,
            an_orphan_that_is_not_shown_keeps_a_certificate_from_saying_that_all_are_gone,
            an_orphan_that_is_not_shown_is_known_by_its_session,
            where_memory_may_not_be_read_the_grade_says_so,
            threads_of_libstint_are_named_all_the_same)
