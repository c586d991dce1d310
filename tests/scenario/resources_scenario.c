/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A master that is short of everything: descriptors, disk, a log that is read, rights. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

#define WEB(acts)                                                                 \
    "  web:\n    command: [./actor, " acts "]\n    directory: %s\n"               \
    "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 2s\n"           \
    "    respawn: {backoff: {first: 10ms, max: 20ms}, limit: {count: 3, within: " \
    "10s}}\n"

static unsigned
web(void)
{
    scn_config(WEB("ready"), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

static void
serves(long generation)
{
    struct scn_answer a;

    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, generation);
}

/* The soft limit of the running master; the hard one stays, so that it can be raised again. */
static void
limit(enum __rlimit_resource which, rlim_t soft)
{
    struct rlimit now;

    ck_assert_int_eq(prlimit(scn_master(), which, NULL, &now), 0);
    now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
    ck_assert_int_eq(prlimit(scn_master(), which, &now, NULL), 0);
}

START_TEST(without_descriptors_the_candidate_is_rejected_and_tried_again_when_there_are_some)
{
    unsigned fds = web();
    long cpu;
    int idle;

    for (unsigned spare = 1; spare < 8; spare++) { /* at every step of a start */
        limit(RLIMIT_NOFILE, fds + spare);
        scn_signal(SIGHUP);
        (void)scn_await("event=verdict service=web", 5000);
        scn_file("stint.yaml",
                 "version: 1\nruntime_dir: %s/run\nstate_dir: %s/state\nservices:\n" WEB(
                     "\"word=%u\", ready"),
                 scn_dir(), scn_dir(), spare, scn_dir(), scn_dir());
        scn_signal(SIGHUP);
        (void)scn_await("event=verdict service=web outcome=rejected", 10000);
        serves(1);
    }
    limit(RLIMIT_NOFILE, fds); /* now nobody can even ask */
    cpu = scn_cpu_ms();
    idle = scn_connect("run/control.sock");
    for (int i = 0; i < 20; i++)
        serves(1);
    limit(RLIMIT_NOFILE, RLIM_INFINITY);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--wait=gone", NULL), 0);
    fd_close(idle);
    ck_assert_int_lt(scn_cpu_ms() - cpu, 2000);
    ck_assert_uint_eq(scn_count("event=worker_exit service=web gen=1"), 1);
    scn_after(fds);
}
END_TEST

START_TEST(a_full_disk_costs_the_numbers_and_nothing_else)
{
    unsigned fds = web();

    limit(RLIMIT_FSIZE, 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("level=warning event=state_not_written", 5000);
    serves(2);
    limit(RLIMIT_FSIZE, RLIM_INFINITY);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_uint_eq(scn_count("event=state_not_written"), 1);
    scn_after(fds);
}
END_TEST

START_TEST(something_else_in_the_place_of_the_state_directory_is_a_warning)
{
    unsigned fds;

    scn_file("state", "a file");
    fds = web();
    (void)scn_await_any("level=warning event=no_state_dir", 1000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    serves(2);
    scn_after(fds);
}
END_TEST

START_TEST(a_log_that_nobody_reads_holds_nothing_up_and_tells_what_it_lost)
{
    auto_free char *out = NULL;
    unsigned fds = web();

    scn_config(WEB("\"lines=100000\", ready"), scn_dir(), scn_dir());
    ck_assert_int_eq(
        scn_cli(NULL, "wait", "web", "--for", "generation=2", "--timeout", "30s", NULL), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    do { /* until its patience is over */
        free(steal(out));
        ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    } while (!strstr(out, "\"state\": \"dropping\"")); /* or the test's own time is over */
    ck_assert_msg(strstr(out, "\"dropped_lines\": 0") != NULL, "%s",
                  out); /* of stint's own words */
    serves(3);
    (void)scn_await("event=log_behind service=web", 5000); /* now it is read */
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await("event=verdict service=web outcome=serving gen=4", 10000);
    (void)scn_await_any("event=certificate service=web gen=3", 10000);
    scn_after(fds);
}
END_TEST

START_TEST(a_reader_of_the_log_that_goes_away_is_survived)
{
    (void)web();
    scn_forget_log();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    serves(4);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

START_TEST(standard_error_may_be_closed)
{
    int here = scn_fifo("here");
    char target[64] = "", path[64];

    scn_config(WEB("ready, \"tell=here\""), scn_dir(), scn_dir());
    ck_assert(scn_launch(&(struct scn_world){.no_stderr = true}));
    scn_fifo_read(here, 10000);
    serves(1);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    scn_fifo_read(here, 10000);
    serves(2);
    /* whatever has the number 2 now, it is nothing that a log line could damage */
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/2", (int)scn_master());
    ck_assert_int_gt(readlink(path, target, sizeof(target) - 1), 0);
    ck_assert_str_eq(target, "/dev/null");
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

START_TEST(an_ordinary_user_can_run_it)
{
    struct scn_answer a;
    struct stat st;
    unsigned fds;
    auto_free char *out = NULL;

    scn_config(WEB("ready"), scn_dir(), scn_dir());
    ck_assert(scn_launch(&(struct scn_world){.uid = getuid() == 0 ? 65534 : 0}));
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    fds = scn_baseline();
    ck_assert_int_eq(stat(scn_path("run/control.sock"), &st), 0);
    ck_assert_uint_eq(st.st_uid, getuid() == 0 ? 65534 : getuid());
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
    (void)scn_await("event=worker_ready service=web gen=2", 5000);
    ck_assert_int_eq(scn_cli(&out, "threads", "web", NULL), 0);
    ck_assert_uint_eq(scn_count("event=no_state_dir") + scn_count("event=state_not_written"), 0);
    scn_after(fds);
}
END_TEST

scn_main("resources",
         without_descriptors_the_candidate_is_rejected_and_tried_again_when_there_are_some,
         a_full_disk_costs_the_numbers_and_nothing_else,
         something_else_in_the_place_of_the_state_directory_is_a_warning,
         a_log_that_nobody_reads_holds_nothing_up_and_tells_what_it_lost,
         a_reader_of_the_log_that_goes_away_is_survived, standard_error_may_be_closed,
         an_ordinary_user_can_run_it)
