/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

/* stint goes on as another program: the same pid, the same workers, the same sockets. */

static void
web(const char *arguments)
{
    scn_config("  web:\n    command: [./actor, %s]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n",
               arguments, scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=verdict service=web outcome=serving", 5000);
}

/* The program that a process runs. */
static void
runs(pid_t pid, const char *program)
{
    char link[64], target[4096] = "";

    (void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    ck_assert_int_gt(readlink(link, target, sizeof(target) - 1), 0);
    ck_assert_str_eq(target, program);
}

static const char *
program(void)
{
    return getenv("STINT_BINARY"); /* NOLINT(concurrency-mt-unsafe): one thread */
}

/* The same worker answers as before. */
static void
still_serves(const struct scn_answer *before)
{
    struct scn_answer now;

    ck_assert_int_eq(scn_ask("web.sock", &now), 0);
    ck_assert_int_eq(now.pid, before->pid);
    ck_assert_int_eq(scn_cli(NULL, "status", NULL), 0);
}

START_TEST(another_program_goes_on_with_the_same_workers)
{
    auto_free char *said = NULL;
    struct scn_answer before;
    pid_t keeper, master;

    web("ready");
    scn_copy("newer", program(), "");
    ck_assert_int_eq(scn_ask("web.sock", &before), 0);
    keeper = scn_keeper();
    master = scn_master();
    ck_assert_int_eq(scn_cli(&said, "upgrade", scn_path("newer"), NULL), 0);
    ck_assert_ptr_nonnull(strstr(said, "upgraded: stint "));
    ck_assert_int_ne(scn_master(), master);
    runs(keeper, scn_path("newer"));
    runs(scn_master(), scn_path("newer"));
    still_serves(&before);
    (void)scn_kill_master(); /* and the keeper it has become does its work, too */
    runs(scn_master(), scn_path("newer"));
    still_serves(&before);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit service=web gen=1 status=0"), 1);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

START_TEST(a_reload_that_was_under_way_is_finished_by_the_new_program)
{
    int gate = scn_fifo("gate"), status = -1;
    pid_t client;

    scn_fifo_write(gate, 1);
    web("pass=gate, ready");
    scn_fifo_read(gate, 1000);
    scn_copy("newer", program(), "");
    client = fork();
    if (client == 0)
        _exit(scn_cli(NULL, "reload", "web", "--force", NULL));
    (void)scn_await("event=worker_spawn service=web gen=2", 5000);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", scn_path("newer"), NULL), 0);
    scn_fifo_write(gate, 1);
    ck_assert_int_eq(waitpid(client, &status, 0), client);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_uint_eq(scn_count("event=verdict service=web gen=2 outcome=serving"), 1);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

START_TEST(what_is_no_stint_is_refused_and_nothing_happens)
{
    struct scn_answer before;
    pid_t master;

    web("ready");
    scn_file("text", "not a program\n");
    ck_assert_int_eq(scn_ask("web.sock", &before), 0);
    master = scn_master();
    ck_assert_int_eq(scn_cli(NULL, "upgrade", "/bin/true", NULL), 1);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", "/bin/false", NULL), 1);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", scn_path("text"), NULL), 1);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", scn_path("missing"), NULL), 1);
    ck_assert_int_eq(scn_master(), master);
    still_serves(&before);
    ck_assert_uint_eq(scn_count("event=took_over"), 0);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

#ifdef STINT_EDGES
START_TEST(a_program_whose_masters_die_young_makes_way_for_the_one_before)
{
    struct scn_answer before;

    ck_assert_int_eq(setenv("STINT_EDGE", "takeover-given:kill takeover-given:kill", 1), 0);
    ck_assert_int_eq(setenv("STINT_EDGE_ONCE", scn_path("once"), 1), 0);
    web("ready");
    scn_copy("newer", program(), "");
    ck_assert_int_eq(scn_ask("web.sock", &before), 0);
    scn_file("once.0", "%s", "");
    scn_file("once.1", "%s", "");
    ck_assert_int_eq(scn_cli(NULL, "upgrade", scn_path("newer"), NULL), 1);
    (void)scn_await_any("event=keeper_reverted", 10000);
    runs(scn_keeper(), program());
    still_serves(&before);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST
#endif

scn_main("upgrade", another_program_goes_on_with_the_same_workers,
         a_reload_that_was_under_way_is_finished_by_the_new_program,
#ifdef STINT_EDGES
         a_program_whose_masters_die_young_makes_way_for_the_one_before,
#endif
         what_is_no_stint_is_refused_and_nothing_happens)
