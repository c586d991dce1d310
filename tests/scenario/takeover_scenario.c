/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

/* A master is killed, and the next one goes on. tests/kill/ does that everywhere; here is what is seen. */

static void
web(const char *arguments, const char *more)
{
    scn_config("  web:\n    command: [./actor, %s]\n    directory: %s\n    workers: 2\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n%s",
               arguments, scn_dir(), scn_dir(), more);
    scn_start();
}

static void
serves(void)
{
    (void)scn_await_any("event=verdict service=web outcome=serving", 5000);
}

START_TEST(a_master_killed_in_quiet_is_replaced_and_no_worker_notices)
{
    struct scn_answer before, after;
    pid_t master, next;

    web("ready", "");
    serves();
    ck_assert_int_eq(scn_ask("web.sock", &before), 0);
    master = scn_master();
    next = scn_kill_master();
    ck_assert_int_ne(next, master);
    ck_assert_int_eq(scn_ask("web.sock", &after), 0);
    ck_assert_int_eq(after.generation, 1);
    ck_assert(scn_alive(before.pid) && scn_alive(after.pid));
    ck_assert_int_eq(scn_field(scn_await_any("event=took_over", 1000), "workers"), 2);
    ck_assert_int_eq(scn_cli(NULL, "status", NULL), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit service=web gen=1 status=0"), 2);
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 4);
    scn_nobody_left();
}
END_TEST

START_TEST(whoever_asked_a_master_that_died_gets_the_verdict_of_the_next)
{
    int gate = scn_fifo("gate"), status = -1;
    pid_t client;

    scn_fifo_write(gate, 1);
    web("pass=gate, ready", "");
    serves();
    scn_fifo_read(gate, 1000);
    client = fork();
    if (client == 0)
        _exit(scn_cli(NULL, "reload", "web", "--force", NULL));
    (void)scn_await("event=worker_spawn service=web gen=2", 5000);
    ck_assert_int_eq(scn_cli(NULL, "version", NULL),
                     0); /* what is in the log is known to be there */
    (void)scn_kill_master();
    scn_fifo_write(gate, 1);
    ck_assert_int_eq(waitpid(client, &status, 0), client);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_uint_eq(scn_count("event=verdict service=web gen=2 outcome=serving"), 1);
    ck_assert_uint_eq(scn_count("event=reload service=web ~operator+reload"), 1);
}
END_TEST

START_TEST(how_a_worker_ended_while_there_was_no_master_is_known)
{
    int gate = scn_fifo("gate");
    const char *line;
    pid_t worker, master;

    scn_config("  web:\n    command: [./actor, \"say=soon\", ready, pass=gate, \"exit=7\"]\n"
               "    directory: %s\n",
               scn_dir());
    scn_start();
    worker = (pid_t)scn_field(scn_await("event=worker_ready service=web", 5000), "pid");
    master = scn_master();
    scn_signal(SIGSTOP); /* the keeper: it starts no other one now */
    ck_assert_int_eq(kill(master, SIGKILL), 0);
    ck_assert(scn_await_gone(master, 5000));
    scn_fifo_write(gate, 1);
    ck_assert(scn_await_gone(worker, 5000));
    scn_fifo_read(gate, 1000);
    scn_signal(SIGCONT);
    line = scn_await("event=worker_exit service=web status=7", 10000);
    ck_assert_int_eq(scn_field(line, "pid"), worker);
    (void)scn_await("event=worker_ready service=web gen=1", 5000); /* and it is started again */
}
END_TEST

START_TEST(half_a_line_that_a_master_had_read_is_told_with_its_other_half)
{
    int gate = scn_fifo("gate");

    scn_config("  web:\n    command: [./actor, \"part=begun-\", ready, pass=gate, \"say=ended\"]\n"
               "    directory: %s\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    (void)scn_kill_master();
    (void)scn_kill_master();
    scn_fifo_write(gate, 1);
    (void)scn_await("event=output service=web msg=begun-ended", 5000);
}
END_TEST

/* The number after "seq": in the last line of @json, or the first; 0: none. */
static long
seq(const char *json, bool last)
{
    const char *at = strstr(json, "\"seq\":"), *next;

    while (at && last && (next = strstr(at + 1, "\"seq\":")))
        at = next;
    return at ? strtol(at + strlen("\"seq\":"), NULL, 10) : 0;
}

START_TEST(the_events_go_on_after_the_number_seen_last)
{
    auto_free char *before = NULL;
    auto_free char *after = NULL;
    char since[32];

    web("ready", "");
    serves();
    ck_assert_int_eq(scn_cli(&before, "events", "--json", NULL), 0);
    ck_assert_int_gt(seq(before, true), 0);
    (void)scn_kill_master();
    (void)snprintf(since, sizeof(since), "%ld", seq(before, true));
    ck_assert_int_eq(scn_cli(&after, "events", "--json", "--since", since, NULL), 0);
    ck_assert_int_eq(seq(after, false), seq(before, true) + 1);
    ck_assert_msg(strstr(after, "took_over") != NULL, "%s", after);
    ck_assert_msg(strstr(after, "\"config_accepted\",\"cause\":\"start\"") == NULL, "%s", after);
}
END_TEST

/* A drain signal that it does not heed: it leaves because of the CANCEL, or not at all. */
START_TEST(a_worker_with_libstint_is_cancelled_by_the_next_master)
{
    scn_copy("web", getenv("WEB_BINARY"), "");
    scn_file("web.conf", "greeting = hello\nthreads = 1\ndrain_quiet_ms = 20\n");
    scn_config("  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n"
               "    libstint: true\n    listen: {http: \"unix:%s/web.sock\"}\n"
               "    drain_signal: WINCH\n    drain_timeout: 20s\n",
               scn_dir(), scn_dir());
    scn_start();
    serves();
    (void)scn_kill_master();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=certificate service=web gen=1 leaks=0", 5000);
    ck_assert_int_eq(scn_cli(NULL, "threads", "web", NULL), 0);
}
END_TEST

START_TEST(a_candidate_on_its_way_gets_ready_for_the_next_master)
{
    int gate = scn_fifo("gate");

    scn_config("  fd:\n    command: [./actor, pass=gate, \"newline=9\"]\n    directory: %s\n"
               "    ready: {fd: 9}\n"
               "  notify:\n    command: [./actor, pass=gate, ready]\n    directory: %s\n"
               "  file:\n    command: [./actor, pass=gate, \"pidfile=here.pid\"]\n"
               "    directory: %s\n    ready: {file: here.pid}\n",
               scn_dir(), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=worker_spawn service=fd", 5000);
    (void)scn_await_any("event=worker_spawn service=notify", 5000);
    (void)scn_await_any("event=worker_spawn service=file", 5000);
    (void)scn_kill_master();
    scn_fifo_write(gate, 1);
    (void)scn_await_any("event=verdict service=fd outcome=serving gen=1", 5000);
    (void)scn_await_any("event=verdict service=notify outcome=serving gen=1", 5000);
    (void)scn_await_any("event=verdict service=file outcome=serving gen=1", 5000);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
}
END_TEST

START_TEST(what_an_adopted_worker_leaves_behind_is_its_escapee)
{
    struct scn_answer a;
    pid_t escapee;

    web("\"litter=60\", ready", "    leak_grace: 1s\n");
    serves();
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    (void)scn_kill_master();
    ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
    escapee = (pid_t)scn_field(scn_await("event=escapee service=web gen=1 ~'actor'+outlived", 5000),
                               "pid");
    (void)scn_await_any("event=worker_exit service=web gen=1 signal=SIGKILL", 5000);
    (void)scn_await_any("event=worker_ready service=web gen=1", 5000);
    ck_assert(scn_await_gone(escapee, 5000));
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

scn_main("takeover", a_master_killed_in_quiet_is_replaced_and_no_worker_notices,
         whoever_asked_a_master_that_died_gets_the_verdict_of_the_next,
         how_a_worker_ended_while_there_was_no_master_is_known,
         half_a_line_that_a_master_had_read_is_told_with_its_other_half,
         the_events_go_on_after_the_number_seen_last,
         a_worker_with_libstint_is_cancelled_by_the_next_master,
         a_candidate_on_its_way_gets_ready_for_the_next_master,
         what_an_adopted_worker_leaves_behind_is_its_escapee)
