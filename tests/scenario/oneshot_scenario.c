/* SPDX-License-Identifier: GPL-2.0-or-later */
/* type: oneshot, and who waits for it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

/* "web", which waits for "migrate", a oneshot with these @arguments. */
static void
configure(const char *arguments, const char *more)
{
    scn_config("  web:\n    command: [./actor, ready]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    depends_on: {migrate: completed}\n"
               "  migrate:\n    type: oneshot\n    command: [./actor, %s]\n    directory: %s\n%s",
               scn_dir(), scn_dir(), arguments, scn_dir(), more);
}

/* @words are in what the verb says. */
static void
ck_cli(int status, const char *words, const char *verb, const char *service, const char *option)
{
    char *out;
    int r = scn_cli(&out, verb, service, option, NULL);

    ck_assert_msg(r == status && strstr(out, words) != NULL, "stint %s %s: %d, %s", verb, service,
                  r, out);
    free(out);
}

START_TEST(who_depends_on_it_starts_when_it_has_completed)
{
    configure("\"say=done\", \"exit=0\"", "");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert(scn_before("event=verdict service=migrate outcome=completed",
                         "event=worker_spawn service=web"));
    ck_assert_uint_eq(scn_count("event=generation_completed service=migrate gen=1"), 1);
    ck_cli(0, "completed", "status", "migrate", NULL);
    ck_cli(0, "ended with 0 after", "status", "migrate", NULL);
    ck_cli(0, "\"state\": \"completed\"", "status", "migrate", "--json");
    ck_cli(0, "completed, generation 1", "wait", "migrate", NULL);
    ck_cli(0, "generation 1 has completed", "start", "migrate", NULL);
    ck_cli(0, "generation 1 has completed", "reload", "migrate", NULL);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=migrate"), 1);
    ck_cli(0, "completed, generation 2", "reload", "migrate", "--force");
    (void)scn_await_any("event=certificate service=migrate gen=1", 5000);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web"), 1);
}
END_TEST

START_TEST(one_that_fails_is_told_and_not_tried_again)
{
    configure("\"say=no such table\", \"exit=3\"", "");
    scn_start();
    (void)scn_await("event=verdict service=migrate outcome=rejected", 5000);
    ck_cli(1, "exited with status 3; last output: no such table", "wait", "migrate", NULL);
    ck_cli(0, "failed", "status", "migrate", NULL);
    ck_cli(0, "waits for migrate to complete", "status", "web", NULL);
    ck_cli(1, "exited with status 3", "reload", "migrate", NULL);
    ck_assert_uint_eq(scn_count("event=worker_spawn"), 1);
    ck_cli(1, "exited with status 3", "start", "migrate", NULL); /* by hand it is */
    ck_assert_uint_eq(scn_count("event=worker_spawn"), 2);
    configure("\"exit=0\"", "");
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 0);
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
}
END_TEST

START_TEST(a_retry_is_made_where_it_is_asked_for)
{
    scn_file("broken", "%s", "");
    configure(
        "\"fail-if=broken\", \"exit=0\"",
        "    respawn: {retry: true, backoff: {first: 10ms, max: 50ms}, limit: {count: 1000}}\n");
    scn_start();
    (void)scn_await("event=backoff service=migrate", 5000);
    ck_assert_int_eq(unlink(scn_path("broken")), 0);
    (void)scn_await("event=verdict service=migrate outcome=completed", 5000);
}
END_TEST

START_TEST(a_run_that_takes_too_long_is_ended)
{
    configure("deaf, never",
              "    run_timeout: 200ms\n    drain_timeout: 100ms\n    leak_grace: 100ms\n");
    scn_start();
    (void)scn_await("event=verdict service=migrate outcome=rejected ~run_timeout", 5000);
    (void)scn_await("event=certificate service=migrate gen=1 leaks=1", 5000);
    ck_cli(0, "failed", "status", "migrate", NULL);
}
END_TEST

START_TEST(a_change_of_its_input_runs_it_again)
{
    scn_file("input", "first");
    configure("\"exit=0\"", "    watch: {paths: [input], settle: 20ms}\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    scn_file("input", "second");
    (void)scn_await("event=verdict service=migrate outcome=completed gen=2", 5000);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=migrate"), 2);
}
END_TEST

/* As a deploy that brings both: the new program is not started on the old tables. */
START_TEST(what_is_new_together_with_it_waits_for_its_run)
{
    int gate = scn_fifo("gate"), told = scn_fifo("told");
    static const char services[] =
        "  web:\n    command: [./actor, ready]\n    directory: %s\n    watch: {paths: [input], "
        "settle: 20ms}\n    depends_on: {migrate: completed}\n"
        "  migrate:\n    type: oneshot\n    command: [./actor, tell=told, pass=gate, \"exit=0\"]\n"
        "    directory: %s\n    watch: {paths: [input], settle: 20ms}\n";

    scn_file("input", "first");
    scn_fifo_write(gate, 1);
    scn_config(services, scn_dir(), scn_dir());
    scn_start();
    scn_fifo_read(told, 5000);
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(read(gate, (char[8]){0}, 8), 1); /* shut */
    scn_file("input", "second");
    scn_fifo_read(told, 5000);
    (void)scn_await_any("event=reload_queued service=web ~waits+for+migrate+to+complete", 5000);
    ck_cli(0, "waits for migrate to complete", "status", "web", NULL);
    ck_cli(0, "running", "status", "web", NULL);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web"), 1);
    scn_fifo_write(gate, 1);
    (void)scn_await_any("event=verdict service=web outcome=serving gen=2", 5000);
    ck_assert(scn_before("event=verdict service=migrate outcome=completed gen=2",
                         "event=worker_spawn service=web gen=2"));
}
END_TEST

START_TEST(a_run_can_be_stopped_and_started)
{
    int gate = scn_fifo("gate");

    configure("\"pass=gate\", \"exit=0\"", "");
    scn_start();
    (void)scn_await("event=worker_spawn service=migrate", 5000);
    ck_cli(0, "running", "status", "migrate", NULL);
    ck_cli(75, "its command runs", "wait", "migrate", "--timeout=200ms");
    ck_cli(0, "stopped", "stop", "migrate", NULL);
    (void)scn_await("event=worker_exit service=migrate gen=1 status=0", 5000);
    ck_assert_uint_eq(scn_count("event=generation_completed"), 0); /* it was asked to leave */
    scn_fifo_write(gate, 1);
    ck_cli(0, "completed, generation 2", "start", "migrate", NULL);
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
}
END_TEST

/* @status: of its end, which comes when no master is there to see it, or just after. */
static void
live_through_masters(int status, const char *outcome)
{
    int gate = scn_fifo("gate"), told = scn_fifo("told");
    char words[100], arguments[100];
    pid_t master;

    (void)snprintf(arguments, sizeof(arguments), "\"tell=told\", \"pass=gate\", \"exit=%d\"",
                   status);
    configure(arguments, "");
    scn_start();
    scn_fifo_read(told, 5000);
    (void)scn_kill_master();
    ck_cli(0, "running", "status", "migrate", NULL);
    master = scn_master();
    ck_assert_int_eq(kill(master, SIGSTOP), 0); /* it sees nothing any more */
    scn_fifo_write(gate, 1);
    ck_assert_int_eq(kill(master, SIGKILL), 0);
    (void)snprintf(words, sizeof(words), "event=verdict service=migrate outcome=%s", outcome);
    (void)scn_await_any(words, 10000);
    ck_assert_uint_eq(scn_count("event=worker_exit service=migrate gen=1"), 1);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=migrate"), 1);
    ck_assert_int_eq(read(told, words, 1), -1); /* it was run once */
}

START_TEST(a_run_goes_on_from_master_to_master_and_completes)
{
    live_through_masters(0, "completed");
    (void)scn_await_any("event=verdict service=web outcome=serving", 5000);
}
END_TEST

START_TEST(a_run_that_fails_while_no_master_is_there_has_failed)
{
    live_through_masters(7, "rejected");
    ck_cli(1, "exited with status 7", "wait", "migrate", NULL);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web"), 0);
}
END_TEST

scn_main("oneshot", who_depends_on_it_starts_when_it_has_completed,
         one_that_fails_is_told_and_not_tried_again, a_retry_is_made_where_it_is_asked_for,
         a_run_that_takes_too_long_is_ended, a_change_of_its_input_runs_it_again,
         what_is_new_together_with_it_waits_for_its_run, a_run_can_be_stopped_and_started,
         a_run_goes_on_from_master_to_master_and_completes,
         a_run_that_fails_while_no_master_is_there_has_failed)
