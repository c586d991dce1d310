/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a collector is sent, and what becomes of it when the collector is not there, slow, or of another opinion. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "collector.h"
#include "export_stage.h"
#include "harness.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define SECRET "s3cr3t-t0ken"

START_TEST(a_reload_is_a_trace_that_the_collector_gets)
{
    json_t *lane;
    char trace[64];
    const char *line;

    collector_open(0, COLLECTOR_TAKES);
    configure(3, "");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    reload();
    line = scn_await("event=verdict service=web outcome=serving", 10000);
    line = strstr(line, " trace=");
    ck_assert_ptr_nonnull(line);
    (void)snprintf(trace, sizeof(trace), "\"traceId\":\"%.32s\"", line + strlen(" trace="));
    collector_await("/v1/traces \n\"name\":\"reload\"", 10000);
    collector_await(
        "/v1/traces \n\"name\":\"spawn\"\n\"service.name\",\"value\":{\"stringValue\":\"web\"}",
        5000);
    collector_await(trace, 5000);
    collector_await("\"name\":\"certify\"", 10000);
    ck_assert_uint_eq(collector_count("/v1/logs"), 0); /* nobody asked for them */
    ck_assert(collector_header("content-type: application/json"));
    ck_assert(collector_header("user-agent: stint/"));
    lane = status_of("traces");
    ck_assert_int_gt(number(lane, "sent"), 8);
    ck_assert_int_eq(number(lane, "retries"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(lane, "state")), "ok");
    json_decref(lane);
    ck_assert_int_eq(scn_stop(), 0);
    collector_await("\"name\":\"drain\"", 100); /* the last ones were sent before the end */
    collector_close();
}
END_TEST

START_TEST(lines_of_workers_and_events_of_stint_are_records)
{
    collector_open(0, COLLECTOR_TAKES);
    configure(3, ", logs: true, gzip: true");
    scn_start();
    collector_await("/v1/logs \n\"line 3 of the service\"", 10000);
    collector_await("/v1/logs \n{\"key\":\"event.name\",\"value\":{\"stringValue\":\"started\"}}",
                    10000);
    collector_await("\"stringValue\":\"verdict\"\n\"severityText\":\"INFO\"", 10000);
    ck_assert(collector_header("content-encoding: gzip"));
    ck_assert_uint_eq(collector_count("line 1 of the service"), 1);
    ck_assert_uint_eq(collector_count("line 2 of the service"), 1);
    ck_assert_int_eq(scn_stop(), 0);
    collector_await("\"stringValue\":\"stopped\"", 100);
    collector_close();
}
END_TEST

START_TEST(a_line_is_of_the_span_that_it_names)
{
    collector_open(0, COLLECTOR_TAKES);
    scn_config("  web:\n    command: [/bin/sh, -c, 'echo level=info trace_id=" TRACE
               " span_id=00f067aa0ba902b7 msg=stamped; exec sleep 1000']\n"
               "    ready: {assume_after: 50ms}\n"
               "export: {endpoint: 'http://127.0.0.1:%d', every: 100ms, logs: true}\n",
               collector_port());
    scn_start();
    collector_await("/v1/logs \n\"traceId\":\"" TRACE "\",\"spanId\":\"00f067aa0ba902b7\"", 10000);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(lines_that_flood_a_file_are_sent_all_the_same)
{
    json_t *lane;

    collector_open(0, COLLECTOR_TAKES);
    scn_config(
        "  web:\n    command: [/bin/sh, -c, 'seq -f \"line %%.0f of many\" 20000; exec sleep "
        "1000']\n"
        "    ready: {assume_after: 50ms}\n    log: {file: %s, block: 5s}\n"
        "export: {endpoint: 'http://127.0.0.1:%d', every: 100ms, logs: true, queue: 32MiB}\n",
        scn_path("web.log"), collector_port());
    scn_start();
    collector_await("\"line 20000 of many\"", 20000);
    ck_assert_uint_eq(collector_count(" of many\""), 20000);
    lane = status_of("logs");
    ck_assert_int_eq(dropped(lane, "missed"), 0);
    ck_assert_int_eq(dropped(lane, "queue_full"), 0);
    json_decref(lane);
    scn_did_not_block();
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(a_collector_that_comes_later_gets_what_waited)
{
    json_t *lane;

    collector_open(0, COLLECTOR_TAKES); /* for a port that nobody else has … */
    collector_close();                  /* … and that nobody listens on */
    configure(3, ", logs: true");
    scn_start();
    (void)scn_await_any("event=export_failed signal=logs", 10000);
    lane = status_of("logs");
    ck_assert_str_eq(json_string_value(json_object_get(lane, "state")), "waiting");
    ck_assert_int_gt(number(lane, "waiting"), 3);
    ck_assert_int_ge(number(lane, "retries"), 1);
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(lane, "last_error")), "onnect to"));
    json_decref(lane);
    answers_at_once();
    collector_open(0, COLLECTOR_TAKES);
    collector_await("\"line 3 of the service\"", 20000);
    collector_await("/v1/traces \n\"name\":\"reload\"", 20000);
    (void)scn_await_any("event=export_works signal=logs", 5000);
    ck_assert_uint_eq(scn_count("event=export_failed signal=logs"), 1); /* once, not for each try */
    ck_assert_uint_eq(collector_count("line 1 of the service"), 1);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(who_says_when_to_come_back_is_left_alone_until_then)
{
    int64_t before_us;
    unsigned asked;

    collector_open(0, COLLECTOR_BUSY);
    configure(3, ", logs: true, reloads: false, spans: false");
    scn_start();
    collector_await_requests(1, 10000);
    before_us = mono_now_us();
    collector_await_requests(2, 10000);
    ck_assert_int_ge(mono_now_us() - before_us, INT64_C(900000)); /* Retry-After: 1 */
    collector_be(COLLECTOR_TAKES);
    asked = collector_requests();
    collector_await("\"line 3 of the service\"", 10000);
    ck_assert_uint_le(collector_requests() - asked, 3);
    ck_assert_uint_eq(collector_count("line 2 of the service"), 1);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(a_collector_that_hangs_keeps_nobody_waiting)
{
    json_t *lane;
    int64_t before_us;

    collector_open(0, COLLECTOR_HANGS);
    configure(200, ", logs: true");
    scn_start();
    collector_await_requests(2, 10000);
    answers_at_once();
    (void)scn_await_any("event=export_failed signal=logs ~imed+out", 15000);
    answers_at_once();
    lane = status_of("logs");
    ck_assert_str_eq(json_string_value(json_object_get(lane, "state")), "waiting");
    json_decref(lane);
    before_us = mono_now_us();
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_int_lt(mono_now_us() - before_us, INT64_C(6000000) * SCN_PATIENCE);
    ck_assert_ptr_nonnull(strstr(scn_log(), "event=export_lost"));
    collector_close();
}
END_TEST

START_TEST(what_is_refused_is_dropped_and_counted_and_the_rest_goes_on)
{
    json_t *lane;

    collector_open(0, COLLECTOR_REFUSES);
    configure(3, ", logs: true, reloads: false, spans: false");
    scn_start();
    (void)scn_await_any("event=export_refused signal=logs ~400:+I+do+not+like+it", 10000);
    lane = status_of("logs");
    ck_assert_int_ge(dropped(lane, "refused"), 1);
    ck_assert_int_eq(number(lane, "retries"), 0);
    json_decref(lane);
    collector_be(COLLECTOR_PICKY);
    reload();
    collector_await("/v1/logs ", 10000);
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    lane = status_of("logs");
    ck_assert_int_ge(dropped(lane, "rejected"), 1);
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(lane, "last_error")), "one was bad"));
    json_decref(lane);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(a_request_that_is_too_large_is_made_of_less)
{
    json_t *lane;

    collector_open(0, COLLECTOR_SMALL);
    configure(3000, ", logs: true, reloads: false, spans: false");
    scn_start();
    collector_await("\"line 3000 of the service\"", 20000);
    for (unsigned i = 1; i <= 3000; i += 599) {
        char line[64];

        (void)snprintf(line, sizeof(line), "\"line %u of the service\"", i);
        ck_assert_msg(collector_count(line) == 1, "%s", line);
    }
    lane = status_of("logs");
    ck_assert_int_eq(dropped(lane, "refused"), 0);
    ck_assert_int_gt(number(lane, "requests"), 5);
    json_decref(lane);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(a_backlog_is_bounded_and_what_does_not_fit_is_counted)
{
    json_t *lane;
    json_int_t came, sent;

    collector_open(0, COLLECTOR_BUSY);
    configure(6000, ", logs: true, queue: 256KiB, reloads: false, spans: false");
    scn_start();
    (void)scn_await_any("event=output service=web ~line+6000+of+the+service", 30000);
    (void)scn_await_any("event=export_behind signal=logs", 5000);
    lane = status_of("logs");
    ck_assert_int_gt(dropped(lane, "queue_full"), 3000);
    ck_assert_int_le(number(lane, "waiting_bytes"), 256 << 10);
    ck_assert_int_gt(number(lane, "waiting"), 500);
    ck_assert_int_eq(dropped(lane, "missed"), 0);
    json_decref(lane);
    answers_at_once();
    collector_be(COLLECTOR_TAKES);
    collector_await("\"line 1 of the service\"", 20000);
    ck_assert_int_eq(scn_stop(), 0);
    sent = (json_int_t)collector_count(" of the service\"}");
    came = 6000 - sent;
    ck_assert_int_gt(sent, 500);
    ck_assert_int_gt(came, 3000);
    ck_assert_uint_eq(scn_count("event=export_behind signal=logs"), 1);
    collector_close();
}
END_TEST

START_TEST(the_process_that_sends_may_die)
{
    pid_t first, second;

    collector_open(0, COLLECTOR_TAKES);
    configure(3, ", logs: true");
    scn_start();
    collector_await("\"line 3 of the service\"", 10000);
    first = sender();
    ck_assert_int_gt(first, 0);
    ck_assert_int_eq(kill(first, SIGKILL), 0);
    (void)scn_await_any("event=export_died", 5000);
    reload();
    collector_await("/v1/logs \n\"stringValue\":\"export_died\"", 10000);
    second = sender();
    ck_assert_int_gt(second, 0);
    ck_assert_int_ne(second, first);
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert(scn_await_gone(second, 1000));
    collector_close();
}
END_TEST

START_TEST(a_master_that_is_killed_leaves_what_waits_to_the_next)
{
    pid_t before;

    collector_open(0, COLLECTOR_BUSY);
    configure(300, ", logs: true");
    scn_start();
    (void)scn_await_any("event=output service=web ~line+300+of+the+service", 10000);
    collector_await_requests(1, 10000);
    before = sender();
    (void)scn_kill_master();
    ck_assert(scn_await_gone(before, 5000)); /* nobody sends for a master that is gone */
    collector_be(COLLECTOR_TAKES);
    collector_await("\"line 300 of the service\"", 20000);
    collector_await("/v1/traces \n\"name\":\"reload\"", 20000);
    for (unsigned i = 1; i <= 300; i++) {
        char line[64];

        (void)snprintf(line, sizeof(line), "\"line %u of the service\"", i);
        ck_assert_msg(collector_count(line) == 1, "%s is there %u times", line,
                      collector_count(line));
    }
    collector_await("\"stringValue\":\"started\"", 10000);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(it_may_be_turned_on_and_off_and_elsewhere_without_touching_a_service)
{
    auto_free char *out = NULL;
    int first;

    collector_open(0, COLLECTOR_BUSY);
    first = collector_port();
    scn_config("  web:\n    command: [/bin/sh, -c, 'exec sleep 1000']\n    ready: {assume_after: "
               "50ms}\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    ck_assert_ptr_null(strstr(out, "\"export\""));
    scn_config("  web:\n    command: [/bin/sh, -c, 'exec sleep 1000']\n    ready: {assume_after: "
               "50ms}\nexport: {endpoint: 'http://127.0.0.1:%d', every: 100ms, logs: true}\n",
               first);
    (void)scn_await("event=config_accepted", 10000);
    collector_await_requests(1, 10000);
    collector_be(COLLECTOR_TAKES);
    scn_config("  web:\n    command: [/bin/sh, -c, 'exec sleep 1000']\n    ready: {assume_after: "
               "50ms}\nexport: {endpoint: 'http://127.0.0.1:%d/other', every: 100ms, logs: true, "
               "queue: 1MiB}\n",
               first);
    collector_await("/other/v1/logs \n\"stringValue\":\"config_accepted\"", 10000);
    ck_assert_uint_eq(collector_count("\"stringValue\":\"started\""), 0); /* of before */
    scn_config("  web:\n    command: [/bin/sh, -c, 'exec sleep 1000']\n    ready: {assume_after: "
               "50ms}\n");
    (void)scn_await("event=config_accepted", 10000);
    (void)scn_await("event=config_accepted", 10000);
    ck_assert_uint_eq(scn_count("event=verdict"), 1);
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

START_TEST(a_token_is_sent_and_seen_nowhere_else)
{
    auto_free char *out = NULL;
    char words[160];

    collector_open(0, COLLECTOR_BUSY);
    scn_file("token", "# for the collector\r\n\nAuthorization: Bearer " SECRET "\n");
    (void)snprintf(words, sizeof(words),
                   ", logs: true, headers: {x-tenant: blue}, headers_file: %s", scn_path("token"));
    configure(3, words);
    scn_start();
    collector_await_requests(1, 10000);
    ck_assert(collector_header("authorization: Bearer " SECRET "\r\n"));
    ck_assert(collector_header("x-tenant: blue\r\n"));
    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    ck_assert_ptr_null(strstr(out, SECRET));
    ck_assert_ptr_null(strstr(scn_log(), SECRET));
    scn_file("token", "Authorization: Bearer other\n"); /* the next request has it */
    collector_be(COLLECTOR_TAKES);
    collector_await("\"line 3 of the service\"", 10000);
    ck_assert(collector_header("authorization: Bearer other\r\n"));
    scn_file("token", "not a header " SECRET "\n");
    reload();
    (void)scn_await_any("event=export_failed ~line+1+is+no", 10000);
    ck_assert_ptr_null(strstr(scn_log(), SECRET));
    ck_assert_int_eq(scn_stop(), 0);
    collector_close();
}
END_TEST

scn_main("export", a_reload_is_a_trace_that_the_collector_gets, a_line_is_of_the_span_that_it_names,
         lines_that_flood_a_file_are_sent_all_the_same,
         lines_of_workers_and_events_of_stint_are_records,
         a_collector_that_comes_later_gets_what_waited,
         who_says_when_to_come_back_is_left_alone_until_then,
         a_collector_that_hangs_keeps_nobody_waiting,
         what_is_refused_is_dropped_and_counted_and_the_rest_goes_on,
         a_request_that_is_too_large_is_made_of_less,
         a_backlog_is_bounded_and_what_does_not_fit_is_counted, the_process_that_sends_may_die,
         a_master_that_is_killed_leaves_what_waits_to_the_next,
         it_may_be_turned_on_and_off_and_elsewhere_without_touching_a_service,
         a_token_is_sent_and_seen_nowhere_else)
