/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "play.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "tests/scenario/harness.h"
#include "tests/scenario/harness_log.h"

/* Every play has a stage of its own (tests/scenario), and half a second to leave, or three. */
#define PATIENCE_MS 20000
#define SETTLE_US   (3 * US_PER_S) /* after that, what is still said to be on its way out stays so */

static struct {
    const struct play *play;
    struct outcome *outcome;
    const char *keep;
    int client; /* F07's; -1: none */
} now = {.client = -1};

static void
configure(const char *row, const char *twin)
{
    bool recovers = play_drive(now.play) == RECOVER;

    scn_config("  row:\n    command: [./row, \"%s\", \"%s\", \"%u\"]\n    directory: %s\n"
               "    environment: {CORPUS_PLUGIN: \"%s\"}\n"
               "    libstint: %s\n    ready: notify\n    drain_timeout: %s\n    leak_grace: 60s\n",
               row, twin, now.play->seed, scn_dir(),
               getenv("CORPUS_PLUGIN") ? getenv("CORPUS_PLUGIN") : "",
               now.play->flavour == REGISTERED ? "true" : "false", recovers ? "3s" : "500ms");
}

/* What the program told under that name; -1: nothing yet. */
static int
told(const char *name)
{
    auto_free char *s = NULL;

    if (file_read(scn_path("tell.%s", name), 64, &s, NULL, NULL) < 0)
        return -1;
    return (int)strtol(s, NULL, 10);
}

/* The client that F07 waits for. */
static void
connect_client(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int64_t deadline_us = mono_now_us() + PATIENCE_MS * US_PER_MS;

    if (strcmp(now.play->row->id, "F07") != 0)
        return;
    while (told("port") < 0 && mono_now_us() < deadline_us)
        (void)log_read(mono_now_us() + 10 * US_PER_MS);
    at.sin_port = htons((uint16_t)told("port"));
    now.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(now.client, (const struct sockaddr *)&at, sizeof(at)), 0);
}

/* ---- what stint says ------------------------------------------------------------------------------ */

/* The object of that schema, wherever it is in the answer. */
static json_t *
find_report(json_t *in)
{
    json_t *value, *found = NULL;
    const char *key;
    size_t i;

    if (json_is_object(in) && json_object_get(in, "groups"))
        return json_incref(in);
    if (json_is_object(in))
        json_object_foreach(in, key, value) if (!found) found = find_report(value);
    if (json_is_array(in))
        json_array_foreach(in, i, value) if (!found) found = find_report(value);
    return found;
}

static json_t *
ask_threads(const char *generation)
{
    auto_free char *out = NULL;
    json_t *answer, *report;
    int status = scn_cli(&out, "threads", "row", "-g", generation, "--json", NULL);

    answer = json_loads(out, 0, NULL);
    report = find_report(answer);
    if (!report)
        ck_abort_msg("stint threads: exit %d, no report in it: %s", status, out);
    json_decref(answer);
    return report;
}

/* Nobody is said to be still on his way out, and who has to beat had the time to. */
static bool
settled(const json_t *report)
{
    struct outcome so_far;
    const json_t *g;
    size_t i;

    judge_begin(now.play, &so_far);
    judge_report(now.play, report, told("count"), &so_far);
    if ((so_far.leaks && !so_far.found) || so_far.said < so_far.asked)
        return false;

    json_array_foreach(json_object_get(report, "groups"), i, g)
    {
        const char *verdict = json_string_value(json_object_get(g, "verdict"));

        if (verdict && strcmp(verdict, "draining") == 0)
            return false;
    }
    return true;
}

static json_t *
ask_settled(const char *generation)
{
    int64_t deadline_us = mono_now_us() + SETTLE_US;
    json_t *report = ask_threads(generation);

    while (!settled(report) && mono_now_us() < deadline_us) {
        json_decref(report);
        (void)log_read(mono_now_us() + 50 * US_PER_MS);
        report = ask_threads(generation);
    }
    return report;
}

static void
judge(const json_t *report)
{
    int counted = told("count");

    judge_report(now.play, report, counted < 0 ? 0 : counted, now.outcome);
    if (now.keep && report && now.outcome->why[0])
        (void)json_dump_file(report, now.keep, JSON_INDENT(1));
}

/* ---- the drives --------------------------------------------------------------------------------------- */

static pid_t
worker(void)
{
    const char *line = scn_await_any("event=worker_ready service=row gen=1", PATIENCE_MS);

    return (pid_t)scn_field(line, "pid");
}

/* Relieve it by a program that is not looked at. Return: it did not leave in its time. */
static bool
relieve(void)
{
    int64_t deadline_us = mono_now_us() + PATIENCE_MS * US_PER_MS;

    configure("idle", "twin");
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 0);
    while (mono_now_us() < deadline_us) {
        if (scn_count("event=worker_leak service=row gen=1") > 0)
            return true;
        if (scn_count("event=certificate service=row gen=1") > 0)
            return false;
        (void)log_read(mono_now_us() + 20 * US_PER_MS);
    }
    ck_abort_msg("it neither left nor was it accused");
    return false;
}

static void
drain(pid_t pid)
{
    json_t *report;

    if (!relieve()) {
        judge(NULL);
        return;
    }
    report = ask_threads("1");
    judge(report);
    json_decref(report);
    (void)kill(pid, SIGKILL);
}

/* It is accused, leaves all the same, and both are remembered. */
static void
recover(void)
{
    auto_free char *leaks = NULL;

    if (!relieve()) {
        judge(NULL);
        return;
    }
    json_t *report = ask_threads("1");

    judge(report);
    json_decref(report);
    (void)scn_await_any("event=certificate service=row gen=1", PATIENCE_MS);
    (void)scn_cli(&leaks, "leaks", "row", "--json", NULL);
    now.outcome->asked++;
    if (leaks && strstr(leaks, "recovered"))
        now.outcome->said++;
    else
        complain(now.outcome, "'stint leaks' does not say that it recovered");
}

static void
story(int i)
{
    pid_t pid;

    (void)i;
    scn_copy("row", getenv(now.play->flavour == REGISTERED ? "CORPUS_REGISTERED" : "CORPUS_BARE"),
             "");
    configure(now.play->row->id, now.play->twin ? "twin" : "bug");
    scn_start();
    connect_client();
    (void)scn_await("event=verdict service=row outcome=serving gen=1", PATIENCE_MS);
    pid = worker();
    switch (play_drive(now.play)) {
    case LIVE: {
        json_t *report = ask_settled("1");

        judge(report);
        json_decref(report);
        configure("idle", "twin"); /* or there would soon be another one of it */
        (void)scn_cli(NULL, "reload", NULL);
        (void)kill(pid, SIGKILL);
        break;
    }
    case STOPPED:
        if (!now.play->twin)
            ck_assert_int_eq(kill(pid, SIGSTOP), 0);
        drain(pid);
        break;
    case RECOVER:
        recover();
        break;
    case DRAIN:
        drain(pid);
        break;
    case NONE:
        break;
    }
    (void)scn_await_gone(pid, 5000);
    if (now.client >= 0)
        (void)close(now.client);
    ck_assert_uint_eq(scn_count("event=bug"), 0);
}

static const TTest test = {"play", story, __FILE__, __LINE__};

bool
play_it(const struct play *p, const char *keep, struct outcome *ret)
{
    Suite *suite = suite_create(p->row->id);
    TCase *tc = tcase_create(p->row->id);
    SRunner *runner = srunner_create(suite);
    int failed;

    now.play = p;
    now.outcome = ret;
    now.keep = keep;
    tcase_add_checked_fixture(tc, scn_begin, scn_end);
    tcase_add_test(tc, &test);
    tcase_set_timeout(tc, 0);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    if (failed) {
        TestResult **failures = srunner_failures(runner);

        complain(ret, "not played: %.300s", tr_msg(failures[0]));
        ret->played = false;
        free(failures);
    }
    srunner_free(runner);
    return failed == 0;
}
