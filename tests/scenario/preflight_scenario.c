/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stint preflight: what it starts and what not, what it leaves behind, and the door that asks for it. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/scenario/preflight.h"

#define WEB                      \
    "  web:\n"                   \
    "    command: [%s/hello]\n"  \
    "    libstint: true\n"       \
    "    drain_timeout: 2s\n"    \
    "    deadlines: {max: 5s}\n" \
    "    trace: {lint: false}\n" \
    "%s"

/* One service, the smallest worker of all, with these lines. Return: the configuration. */
static const char *
web(const char *lines)
{
    static char config[512];

    scn_copy("hello", getenv("HELLO_BINARY"), "");
    scn_config(WEB, scn_dir(), lines);
    (void)snprintf(config, sizeof(config), "%s", scn_path("stint.yaml"));
    return config;
}

/* ---- what is started ------------------------------------------------------------------------- */

START_TEST(without_a_block_nothing_is_started_and_that_is_said)
{
    const char *config = web("");
    json_t *report = preflight_expect("web", config, "");
    auto_free char *skipped = preflight_checks(report, "skipped");

    ck_assert_str_eq(skipped, "start load reload profiling trace deadlines lifecycle growth");
    ck_assert(json_is_false(json_object_get(report, "rehearsed")));
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "start"), "'preflight' block"));
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

START_TEST(what_may_never_be_there_twice_is_started_only_when_that_is_said)
{
    const char *config = web("    handoff: replace\n    preflight: {}\n");
    auto_free char *out = NULL;
    json_t *report = preflight_expect("web", config, "");

    ck_assert(json_is_false(json_object_get(report, "rehearsed")));
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "start"), "--beside-live"));
    json_decref(report);
    ck_assert_int_eq(preflight("web", config, "--beside-live", &out), 0);
    ck_assert_ptr_nonnull(strstr(out, "web: passed,"));
    preflight_nothing_left();
}
END_TEST

START_TEST(it_is_beside_the_service_that_runs_and_does_not_touch_it)
{
    const char *config;
    char lines[512];
    json_t *report;

    (void)snprintf(lines, sizeof(lines),
                   "    listen: {http: 'tcp://127.0.0.1:%d', admin: 'unix:%s/admin.sock'}\n"
                   "    preflight: {reloads: 1}\n",
                   scn_port(), scn_dir());
    config = web(lines);
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    report = preflight_expect("web", config, "");
    ck_assert(json_is_true(json_object_get(report, "rehearsed")));
    json_decref(report);
    ck_assert_uint_eq(scn_count("event=generation_draining"), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    ck_assert_int_eq(scn_stop(), 0);
    preflight_nothing_left();
}
END_TEST

START_TEST(a_candidate_that_does_not_start_fails_with_what_it_said)
{
    const char *config = web("    environment: {MODE: x}\n    ready: {exec: [/bin/false]}\n"
                             "    start_timeout: 100ms\n    respawn: {limit: {count: 1}}\n"
                             "    preflight: {}\n");
    json_t *report = preflight_expect("web", config, "start");

    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "start"), "rejected"));
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

START_TEST(a_load_that_fails_is_told_with_its_last_words)
{
    const char *config = web("    listen: {http: 'tcp://127.0.0.1:9'}\n"
                             "    preflight:\n      reloads: 1\n"
                             "      load: [/bin/sh, -c, 'echo no answer at $0 of "
                             "$STINT_LISTEN_http; exit 3', '{port.http}']\n");
    json_t *report = preflight_expect("web", config, "load");
    const char *evidence = preflight_evidence(report, "load");

    ck_assert_msg(strstr(evidence, "exited with status 3: no answer at "), "%s", evidence);
    ck_assert_msg(strstr(evidence, "of tcp://127.0.0.1:"), "%s", evidence);
    json_decref(report);
}
END_TEST

START_TEST(without_a_policy_nobody_knows_how_long_a_request_may_take)
{
    const char *config = web("");
    json_t *report;

    scn_config("  web:\n    command: [%s/hello]\n    libstint: true\n"
               "    listen: {http: 'tcp://127.0.0.1:9'}\n",
               scn_dir());
    report = preflight_expect("web", config, "deadlines"); /* seen without starting anything */
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "deadlines"), "no policy"));
    json_decref(report);
}
END_TEST

/* ---- lines without a trace --------------------------------------------------------------------- */

static const char *
talker(const char *lines)
{
    const char *config = web("");

    scn_config("  web:\n    command: [%s/hello]\n    libstint: true\n%s"
               "    preflight: {reloads: 1}\n",
               scn_dir(), lines);
    return config;
}

START_TEST(who_takes_no_requests_has_no_trace_to_speak_of)
{
    json_t *report = preflight_expect("web", talker(""), "");
    const char *evidence = preflight_evidence(report, "trace");

    ck_assert_msg(strstr(evidence, "it takes no requests, and none of its"), "%s", evidence);
    json_decref(report);
}
END_TEST

START_TEST(a_line_without_a_trace_and_without_a_reason_is_shown)
{
    json_t *report = preflight_expect(
        "web", talker("    listen: {http: 'tcp://127.0.0.1:9'}\n    deadlines: {max: 5s}\n"),
        "trace");
    const char *evidence = preflight_evidence(report, "trace");

    ck_assert_msg(strstr(evidence, "do not say why, such as: hello from generation 1"), "%s",
                  evidence);
    json_decref(report);
}
END_TEST

/* The example that a newcomer tries first, with its own files. */
START_TEST(the_example_passes_its_own_gate)
{
    static const char *const files[] = {"stint.yaml", "web.conf"};
    auto_free char *config = NULL, *skipped = NULL;
    const char *evidence;
    json_t *report;

    scn_copy("web", getenv("WEB_BINARY"), "");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        auto_text struct text from = TEXT_INIT;

        text_addf(&from, "%s/web/%s", getenv("EXAMPLES_DIR"), files[i]);
        scn_copy(files[i], text_str(&from), "");
    }
    config = strdup(scn_path("stint.yaml"));
    report = preflight_expect("web", config, "");
    evidence = preflight_evidence(report, "deadlines");
    ck_assert_msg(strstr(evidence, " requests, nobody worked on past a deadline"), "%s", evidence);
    skipped = preflight_checks(report, "skipped");
    ck_assert_str_eq(skipped, "trace"); /* it prints no line */
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

/* ---- what is left ----------------------------------------------------------------------------- */

/* A preflight that is at work, and gets @signo. Return: its status. */
static int
struck_by(int signo)
{
    const char *config = web("    preflight: {reloads: 1000}\n");
    const char *const argv[] = {"stint", "preflight", "web", "-c", config, NULL};
    int none = open("/dev/null", O_WRONLY | O_CLOEXEC), ends[2], status;
    auto_free char *line = NULL;
    size_t room = 0;
    FILE *progress;
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = preflight_start(none, ends[1], argv);
    fd_close(ends[1]);
    progress = fdopen(ends[0], "re");
    ck_assert_ptr_nonnull(progress);
    do
        ck_assert_int_gt(getline(&line, &room, progress), 0);
    while (!strstr(line, "reload 2 of 1000"));
    ck_assert_int_eq(kill(pid, signo), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    (void)fclose(progress);
    fd_close(none);
    return status;
}

START_TEST(ctrl_c_leaves_neither_a_process_nor_a_cage)
{
    int status = struck_by(SIGINT);

    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 130);
    preflight_nothing_left();
}
END_TEST

START_TEST(a_preflight_that_is_killed_takes_its_processes_along)
{
    (void)struck_by(SIGKILL);
    scn_nobody_left(); /* its supervisor was told to stop, and did */
}
END_TEST

START_TEST(a_kept_cage_has_the_log_and_is_said)
{
    const char *config = web("    preflight: {reloads: 1}\n");
    auto_free char *out = NULL;
    auto_text struct text log = TEXT_INIT;
    char *at;

    ck_assert_int_eq(preflight("web", config, "--keep", &out), 0);
    at = strstr(out, "the cage is kept: ");
    ck_assert_ptr_nonnull(at);
    text_addf(&log, "%.*s/log", (int)strcspn(at + 18, "\n"), at + 18);
    ck_assert_int_eq(access(text_str(&log), R_OK), 0);
}
END_TEST

/* ---- for CI ----------------------------------------------------------------------------------- */

/* Its structure is that of the format, and @asserts (of Python) hold of the suite `s` and its `cases`. */
static void
junit_is(const char *xml, const char *asserts)
{
    auto_text struct text command = TEXT_INIT;

    scn_file("junit.xml", "%s", xml);
    text_addf(&command,
              "xmllint --noout --relaxng %s %s/junit.xml && python3 - %s/junit.xml <<'END'\n"
              "import sys, xml.etree.ElementTree as t\n"
              "s = t.parse(sys.argv[1]).getroot()\n"
              "cases = s.findall('testcase')\n"
              "def of(what): return [c.get('name') for c in cases if c.find(what) is not None]\n"
              "assert int(s.get('tests')) == len(cases), s.attrib\n"
              "assert int(s.get('failures')) == len(of('failure')), s.attrib\n"
              "assert int(s.get('errors')) == len(of('error')), s.attrib\n"
              "assert int(s.get('skipped')) == len(of('skipped')), s.attrib\n"
              "%s\nEND",
              getenv("JUNIT_RNG"), scn_dir(), scn_dir(), asserts);
    ck_assert_msg(system(text_str(&command)) == 0, "%s", xml);
}

START_TEST(the_junit_file_is_what_its_readers_take)
{
    auto_free char *failed = NULL, *passed = NULL;
    char lines[256];
    const char *config;

    scn_file("load.sh", "%s", "printf '<&> \\303\\251 \\377 \\001'; exit 1\n");
    (void)snprintf(lines, sizeof(lines),
                   "    preflight: {reloads: 1, load: [/bin/sh, %s/load.sh]}\n", scn_dir());
    config = web(lines);
    ck_assert_int_eq(preflight("web", config, "--junit", &failed), 1);
    junit_is(failed,
             "assert len(cases) == 9 and of('failure') == ['load'], of('failure')\n"
             "assert '<&> é ? ?' in s.find('testcase/failure').get('message'), t.tostring(s)\n"
             "assert 'load' in s.find('testcase/failure').text");
    ck_assert_int_eq(
        preflight("web", web("    soak: 2s\n    preflight: {reloads: 1}\n"), "--junit", &passed),
        0);
    junit_is(passed,
             "assert len(cases) == 9 and not of('failure')\n"
             "assert 'start: 1 worker ready' in s.find('system-out').text\n"
             "assert \"'soak' is 1s instead of 2s\\n\" == s.find('system-err').text\n"
             "assert s.find('properties/property[@name=\"service\"]').get('value') == 'web'");
}
END_TEST

/* ---- the door --------------------------------------------------------------------------------- */

START_TEST(the_door_opens_for_exactly_the_candidate_that_passed)
{
    const char *config = web("    watch: {binary: false}\n"
                             "    handoff: {mode: overlap, require_preflight: true}\n"
                             "    preflight: {reloads: 1}\n");
    auto_free char *shut = NULL, *forced = NULL, *open = NULL, *again = NULL, *out = NULL;

    scn_start(); /* where nothing serves, nobody is kept waiting */
    (void)scn_await("event=generation_serving gen=1", 10000);

    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    ck_assert_int_eq(scn_cli(&shut, "reload", "web", NULL), 1);
    ck_assert_msg(strstr(shut, "stint preflight web"), "%s", shut);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 0);

    ck_assert_int_eq(preflight("web", config, NULL, &out), 0);
    ck_assert_ptr_nonnull(strstr(out, "the door is open"));
    ck_assert_int_eq(scn_cli(&open, "reload", "web", NULL), 0);
    (void)scn_await("event=generation_serving gen=2", 10000);

    scn_copy("hello", getenv("HELLO_BINARY"), "3"); /* another program, which nobody has seen */
    ck_assert_int_eq(scn_cli(&again, "reload", "web", NULL), 1);
    ck_assert_int_eq(scn_cli(&forced, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=audit verb=reload force=true", 10000);
    (void)scn_await_any("event=check msg=\"is not asked for a preflight: operator", 10000);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(what_has_passed_elsewhere_has_passed_when_it_is_put_in_its_place)
{
    const char *config = web("    handoff: {require_preflight: true}\n    preflight: {reloads: 1}\n"
                             "    watch: {binary: false}\n");
    auto_free char *out = NULL;
    auto_text struct text flag = TEXT_INIT;

    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    scn_copy("hello-next", getenv("HELLO_BINARY"), "next");
    text_addf(&flag, "--binary=%s", scn_path("hello-next"));
    ck_assert_int_eq(preflight("web", config, text_str(&flag), &out), 0);
    ck_assert_ptr_nonnull(strstr(out, "hello-next, candidate"));
    scn_copy("hello", getenv("HELLO_BINARY"), "next");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", NULL), 0);
    (void)scn_await("event=generation_serving gen=2", 10000);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_record_that_others_may_write_is_not_believed)
{
    const char *config =
        web("    handoff: {require_preflight: true}\n    preflight: {reloads: 1}\n");
    auto_free char *out = NULL, *answer = NULL;
    auto_text struct text command = TEXT_INIT;

    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    ck_assert_int_eq(scn_cli(NULL, "stop", "web", NULL), 0);
    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    ck_assert_int_eq(preflight("web", config, NULL, &out), 0);
    scn_copy("hello", getenv("HELLO_BINARY"), "");
    ck_assert_int_eq(scn_cli(NULL, "start", "web", NULL), 0);
    scn_copy("hello", getenv("HELLO_BINARY"), "2");
    text_addf(&command, "chmod 666 %s/state/preflight/web.*", scn_dir());
    ck_assert_int_eq(system(text_str(&command)), 0);
    ck_assert_int_eq(scn_cli(&answer, "reload", "web", NULL), 1);
    ck_assert_msg(strstr(answer, "is not believed"), "%s", answer);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("preflight", the_example_passes_its_own_gate,
         who_takes_no_requests_has_no_trace_to_speak_of,
         a_line_without_a_trace_and_without_a_reason_is_shown,
         what_has_passed_elsewhere_has_passed_when_it_is_put_in_its_place,
         a_preflight_that_is_killed_takes_its_processes_along,
         without_a_block_nothing_is_started_and_that_is_said,
         what_may_never_be_there_twice_is_started_only_when_that_is_said,
         it_is_beside_the_service_that_runs_and_does_not_touch_it,
         a_candidate_that_does_not_start_fails_with_what_it_said,
         a_load_that_fails_is_told_with_its_last_words,
         without_a_policy_nobody_knows_how_long_a_request_may_take,
         ctrl_c_leaves_neither_a_process_nor_a_cage, a_kept_cage_has_the_log_and_is_said,
         the_junit_file_is_what_its_readers_take,
         the_door_opens_for_exactly_the_candidate_that_passed,
         a_record_that_others_may_write_is_not_believed)
