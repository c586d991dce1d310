/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What is counted of the trace context of lines does not end with the master that counted it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "trace_stage.h"

#define QUIET 24 /* services */
#define LATER "    depends_on: [s0, s23]\n"

/* What is wrong is done once more, and has been looked at. */
static void
act_again(int wish, int acted, json_int_t lines)
{
    ck_assert_int_eq(write(wish, "x\n", 2), 2);
    scn_fifo_read(acted, 10000);
    for (;;) { /* its lines come through a pipe: until they were looked at */
        json_t *c = counts();
        json_int_t n = number(c, "lines");

        json_decref(c);
        ck_assert_int_le(n, lines);
        if (n == lines)
            return;
    }
}

/* @each: how often each fault was there. */
static void
assert_faults(json_int_t each)
{
    json_t *c = counts(), *lost, *finding;

    ck_assert_int_eq(number(c, "lost"), each);
    ck_assert_int_eq(number(c, "span_without_trace"), each);
    ck_assert_int_eq(number(c, "malformed"), each);
    ck_assert_int_eq(number(c, "without_trace"), each);
    ck_assert_uint_eq(json_array_size(json_object_get(c, "lost_in_thread")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(c, "findings")), 2);
    lost = json_array_get(json_object_get(c, "lost_in_thread"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(lost, "thread")), "forgetful");
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(lost, "creator")), "in_thread at "));
    ck_assert_int_eq(number(lost, "count"), each);
    finding = json_array_get(json_object_get(c, "findings"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(finding, "thread")), "careless");
    ck_assert_int_eq(number(finding, "count"), each);
    json_decref(c);
}

START_TEST(what_was_counted_of_lines_is_there_behind_a_killed_master_and_an_upgrade)
{
    int wish = scn_fifo("again"), acted = scn_fifo("acted");
    auto_free char *lint = NULL;

    service("web", "again, lose, span, bad", "");
    scn_start();
    (void)scn_await_any("event=output service=web ~serving", 10000);
    act_again(wish, acted, 1 + 3);
    assert_faults(1);
    (void)scn_kill_master();
    assert_faults(1); /* before another line comes */
    act_again(wish, acted, 1 + 6);
    assert_faults(2);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", NULL), 0);
    act_again(wish, acted, 1 + 9);
    assert_faults(3);
    (void)scn_kill_master();
    (void)scn_kill_master(); /* of two, one after the other */
    assert_faults(3);
    ck_assert_uint_eq(scn_count("event=trace_fault service=web"), 3); /* each once, and by one */
    ck_assert_int_eq(scn_cli(&lint, "logs", "web", "--lint", NULL), 0);
    ck_assert_msg(strstr(lint, "web: 10 lines: ") && strstr(lint, "3 x lost ") &&
                      strstr(lint, "3 x span_without_trace  thread careless, in_thread at "),
                  "%s", lint);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* Until its lines are looked at, or not any more: a change of the configuration has come through. */
static void
await_looked_at(bool wanted)
{
    bool is;

    do { /* the test's own time is the limit */
        auto_free char *out = NULL;

        ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
        is = strstr(out, "\"span_without_trace\"") != NULL;
    } while (is != wanted);
}

START_TEST(what_was_counted_goes_with_the_wish_to_look_and_with_the_service)
{
    json_t *c;

    service("web", "span", "");
    scn_start();
    (void)scn_await_any("event=output service=web ~serving", 10000);
    service("web", "span", "    trace: {lint: false}\n");
    await_looked_at(false);
    (void)scn_kill_master();
    service("web", "span", "");
    await_looked_at(true);
    c = counts();
    ck_assert_int_eq(number(c, "lines"), 0);
    ck_assert_int_eq(number(c, "span_without_trace"), 0);
    json_decref(c);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* What GET answers, to its end. */
static char *
get(const char *path)
{
    auto_text struct text answer = TEXT_INIT;
    int fd = scn_connect("run/control.sock");
    char buf[4096];
    ssize_t n;

    (void)snprintf(buf, sizeof(buf), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                   path);
    ck_assert_int_eq(write(fd, buf, strlen(buf)), (ssize_t)strlen(buf));
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        text_addn(&answer, buf, (size_t)n);
    (void)close(fd);
    return strdup(text_str(&answer));
}

START_TEST(a_trace_is_found_in_all_that_is_kept_of_each_service_and_nobody_waits_for_it)
{
    auto_text struct text config = TEXT_INIT;
    int done = scn_fifo("done");
    auto_free char *found = NULL;
    unsigned n = 0;

    for (int i = 0; i < QUIET + 8; i++) /* the last ones say so much that of all no line is left */
        text_addf(&config,
                  "  s%d:\n    command: [sh, -c, \"echo first trace_id=" TRACE
                  "; seq %d; printf x > done; exec sleep 1000\"]\n    directory: %s\n"
                  "    log: {file: s%d.log}\n"
                  "    ready: {assume_after: 10ms}\n%s",
                  i, i < QUIET ? 10 : 3000, scn_dir(), i, i < QUIET ? "" : LATER);
    scn_config("%s", text_str(&config));
    scn_start();
    for (int i = 0; i < QUIET + 8; i++)
        scn_fifo_read(done, 20000);
    (void)scn_await_any("event=verdict service=s31 outcome=serving", 20000);
    found = get("/v1/logs?trace=" TRACE);
    for (const char *at = found; (at = strstr(at, "first trace_id=")) != NULL; at++)
        n++;
    ck_assert_msg(n >= QUIET && n < QUIET + 8, "%u: %s", n, found);
    scn_did_not_block();
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("trace_kept", what_was_counted_of_lines_is_there_behind_a_killed_master_and_an_upgrade,
         a_trace_is_found_in_all_that_is_kept_of_each_service_and_nobody_waits_for_it,
         what_was_counted_goes_with_the_wish_to_look_and_with_the_service)
