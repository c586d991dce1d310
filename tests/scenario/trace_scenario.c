/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Trace context: from a request to the line of a log, and from a reload to its workers. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "trace_stage.h"

START_TEST(a_program_that_keeps_its_trace_has_it_in_every_line)
{
    json_t *c;

    service("web", "good, raw, child", "");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    (void)scn_await_any("event=output service=web trace=" TRACE " ~within+the+request", 5000);
    (void)scn_await_any("event=output service=web ~reason=unregistered ~nobody+knows+me", 5000);
    (void)scn_await_any("event=output service=web ~of+a+child", 5000);
    (void)scn_await_any("event=output service=web ~serving", 5000);
    c = counts();
    ck_assert_int_eq(number(c, "lines"), 4);
    ck_assert_int_eq(number(c, "stamped"), 3);
    ck_assert_int_eq(number(c, "explained"), 1);
    ck_assert_int_eq(number(c, "without_trace"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(c, "findings")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(c, "lost_in_thread")), 0);
    ck_assert_uint_eq(scn_count("event=trace_fault"), 0);
    json_decref(c);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(what_is_wrong_with_a_line_is_told_by_the_thread_that_printed_it)
{
    static const char *const faults[] = {"span_without_trace", "zero", "malformed", "changed"};
    auto_free char *out = NULL, *lint = NULL, *json = NULL;
    json_t *c, *lost;

    service("web", "lose, span, zero, bad, change", "");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    (void)scn_await_any("event=output service=web ~serving", 5000);
    c = counts();
    ck_assert_int_eq(number(c, "lines"), 7);
    ck_assert_int_eq(number(c, "without_trace"), 1);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        char words[128];

        ck_assert_msg(number(c, faults[i]) == 1, "%s", faults[i]);
        (void)snprintf(words, sizeof(words),
                       "event=trace_fault service=web gen=1 fault=%s thread=careless", faults[i]);
        (void)scn_await_any(words, 5000);
    }
    (void)scn_await_any("event=trace_fault service=web fault=lost thread=forgetful ~tracer.c:",
                        5000);
    lost = json_array_get(json_object_get(c, "lost_in_thread"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(lost, "thread")), "forgetful");
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(lost, "creator")), "in_thread at "));
    ck_assert_int_eq(number(lost, "count"), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(c, "findings")), 4);
    json_decref(c);
    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_msg(strstr(out, "trace context: of 7 lines 1 lost the trace of their thread (thread "
                              "forgetful, in_thread at ") &&
                      strstr(out, "1 with a span and no trace (thread careless, in_thread at "),
                  "%s", out);
    ck_assert_int_eq(scn_cli(&lint, "logs", "web", "--lint", NULL), 0);
    ck_assert_msg(strstr(lint, "web: 7 lines: ") && strstr(lint, "1 x lost ") &&
                      strstr(lint, "thread forgetful, in_thread at ") &&
                      strstr(lint, "1 x span_without_trace  thread careless, in_thread at "),
                  "%s", lint);
    ck_assert_int_eq(scn_cli(&json, "logs", "--lint", "--json", NULL), 0);
    ck_assert_ptr_nonnull(strstr(json, "\"schema\": \"stint.lint/1\""));
    ck_assert_ptr_nonnull(strstr(json, "\"lost_in_thread\""));
    ck_assert_int_eq(scn_cli(NULL, "logs", "--lint", "--follow", NULL), 64);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(lines_are_not_looked_at_where_that_is_not_wanted)
{
    auto_free char *out = NULL;

    service("web", "good, span", "    trace: {lint: false}\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    ck_assert_ptr_null(strstr(out, "\"span_without_trace\""));
    ck_assert_uint_eq(scn_count("event=trace_fault"), 0);
    ck_assert_uint_eq(scn_count("event=output service=web trace=" TRACE), 0);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

static unsigned
occurrences(const char *text, const char *of)
{
    unsigned n = 0;

    for (const char *at = strstr(text, of); at; at = strstr(at + 1, of))
        n++;
    return n;
}

START_TEST(a_trace_is_found_in_all_services_and_generations_and_in_the_supervisors_own_lines)
{
    auto_free char *out = NULL, *reload = NULL, *bad = NULL;
    char trace[33];
    const char *line;

    scn_copy("web", getenv("TRACER_BINARY"), "");
    scn_config(
        "  web:\n    command: [./web, good]\n    directory: %s\n    libstint: true\n"
        "  other:\n    command: [./web, good, span]\n    directory: %s\n    libstint: true\n",
        scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=verdict service=web outcome=serving", 10000);
    (void)scn_await_any("event=verdict service=other outcome=serving", 10000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=output service=web gen=2 ~serving", 5000);
    ck_assert_int_eq(scn_cli(&out, "logs", "--trace", "00-" TRACE "-b7ad6b7169203331-01", NULL), 0);
    ck_assert_msg(occurrences(out, "within the request") == 3, "%s", out);
    ck_assert_msg(!strstr(out, "serving\""), "%s", out);
    line = scn_await_any("event=verdict service=web outcome=serving gen=2", 5000);
    ck_assert_ptr_nonnull(strstr(line, " trace="));
    memcpy(trace, strstr(line, " trace=") + 7, 32);
    trace[32] = '\0';
    ck_assert_int_eq(scn_cli(&reload, "logs", "--trace", trace, "--json", NULL), 0);
    ck_assert_msg(strstr(reload, "\"event\":\"verdict\"") &&
                      strstr(reload, "\"event\":\"worker_ready\"") &&
                      strstr(reload, "\"event\":\"output\"") && strstr(reload, "serving\\\""),
                  "%s", reload);
    ck_assert(!strstr(reload, "\"gen\":1,\"slot\":0,\"pid\"") ||
              !strstr(reload, "within the request"));
    ck_assert_int_eq(scn_cli(&bad, "logs", "--trace", "xyz", NULL), 64);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* `stint logs --trace ID --follow`, whose lines can be read; ended by its pid. */
static FILE *
start_following(pid_t *ret)
{
    char socket[128];
    int ends[2];

    (void)snprintf(socket, sizeof(socket), "%s/run/control.sock", scn_dir());
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    *ret = fork();
    ck_assert_int_ge(*ret, 0);
    if (*ret == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execl(getenv("STINT_BINARY"), "stint", "logs", "--socket", socket, "--json",
                    "--trace", TRACE, "--follow", NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    return fdopen(ends[0], "re");
}

/* The next line of that trace, of @service and @generation; nothing else may come. */
static void
assert_next(FILE *in, const char *service, int generation)
{
    char line[4096] = "";
    json_t *json;

    ck_assert_ptr_nonnull(fgets(line, sizeof(line), in)); /* the test's own time is the limit */
    json = json_loads(line, 0, NULL);
    ck_assert_msg(json != NULL, "%s", line);
    ck_assert_str_eq(json_string_value(json_object_get(json, "service")), service);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "gen")), generation);
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(json, "msg")), "within the request"));
    json_decref(json);
}

START_TEST(a_trace_is_followed_over_all_services_and_generations_and_no_line_comes_twice)
{
    FILE *in;
    pid_t pid;

    scn_copy("web", getenv("TRACER_BINARY"), "");
    scn_config("  web:\n    command: [./web, good]\n    directory: %s\n    libstint: true\n"
               "  other:\n    command: [./web, good]\n    directory: %s\n    libstint: true\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=output service=web ~serving", 10000);
    (void)scn_await_any("event=output service=other ~serving", 10000);
    ck_assert_int_eq(scn_cli(NULL, "stop", "other", "--wait=gone", NULL), 0);
    in = start_following(&pid);
    ck_assert_ptr_nonnull(in);
    for (int i = 0; i < 2; i++) { /* what there was, by time: of both */
        char line[4096] = "";

        ck_assert_ptr_nonnull(fgets(line, sizeof(line), in));
        ck_assert_ptr_nonnull(strstr(line, "within the request"));
        ck_assert_ptr_nonnull(strstr(line, "\"gen\":1,"));
    }
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    assert_next(in, "web", 2);
    ck_assert_int_eq(scn_cli(NULL, "start", "other", NULL), 0);
    assert_next(in, "other", 2);
    (void)scn_kill_master(); /* the next one is asked for what comes after that */
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    assert_next(in, "web", 3);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    (void)fclose(in);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_trace_is_found_in_log_files_and_no_line_twice)
{
    auto_free char *out = NULL, *json = NULL;

    ck_assert_int_eq(mkdir(scn_path("log"), 0755), 0);
    scn_file("log/web.log.20200101T000000.000000Z",
             "time=2020-01-01T00:00:00.000000Z trace_id=" TRACE
             " msg=\"long ago\"\nanother line\n");
    service("web", "good", "    log: {file: log/web.log}\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    do {
        free(out);
        ck_assert_int_eq(scn_cli(&out, "logs", "--trace", TRACE, NULL), 0);
    } while (!strstr(out, "within the request"));
    ck_assert_msg(occurrences(out, "within the request") == 1, "%s", out);
    ck_assert_msg(occurrences(out, "long ago") == 1, "%s", out);
    ck_assert(strstr(out, "long ago") < strstr(out, "within the request"));
    ck_assert(!strstr(out, "another line"));
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_eq(scn_cli(&json, "logs", "web", "--trace", TRACE, "--json", NULL), 0);
    ck_assert_msg(occurrences(json, "within the request") == 2, "%s", json);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* The span of that name in @lines, JSON of `stint events --spans`; NULL: there is none. A reference. */
static json_t *
span_named(const char *lines, const char *name, int generation)
{
    for (const char *at = lines; *at; at = strchr(at, '\n') + 1) {
        json_t *span = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);

        if (strcmp(json_string_value(json_object_get(span, "name")), name) == 0 &&
            (generation == 0 || json_integer_value(json_object_get(span, "gen")) == generation))
            return span;
        json_decref(span);
    }
    return NULL;
}

static const char *
text_of(const json_t *span, const char *key)
{
    const char *text = json_string_value(json_object_get(span, key));

    return text ? text : "";
}

START_TEST(a_reload_is_a_trace_whose_phases_are_its_spans_and_its_workers_hang_below_them)
{
    static const char *const phases[] = {"look", "check", "hand"};
    auto_free char *out = NULL;
    json_t *run, *start, *spawn, *drain, *leave, *certify, *first;
    char traceparent[64];

    service("web", "child", "    check: [\"true\"]\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_eq(scn_cli(&out, "events", "web", "--spans", "--json", NULL), 0);
    start = span_named(out, "start", 2);
    spawn = span_named(out, "spawn", 2);
    drain = span_named(out, "drain", 1);
    leave = span_named(out, "leave", 1);
    certify = span_named(out, "certify", 1);
    first = span_named(out, "start", 1);
    ck_assert_msg(start && spawn && drain && leave && certify && first, "%s", out);
    ck_assert_str_ne(text_of(start, "trace"), text_of(first, "trace"));
    ck_assert_str_eq(text_of(drain, "trace"), text_of(start, "trace")); /* of what relieved it */
    ck_assert_str_eq(text_of(leave, "parent"), text_of(drain, "span"));
    ck_assert_str_eq(text_of(spawn, "parent"), text_of(start, "span"));
    ck_assert_str_eq(text_of(certify, "msg"), "leaks: 0");
    ck_assert_str_eq(text_of(certify, "status"), "ok");
    for (const char *at = out; *at;
         at = strchr(at, '\n') + 1) { /* a tree: one root for each trace */
        json_t *span = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);

        ck_assert_int_le(json_integer_value(json_object_get(span, "start_unix_ns")),
                         json_integer_value(json_object_get(span, "end_unix_ns")));
        ck_assert_int_eq(*text_of(span, "parent") == '\0',
                         strcmp(text_of(span, "name"), "reload") == 0);
        json_decref(span);
    }
    run = span_named(out, "reload", 0);
    ck_assert_msg(run && strstr(text_of(run, "msg"), "serving: "), "%s", out);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        json_t *phase = span_named(out, phases[i], 0);

        ck_assert_msg(phase != NULL, "no %s", phases[i]);
        ck_assert_str_eq(text_of(phase, "parent"), text_of(run, "span"));
        ck_assert_str_eq(text_of(phase, "trace"), text_of(run, "trace"));
        json_decref(phase);
    }
    /* The worker is told its span, and is below it: what its child gets is of that trace, too. */
    (void)snprintf(traceparent, sizeof(traceparent), "event=output gen=2 ~traceparent=00-%s",
                   text_of(start, "trace"));
    (void)scn_await_any(traceparent, 5000);
    json_decref(run), json_decref(start), json_decref(spawn), json_decref(drain);
    json_decref(leave), json_decref(certify), json_decref(first);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_phase_that_another_master_ends_began_when_it_did)
{
    auto_free char *out = NULL;
    int began = scn_fifo("began"), gate = scn_fifo("gate");
    json_t *check, *run;
    int64_t before_us;

    service("web", "", "    check: [sh, -c, \"echo x > began; exec head -c 1 gate\"]\n");
    scn_start();
    scn_fifo_read(began, 10000);
    before_us = wall_now_us();
    (void)scn_kill_master();
    scn_fifo_write(gate, 2); /* the next master checks anew */
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 20000);
    ck_assert_int_eq(scn_cli(&out, "events", "--spans", "--json", NULL), 0);
    check = span_named(out, "check", 0);
    run = span_named(out, "reload", 0);
    ck_assert_msg(check && run, "%s", out);
    ck_assert_int_lt(json_integer_value(json_object_get(check, "start_unix_ns")), before_us * 1000);
    ck_assert_int_gt(json_integer_value(json_object_get(check, "end_unix_ns")), before_us * 1000);
    ck_assert_str_eq(text_of(check, "parent"), text_of(run, "span"));
    json_decref(check);
    json_decref(run);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("trace", a_reload_is_a_trace_whose_phases_are_its_spans_and_its_workers_hang_below_them,
         a_phase_that_another_master_ends_began_when_it_did,
         a_program_that_keeps_its_trace_has_it_in_every_line,
         what_is_wrong_with_a_line_is_told_by_the_thread_that_printed_it,
         lines_are_not_looked_at_where_that_is_not_wanted,
         a_trace_is_found_in_all_services_and_generations_and_in_the_supervisors_own_lines,
         a_trace_is_followed_over_all_services_and_generations_and_no_line_comes_twice,
         a_trace_is_found_in_log_files_and_no_line_twice)
