/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stint preflight of programs that know nothing of libstint: fewer checks, and those are said. */
#include <stdlib.h>

#include "tests/scenario/preflight.h"

/* python3 stranger.py FAULTS, with these lines of configuration. Return: its path. */
static const char *
stranger(const char *faults, const char *lines)
{
    static char config[512];

    scn_copy("stranger.py", getenv("STRANGER"), "");
    scn_config("  web:\n    command: [python3, %s/stranger.py%s]\n"
               "    listen: {http: 'tcp://127.0.0.1:9'}\n    ready: notify\n"
               "    drain_timeout: 5s\n%s",
               scn_dir(), faults, lines);
    (void)snprintf(config, sizeof(config), "%s", scn_path("stint.yaml"));
    return config;
}

START_TEST(a_python_server_passes_with_fewer_checks_and_which_is_said)
{
    const char *config =
        stranger("", "    preflight: {load: {url: 'http://http/', requests: 40}}\n");
    json_t *report = preflight_expect("web", config, "");
    auto_free char *skipped = preflight_checks(report, "skipped");
    auto_free char *passed = preflight_checks(report, "passed");

    ck_assert_str_eq(skipped, "trace deadlines");
    ck_assert_str_eq(passed, "program start load reload profiling lifecycle growth");
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "deadlines"), "without libstint"));
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "load"), "160 of 160"));
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

/* Ten reloads by a signal, so in one process, under requests. */
static json_t *
ten_reloads(const char *faults, const char *failed)
{
    return preflight_expect("web",
                            stranger(faults,
                                     "    handoff: signal\n    preflight: {reloads: 10, load: "
                                     "{url: 'http://http/', requests: 8}}\n"),
                            failed);
}

START_TEST(memory_and_descriptors_that_grow_with_each_reload_are_told_with_numbers)
{
    json_t *report = ten_reloads(", memory", "growth");
    const char *evidence = preflight_evidence(report, "growth");

    ck_assert_msg(strstr(evidence, "memory: ") && strstr(evidence, "after 9 reloads") &&
                      !strstr(evidence, "descriptors: "),
                  "%s", evidence);
    json_decref(report);
    report = ten_reloads(", descriptor", "growth");
    evidence = preflight_evidence(report, "growth");
    ck_assert_msg(strstr(evidence, "descriptors: ") && !strstr(evidence, "memory: "), "%s",
                  evidence);
    json_decref(report);
}
END_TEST

START_TEST(caches_that_fill_and_memory_that_comes_and_goes_are_no_leak)
{
    json_decref(ten_reloads(", warm", ""));
    json_decref(ten_reloads("", ""));
}
END_TEST

START_TEST(a_process_that_outlives_its_worker_is_named_and_ended)
{
    char faults[256];
    const char *config;
    json_t *report;

    scn_copy("straggler", "/bin/sleep", "");
    (void)snprintf(faults, sizeof(faults), ", escape, %s/straggler", scn_dir());
    config = stranger(faults, "    preflight: {reloads: 1}\n");
    report = preflight_expect("web", config, "lifecycle");
    ck_assert_msg(strstr(preflight_evidence(report, "lifecycle"), "outlived"), "%s",
                  preflight_evidence(report, "lifecycle"));
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

START_TEST(a_port_of_its_own_is_told_unless_it_is_named)
{
    char faults[64], lines[128];
    json_t *report;

    (void)snprintf(faults, sizeof(faults), ", port, '%d'", scn_port());
    (void)snprintf(lines, sizeof(lines),
                   "    preflight: {reloads: 1, listens: ['tcp://127.0.0.1:%d']}\n", scn_port());
    report =
        preflight_expect("web", stranger(faults, "    preflight: {reloads: 1}\n"), "profiling");
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "profiling"),
                                 "which nothing in the configuration names"));
    json_decref(report);
    json_decref(preflight_expect("web", stranger(faults, lines), ""));
    json_decref(preflight_expect(
        "web", stranger(faults, "    preflight: {reloads: 1, listens: ['tcp://127.0.0.1:*']}\n"),
        ""));
}
END_TEST

START_TEST(a_port_that_only_a_reload_opens_is_told_too)
{
    char faults[64];
    json_t *report;

    (void)snprintf(faults, sizeof(faults), ", late-port, '%d'", scn_port());
    report = preflight_expect(
        "web", stranger(faults, "    handoff: signal\n    preflight: {reloads: 2}\n"), "profiling");
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "profiling"),
                                 "which nothing in the configuration names"));
    json_decref(report);
}
END_TEST

static json_t *
with_socket(const char *path, const char *mode, const char *listens, const char *failed)
{
    char faults[512], lines[256];

    (void)snprintf(faults, sizeof(faults), ", socket, '%s', '%s'", path, mode);
    (void)snprintf(lines, sizeof(lines), "    preflight: {reloads: 1, listens: [%s]}\n", listens);
    return preflight_expect("web", stranger(faults, lines), failed);
}

START_TEST(a_unix_socket_that_anybody_may_use_is_told_and_one_of_its_own_user_is_not)
{
    json_t *report;
    const char *evidence;

    report = with_socket("{cage}/debug.sock", "0777", "", "profiling");
    evidence = preflight_evidence(report, "profiling");
    ck_assert_msg(strstr(evidence, "debug.sock, which nothing in the configuration names") &&
                      strstr(evidence, "any user of this machine may connect, mode 0777") &&
                      strstr(evidence, "answers GET /debug/pprof/ without a token"),
                  "%s", evidence);
    json_decref(report);
    report = with_socket("{cage}/debug.sock", "0600", "", "");
    evidence = preflight_evidence(report, "profiling");
    ck_assert_msg(
        strstr(evidence, "profiles are given out to its own user or group alone, by unix:"), "%s",
        evidence);
    json_decref(report);
    /* To be named is not enough where a profile is given out. */
    report = with_socket("{cage}/debug.sock", "0666", "'unix:{cage}/debug.sock'", "profiling");
    evidence = preflight_evidence(report, "profiling");
    ck_assert_msg(!strstr(evidence, "which nothing"), "%s", evidence);
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

START_TEST(an_abstract_socket_is_everybodys)
{
    json_t *report = with_socket("@stint-test-", "0", "", "profiling");
    const char *evidence = preflight_evidence(report, "profiling");

    ck_assert_msg(strstr(evidence, "listens on unix:@stint-test-") &&
                      strstr(evidence, "an abstract socket has no mode"),
                  "%s", evidence);
    json_decref(report);
    report = with_socket("@stint-test-", "0", "'unix:@stint-test-*'", "profiling");
    evidence = preflight_evidence(report, "profiling");
    ck_assert_msg(!strstr(evidence, "which nothing") && strstr(evidence, "GET /debug/pprof/"), "%s",
                  evidence);
    json_decref(report);
}
END_TEST

/* It is alive, and that is all that 'ready' says: what it does a second later would be missed. */
START_TEST(who_is_only_assumed_to_be_ready_has_to_outlast_it)
{
    json_t *report;
    const char *evidence;

    scn_config("  job:\n    command: [python3, -c, 'import time; time.sleep(1); "
               "print(\"the address is taken\", flush=True); raise SystemExit(3)']\n"
               "    ready: {assume_after: 100ms}\n    preflight: {reloads: 1}\n");
    report = preflight_expect("job", scn_path("stint.yaml"), "start");
    evidence = preflight_evidence(report, "start");
    ck_assert_msg(strstr(evidence, "a worker ended by itself and was started again, "), "%s",
                  evidence);
    ck_assert_msg(strstr(evidence, "it exited with status 3 while serving; last output: "
                                   "the address is taken"),
                  "%s", evidence);
    json_decref(report);
    scn_config("  job:\n    command: [/bin/sleep, '1000']\n    handoff: replace\n"
               "    ready: {assume_after: 100ms}\n    preflight: {reloads: 1}\n");
    {
        auto_free char *out = NULL;

        ck_assert_int_eq(preflight("job", scn_path("stint.yaml"), "--beside-live", &out), 0);
        ck_assert_msg(strstr(out, "whether ready is only assumed"), "%s", out);
        ck_assert_msg(strstr(out, "1 of 1, each when the one before had left"), "%s", out);
    }
    preflight_nothing_left();
}
END_TEST

/* It binds a port of its own, and never takes a connection of the socket that it is handed. */
START_TEST(a_load_that_nobody_answers_is_not_tried_again_with_each_reload)
{
    json_t *report;

    scn_config("  job:\n    command: [/bin/sleep, '1000']\n    ready: {assume_after: 100ms}\n"
               "    listen: {http: 'tcp://127.0.0.1:9'}\n"
               "    preflight: {load: {url: 'http://http/', timeout: 1s, requests: 4}}\n");
    report = preflight_expect("job", scn_path("stint.yaml"), "load");
    ck_assert_msg(!strstr(preflight_evidence(report, "load"), "during a reload"), "%s",
                  preflight_evidence(report, "load"));
    json_decref(report);
}
END_TEST

/* With the files of examples/nginx, whose block says how nginx is kept in a cage. */
START_TEST(nginx_is_rehearsed_beside_the_one_that_runs)
{
    static const char *const files[] = {"nginx.conf", "stint.yaml"};
    auto_free char *config = NULL, *skipped = NULL;
    json_t *report;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        auto_text struct text from = TEXT_INIT;

        text_addf(&from, "%s/nginx/%s", getenv("EXAMPLES_DIR"), files[i]);
        scn_copy(files[i], text_str(&from), "");
    }
    config = strdup(scn_path("stint.yaml"));
    report = preflight_expect("web", config, "");
    skipped = preflight_checks(report, "skipped");
    ck_assert_str_eq(skipped, "trace deadlines");
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

scn_main("preflight_strangers", a_python_server_passes_with_fewer_checks_and_which_is_said,
         memory_and_descriptors_that_grow_with_each_reload_are_told_with_numbers,
         caches_that_fill_and_memory_that_comes_and_goes_are_no_leak,
         a_process_that_outlives_its_worker_is_named_and_ended,
         a_port_of_its_own_is_told_unless_it_is_named, a_port_that_only_a_reload_opens_is_told_too,
         a_unix_socket_that_anybody_may_use_is_told_and_one_of_its_own_user_is_not,
         who_is_only_assumed_to_be_ready_has_to_outlast_it,
         a_load_that_nobody_answers_is_not_tried_again_with_each_reload,
         an_abstract_socket_is_everybodys, nginx_is_rehearsed_beside_the_one_that_runs)
