/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics: what happens moves its own counter, and a master that dies takes none of them along. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

#define TRIES (200L * SCN_PATIENCE)

/* The value of the line that begins with @series and a blank; -1: there is none. */
static double
value_in(const char *all, const char *series)
{
    size_t n = strlen(series);

    for (const char *l = all; *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : l + strlen(l))
        if (strncmp(l, series, n) == 0 && l[n] == ' ')
            return strtod(l + n + 1, NULL);
    return -1;
}

static double
value(const char *series)
{
    auto_free char *out = NULL;

    ck_assert_int_eq(scn_cli(&out, "metrics", NULL), 0);
    ck_assert_msg(strlen(out) > 6 && strcmp(out + strlen(out) - 6, "# EOF\n") == 0,
                  "the end is missing: %s", out);
    return value_in(out, series);
}

static void
ck_value(const char *series, double want)
{
    double is = value(series);

    ck_assert_msg(is - want < 0.001 && want - is < 0.001, "%s is %f, not %f; the log:\n%s", series,
                  is, want, scn_log());
}

/* For what comes a moment after its event. */
static void
await_value(const char *series, double want)
{
    double is = -1;

    for (long i = 0; i < TRIES; i++)
        if ((is = value(series)) >= want && is <= want)
            return;
    ck_abort_msg("%s is %f, not %f", series, is, want);
}

/* What is counted is what was told. Events go on, and a hint more is a verdict more: so until both are the same. */
static void
await_told(const char *series, const char *words)
{
    double is = -1;

    for (long i = 0; i < TRIES; i++) {
        unsigned before = scn_count(words);

        is = value(series);
        if (is >= before && is <= scn_count(words))
            return;
    }
    ck_abort_msg("%s is %f, %u were told:\n%s", series, is, scn_count(words), scn_log());
}

START_TEST(a_handoff_a_refused_one_and_a_worker_that_will_not_leave_are_counted_over_masters)
{
    double since, started;

    scn_copy("actor", getenv("ACTOR_BINARY"), "");
    scn_config("  web:\n    command: [./actor, deaf, ready]\n    directory: %s\n"
               "    drain_timeout: 200ms\n    leak_grace: 100ms\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    ck_value("stint_reloads_total{service=\"web\",outcome=\"serving\"}", 1);
    ck_value("stint_reloads_total{service=\"web\",outcome=\"rejected\"}", 0);
    ck_value("stint_service_state{service=\"web\",state=\"running\"}", 1);
    ck_value("stint_service_workers_ready{service=\"web\"}", 1);
    ck_value("stint_drains_overdue_total{service=\"web\"}", 0);

    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=certificate service=web gen=1", 20000);
    ck_value("stint_service_generation{service=\"web\"}", 2);
    ck_value("stint_drains_overdue_total{service=\"web\"}", 1);
    ck_value("stint_worker_kills_total{service=\"web\"}", 1);
    ck_value("stint_certificates_unclean_total{service=\"web\"}", 1);

    scn_config("  web:\n    command: [./actor, deaf, ready, other]\n    directory: %s\n"
               "    check: [/bin/false]\n    drain_timeout: 200ms\n    leak_grace: 100ms\n",
               scn_dir());
    (void)scn_await_any("event=verdict service=web outcome=rejected", 20000);
    await_told("stint_reloads_total{service=\"web\",outcome=\"rejected\"}",
               "event=verdict service=web outcome=rejected");
    ck_value("stint_last_reload_successful{service=\"web\"}", 0);
    ck_value("stint_input_rejected{service=\"web\"}", 1);
    await_told("stint_reload_duration_seconds_count{service=\"web\"}", "event=verdict service=web");
    since = value("stint_reloads_created{service=\"web\",outcome=\"serving\"}");
    started = value("stint_start_time_seconds");
    ck_assert_double_gt(since, 1e9);

    (void)scn_kill_master();
    ck_value("stint_masters_total", 2);
    ck_value("stint_reloads_total{service=\"web\",outcome=\"serving\"}", 2);
    await_told("stint_reloads_total{service=\"web\",outcome=\"rejected\"}",
               "event=verdict service=web outcome=rejected");
    ck_value("stint_worker_kills_total{service=\"web\"}", 1);
    ck_value("stint_worker_starts_total{service=\"web\"}", 2);
    ck_value("stint_reloads_created{service=\"web\",outcome=\"serving\"}", since);
    ck_value("stint_start_time_seconds", started);
    ck_assert_double_gt(value("stint_master_start_time_seconds"), started);
    scn_did_not_block();
    (void)scn_stop();
}
END_TEST

/* Of the first series whose labels have all of @words; -1: there is none. */
static double
value_like(const char *name, const char *words)
{
    auto_free char *out = NULL;
    size_t n = strlen(name);

    ck_assert_int_eq(scn_cli(&out, "metrics", NULL), 0);
    for (char *l = out, *next; *l; l = next) {
        char *end = strchr(l, '\n'), *at;

        *end = '\0';
        next = end + 1;
        if (strncmp(l, name, n) == 0 && l[n] == '{' && strstr(l, words) &&
            (at = strstr(l, "} ")) != NULL)
            return strtod(at + 2, NULL);
    }
    return -1;
}

static void
ask_pool(const char *line)
{
    int fd = scn_connect("serve.sock");
    char answer[64];

    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    (void)scn_await("event=overrun service=pool gen=1 live=true", 5000);
    ck_assert_double_ge(value("stint_deadline_overruns_live{service=\"pool\"}"), 1);
    ck_assert_int_gt(read(fd, answer, sizeof(answer)), 0);
    close(fd);
}

START_TEST(an_overrun_is_counted_by_kind_of_thread_and_stays_so_when_worker_and_master_are_gone)
{
    scn_copy("program", getenv("POOL_BINARY"), "");
    scn_config("  pool:\n    command: [%s/program]\n    directory: %s\n    workers: 1\n"
               "    listen:\n      requests: {address: 'unix:%s/serve.sock'}\n"
               "    libstint: true\n    ready: notify\n"
               "    deadlines: {default: 5s, max: 9s, tolerance: 50ms, look: 50ms, "
               "client_timeout: {gateway: 1s}}\n",
               scn_dir(), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    ck_value("stint_deadline_overruns_total{service=\"pool\",thread=\"other\",creator=\"\"}", 0);
    ck_value("stint_deadline_mismatch{service=\"pool\",caller=\"gateway\"}", 1);
    ask_pool("1500 100 gateway stubborn\n");
    await_value("stint_deadline_overruns_live{service=\"pool\"}", 0);
    for (long i = 0; value_like("stint_deadline_overruns_total", "thread=\"pool-#\"") < 1; i++)
        ck_assert_int_lt(i, TRIES); /* it answers a moment before its task is over */

    ck_assert_int_eq(scn_cli(NULL, "reload", "pool", "--force", "--wait=gone", NULL), 0);
    (void)scn_kill_master();
    ck_assert_double_eq_tol(value_like("stint_deadline_overruns_total", "thread=\"pool-#\""), 1,
                            0.001);
    ck_value("stint_deadline_overruns_total{service=\"pool\",thread=\"other\",creator=\"\"}", 0);
    scn_did_not_block();
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(threads_that_leak_in_a_process_that_goes_on_are_counted_by_verdict_until_they_are_gone)
{
    pid_t pid;

    scn_copy("leaker", getenv("LEAKER_BINARY"), "");
    scn_file("web.conf", "2\n");
    scn_config("  web:\n    command: [./leaker, web.conf]\n    directory: %s\n    libstint: true\n"
               "    leak_look: 0\n    drain_timeout: 300ms\n    leak_grace: 100ms\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    pid = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");
    ck_assert_int_eq(kill(pid, SIGHUP), 0);
    (void)scn_await("event=thread_leak service=web gen=1 stragglers=2", 10000);
    await_value("stint_leaked_threads{service=\"web\",verdict=\"leaked:blocked\"}", 2);
    ck_value("stint_thread_leaks_total{service=\"web\"}", 1);
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
    (void)scn_await("event=leak_recovered service=web gen=1", 20000);
    ck_value("stint_leaked_threads{service=\"web\",verdict=\"leaked:blocked\"}", 0);
    ck_value("stint_thread_leaks_total{service=\"web\"}", 1);
    (void)scn_stop();
}
END_TEST

START_TEST(lines_with_a_fault_are_counted_by_its_kind)
{
    scn_copy("web", getenv("TRACER_BINARY"), "");
    scn_config("  web:\n    command: [./web, lose, span, zero, bad, change]\n    directory: %s\n"
               "    libstint: true\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    (void)scn_await_any("event=output service=web ~serving", 5000);
    ck_value("stint_trace_lines_total{service=\"web\"}", 7);
    ck_value("stint_trace_missing_lines_total{service=\"web\"}", 1);
    ck_value("stint_trace_faults_total{service=\"web\",fault=\"span_without_trace\"}", 1);
    ck_value("stint_trace_faults_total{service=\"web\",fault=\"zero\"}", 1);
    ck_value("stint_trace_faults_total{service=\"web\",fault=\"lost\"}", 1);
    ck_value("stint_service_log_lines_total{service=\"web\"}", 7);
    (void)scn_kill_master();
    ck_value("stint_trace_faults_total{service=\"web\",fault=\"span_without_trace\"}", 1);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

static char *
file_text(const char *path)
{
    char *text = calloc(1, 1 << 20);
    FILE *f = fopen(path, "r");

    ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, f), (1 << 20) - 1);
    (void)fclose(f);
    return text;
}

START_TEST(a_textfile_is_replaced_as_a_whole_and_says_when_no_supervisor_is_there)
{
    char path[256];
    struct stat before, after;
    auto_free char *up = NULL, *down = NULL;

    scn_config("  web:\n    command: [/bin/sleep, '1000']\n    ready: {assume_after: 10ms}\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    (void)snprintf(path, sizeof(path), "%s", scn_path("stint.prom"));
    ck_assert_int_eq(scn_cli(NULL, "metrics", "--textfile", path, NULL), 0);
    up = file_text(path);
    ck_assert_double_eq(value_in(up, "stint_up"), 1);
    ck_assert_double_eq(value_in(up, "stint_service_workers_ready{service=\"web\"}"), 1);
    ck_assert_ptr_null(strstr(up, "# EOF"));
    ck_assert_int_eq(stat(path, &before), 0);
    ck_assert_uint_eq(before.st_mode & 0777, 0644);

    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_int_eq(scn_cli(NULL, "metrics", "--textfile", path, NULL), 69);
    down = file_text(path);
    ck_assert_double_eq(value_in(down, "stint_up"), 0);
    ck_assert_ptr_null(strstr(down, "web"));
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_uint_ne(before.st_ino, after.st_ino);
}
END_TEST

START_TEST(a_textfile_that_cannot_be_written_is_said_and_leaves_nothing_behind)
{
    auto_free char *out = NULL;

    scn_config("  web:\n    command: [/bin/sleep, '1000']\n    ready: {assume_after: 10ms}\n");
    scn_start();
    ck_assert_int_eq(scn_cli(&out, "metrics", "--textfile", scn_path("nowhere/stint.prom"), NULL),
                     1);
    ck_assert_int_eq(mkdir(scn_path("here"), 0755), 0);
    ck_assert_int_eq(scn_cli(NULL, "metrics", "--textfile", scn_path("here"), NULL), 1);
    ck_assert_int_eq(rmdir(scn_path("here")), 0);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("metrics",
         a_handoff_a_refused_one_and_a_worker_that_will_not_leave_are_counted_over_masters,
         an_overrun_is_counted_by_kind_of_thread_and_stays_so_when_worker_and_master_are_gone,
         threads_that_leak_in_a_process_that_goes_on_are_counted_by_verdict_until_they_are_gone,
         lines_with_a_fault_are_counted_by_its_kind,
         a_textfile_is_replaced_as_a_whole_and_says_when_no_supervisor_is_there,
         a_textfile_that_cannot_be_written_is_said_and_leaves_nothing_behind)
