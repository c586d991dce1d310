/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

START_TEST(a_worker_that_crashes_is_buried_with_its_last_words_and_respawned)
{
    struct scn_answer a;
    const char *line;

    scn_config("  web:\n    command: [./actor, \"say=I was here\", ready]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(kill(a.pid, SIGQUIT), 0);
    line = scn_await("event=worker_exit service=web signal=SIGQUIT", 5000);
    ck_assert_int_eq(scn_field(line, "pid"), a.pid);
    ck_assert_msg(strstr(line, "I was here") != NULL, "%s", line);
    (void)scn_await("event=worker_ready service=web gen=1", 5000);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 1);
}
END_TEST

START_TEST(a_program_that_daemonises_is_told_to_stay_in_the_foreground)
{
    scn_config("  web:\n    command: [./actor, daemonise, never]\n    directory: %s\n    "
               "leak_grace: 300ms\n"
               "    respawn: {limit: {count: 1, within: 10s}}\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=escapee service=web", 5000);
    (void)scn_await("event=worker_exit service=web status=0 ~use+its+foreground+option", 5000);
    (void)scn_await_any("event=verdict service=web outcome=rejected", 5000);
    (void)scn_await_any("event=certificate service=web gen=1", 5000);
}
END_TEST

START_TEST(a_grandchild_that_outlives_its_worker_is_found_named_and_ended)
{
    struct scn_answer a;
    const char *line;
    pid_t escapee;

    scn_config("  web:\n    command: [./actor, \"litter=60\", ready]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    leak_grace: 1s\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    line = scn_await(
        "event=escapee service=web gen=1 ~'actor'+outlived ~found+as+an+orphan+by+STINT_SPAWN_ID",
        5000);
    escapee = (pid_t)scn_field(line, "pid");
    ck_assert_int_ne(escapee, a.pid);
    (void)scn_await("event=certificate service=web gen=1", 10000);
    ck_assert(!scn_alive(escapee));
}
END_TEST

START_TEST(a_deaf_worker_is_accused_at_the_deadline_and_only_then_killed)
{
    scn_config(
        "  web:\n    command: [./actor, deaf, ready]\n    directory: %s\n    drain_timeout: 200ms\n"
        "    leak_grace: 200ms\n",
        scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await("event=worker_leak service=web gen=1", 5000);
    (void)scn_await("event=worker_kill service=web gen=1", 5000);
    (void)scn_await("event=worker_exit service=web gen=1 signal=SIGKILL", 5000);
    (void)scn_await("event=certificate service=web gen=1 leaks=1", 5000);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_a_finding_with_its_place)
{
    char *out;

    scn_config("  web:\n    command: [./not-there]\n    directory: %s\n", scn_dir());
    ck_assert_int_eq(scn_cli(&out, "check", "-c", scn_path("stint.yaml"), NULL), 78);
    ck_assert_msg(strstr(out, "stint.yaml:8:") != NULL && strstr(out, "not-there") != NULL, "%s",
                  out);
    free(out);
}
END_TEST

START_TEST(dependents_start_after_and_stop_before_what_they_depend_on)
{
    scn_config("  app:\n    command: [./actor, ready]\n    directory: %s\n    depends_on: [db]\n"
               "  db:\n    command: [./actor, ready]\n    directory: %s\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=app outcome=serving", 5000);
    ck_assert(scn_before("event=generation_serving service=db", "event=worker_spawn service=app"));
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert(scn_before("event=worker_exit service=app", "event=generation_draining service=db"));
}
END_TEST

START_TEST(a_start_that_waits_for_a_dependency_says_so)
{
    char *out;

    scn_config(
        "  app:\n    command: [./actor, \"exit=3\"]\n    directory: %s\n    depends_on: [db]\n"
        "    respawn: {limit: {count: 1}}\n"
        "  db:\n    command: [./actor, ready]\n    directory: %s\n",
        scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=app outcome=rejected", 5000);
    ck_assert_int_eq(scn_cli(NULL, "stop", "db", NULL), 0);
    ck_assert_int_eq(scn_cli(&out, "start", "app", "--timeout", "200ms", NULL), 75);
    ck_assert_msg(strstr(out, "waits for db to be ready") != NULL, "%s", out);
    free(out);
    ck_assert_int_eq(scn_cli(&out, "status", "app", NULL), 0);
    ck_assert_msg(strstr(out, "waits for db to be ready") != NULL, "%s", out);
    free(out);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=app"), 1);
    ck_assert_int_eq(scn_cli(NULL, "start", "db", NULL), 0);
    (void)scn_await("event=worker_spawn service=app gen=2", 5000);
}
END_TEST

START_TEST(stop_ends_even_the_deaf_within_the_budget_and_leaves_nobody)
{
    struct scn_answer a;

    scn_config("  web:\n    command: [./actor, deaf, \"litter=60\", ready]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 1h\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(scn_stop(), 0); /* stop_budget is 5 s; scn_stop() allows 20 and no more */
    ck_assert(scn_await_gone(a.pid, 1000));
    ck_assert_uint_eq(scn_count("event=worker_exit"),
                      scn_count("event=worker_spawn") + scn_count("event=escapee"));
}
END_TEST

START_TEST(a_listener_that_a_worker_shut_down_listens_again_at_once)
{
    struct scn_answer a;

    scn_config("  web:\n    command: [./actor, shutdown, ready]\n    directory: %s\n"
               "    listen: {main: \"tcp://127.0.0.1:%d\"}\n",
               scn_dir(), scn_port());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=listener_shut_down", 5000);
    (void)scn_await_any("event=certificate service=web gen=1", 5000);
    ck_assert_int_eq(scn_ask("tcp", &a), 0);
    ck_assert_int_eq(a.generation, 2);
}
END_TEST

/* Its descriptor's flags, in octal, as the kernel has them when the program gets it. */
#define FLAGS(name, more)                                                                          \
    "  " name ":\n    command: [sh, -c, \"grep flags /proc/self/fdinfo/3; exec sleep 1000\"]\n"    \
    "    directory: %s\n    listen: {main: \"unix:%s/" name ".sock\"}\n    ready: {assume_after: " \
    "1ms}\n" more

START_TEST(a_listener_blocks_as_one_of_systemd_does_unless_the_program_links_libstint)
{
    scn_config(FLAGS("plain", "") FLAGS("linked", "    libstint: true\n"), scn_dir(), scn_dir(),
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=output service=plain ~flags: ~02\"", 5000);
    (void)scn_await_any("event=output service=linked ~flags: ~04002\"", 5000);
    ck_assert_uint_eq(scn_count("event=output service=plain ~4002\""), 0);
}
END_TEST

START_TEST(readiness_by_newline_by_file_by_command_and_by_assumption)
{
    scn_config(
        "  fd:\n    command: [./actor, \"newline=9\"]\n    directory: %s\n    ready: {fd: 9}\n"
        "  file:\n    command: [./actor, \"pidfile=here.pid\"]\n    directory: %s\n    ready: "
        "{file: here.pid}\n"
        "  exec:\n    command: [./actor]\n    directory: %s\n    ready: {exec: [test, -e, "
        "here.pid]}\n"
        "  assume:\n    command: [./actor]\n    directory: %s\n    ready: {assume_after: 100ms}\n",
        scn_dir(), scn_dir(), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=verdict service=fd outcome=serving", 5000);
    (void)scn_await_any("event=verdict service=file outcome=serving", 5000);
    (void)scn_await_any("event=verdict service=exec outcome=serving", 5000);
    (void)scn_await_any("event=worker_ready service=assume ~weak+evidence", 5000);
}
END_TEST

START_TEST(a_start_that_takes_too_long_is_rejected_at_its_deadline)
{
    scn_config(
        "  web:\n    command: [./actor, never]\n    directory: %s\n    start_timeout: 300ms\n"
        "    drain_timeout: 200ms\n    leak_grace: 200ms\n",
        scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=rejected ~not+ready+within", 5000);
    (void)scn_await("event=certificate service=web gen=1", 10000);
}
END_TEST

scn_main("supervision", a_worker_that_crashes_is_buried_with_its_last_words_and_respawned,
         a_program_that_daemonises_is_told_to_stay_in_the_foreground,
         a_grandchild_that_outlives_its_worker_is_found_named_and_ended,
         a_deaf_worker_is_accused_at_the_deadline_and_only_then_killed,
         a_program_that_is_not_there_is_a_finding_with_its_place,
         dependents_start_after_and_stop_before_what_they_depend_on,
         a_start_that_waits_for_a_dependency_says_so,
         stop_ends_even_the_deaf_within_the_budget_and_leaves_nobody,
         a_listener_that_a_worker_shut_down_listens_again_at_once,
         a_listener_blocks_as_one_of_systemd_does_unless_the_program_links_libstint,
         readiness_by_newline_by_file_by_command_and_by_assumption,
         a_start_that_takes_too_long_is_rejected_at_its_deadline)
