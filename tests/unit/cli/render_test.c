/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/cli/stint_line.h"
#include "tests/unit/unit.h"

static const char status_json[] =
    "{\"schema\":\"stint.status/1\",\"version\":\"0.1.0\",\"pid\":99,\"uptime_ms\":60000,"
    "\"config\":{\"path\":\"/etc/stint/stint.yaml\",\"valid\":false,\"error\":\"stint.yaml:3:5: "
    "bad\"},"
    "\"services\":[{\"name\":\"web\",\"state\":\"running\",\"why\":\"\",\"workers\":1,\"serving\":"
    "8,"
    "\"listeners\":[{\"name\":\"http\",\"address\":\"tcp://0.0.0.0:8080\"}],"
    "\"generations\":["
    "{\"number\":7,\"state\":\"draining\",\"uptime_ms\":540000,\"workers\":[{\"slot\":0,\"pid\":45,"
    "\"state\":\"draining\",\"uptime_ms\":540000}],\"drain\":{\"waits_for\":\"pid 45: 2 "
    "requests\"}},"
    "{\"number\":8,\"state\":\"serving\",\"uptime_ms\":2000,\"ready_grade\":\"strong\",\"workers\":"
    "["
    "{\"slot\":0,\"pid\":46,\"state\":\"ready\",\"uptime_ms\":2000,\"status\":\"warm\\u001b[31m\"}]"
    "}],"
    "\"rejected\":{\"reason\":\"check failed\"},\"respawns\":0,"
    "\"last_verdict\":{\"outcome\":\"rejected\",\"generation\":8,\"duration_ms\":10,\"ago_ms\":"
    "1000,"
    "\"cause\":\"web.conf changed\"}}]}";

START_TEST(status_is_an_aligned_table_with_loud_rejections)
{
    ck_assert_int_eq(stint_asks("status", "200 OK", status_json, NULL), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "\nREJECTED: the configuration on disk"));
    ck_assert_ptr_nonnull(strstr(out, "stint.yaml:3:5: bad\n"));
    ck_assert_ptr_nonnull(
        strstr(out, "\nSERVICE  STATE     PID  UPTIME  NOTE\n"
                    "web      running                generation 8, workers 1, http "
                    "tcp://0.0.0.0:8080\n"
                    "  gen 7  draining       9 min   relieved: waits for pid 45: 2 requests\n"));
    ck_assert_ptr_nonnull(strstr(out, "    0    ready     46   2.00 s  \"warm\\x1b[31m\"\n"));
    ck_assert_ptr_nonnull(strstr(out, "\n  REJECTED: check failed\n"));
    ck_assert_ptr_nonnull(
        strstr(out, "\n  last reload: rejected, generation 8, 10.0 ms, 1.00 s ago: "));
    ck_assert_ptr_null(strchr(out, '\033')); /* no colour here, and none from a worker's status */
}
END_TEST

START_TEST(what_is_only_assumed_to_have_reloaded_is_called_so)
{
    static const char status[] =
        "{\"services\":[{\"name\":\"db\",\"state\":\"running\",\"generations\":["
        "{\"number\":2,\"state\":\"serving\",\"reload_evidence\":\"assumed\",\"workers\":["
        "{\"slot\":0,\"pid\":46,\"state\":\"ready\",\"reload\":\"asked\"}]}],"
        "\"last_verdict\":{\"outcome\":\"serving\",\"evidence\":\"assumed\",\"generation\":2}}]}";
    static const char answer[] =
        "{\"ok\":true,\"services\":[{\"service\":\"db\",\"outcome\":\"serving\",\"ok\":true,"
        "\"generation\":2,\"before\":1,\"cause\":\"pg.conf changed\",\"evidence\":\"assumed\","
        "\"reason\":\"by SIGHUP to 1 worker: assumed\"}]}";

    ck_assert_int_eq(stint_asks("status", "200 OK", status, NULL), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "its reload by signal is only assumed\n"));
    ck_assert_ptr_nonnull(strstr(out, "was asked to reload\n"));
    ck_assert_ptr_nonnull(strstr(out, "\n  last reload: serving (assumed), generation 2"));
    ck_assert_int_eq(stint_asks("reload", "200 OK", answer, NULL), CLI_OK);
    ck_assert_str_eq(out,
                     "db: generation 2 serves (was 1): pg.conf changed; by SIGHUP to 1 worker: "
                     "assumed\n");
}
END_TEST

START_TEST(a_service_that_runs_replaced_libraries_is_loud_and_each_is_named_once)
{
    static const char with[] = "{\"services\":[{\"name\":\"web\",\"state\":\"running\",\"needs_"
                               "reload\":true,\"generations\":["
                               "{\"number\":8,\"state\":\"serving\",\"workers\":["
                               "{\"slot\":0,\"libraries\":{\"state\":\"outdated\",\"files\":[\"/"
                               "lib/libssl.so.3\",\"/lib/liba.so\"]}},"
                               "{\"slot\":1,\"libraries\":{\"state\":\"outdated\",\"files\":[\"/"
                               "lib/libssl.so.3\"]}}]}]}]}";
    static const char unknown[] =
        "{\"services\":[{\"name\":\"web\",\"state\":\"running\",\"needs_reload\":null}]}";
    static const char without[] =
        "{\"services\":[{\"name\":\"web\",\"state\":\"running\",\"needs_reload\":false}]}";

    ck_assert_int_eq(stint_asks("status", "200 OK", with, NULL), CLI_OK);
    ck_assert_ptr_nonnull(
        strstr(out, "\n  NEEDS A RELOAD: runs what was replaced on disk: libssl.so.3, liba.so\n"));
    ck_assert_int_eq(stint_asks("status", "200 OK", unknown, NULL), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "replaced on disk is not known"));
    ck_assert_int_eq(stint_asks("status", "200 OK", without, NULL), CLI_OK);
    ck_assert_ptr_null(strstr(out, "replaced on disk"));
}
END_TEST

START_TEST(how_near_a_worker_is_to_its_limits_is_said)
{
    static const char answer[] =
        "{\"services\":[{\"name\":\"web\",\"state\":\"running\",\"generations\":["
        "{\"number\":8,\"state\":\"serving\",\"workers\":["
        "{\"slot\":0,\"pid\":46,\"state\":\"ready\",\"restart_after\":{\"age_ms\":60000,\"age_"
        "limit_ms\":"
        "3600000,\"requests\":12,\"requests_limit\":950,\"rss_bytes\":104857600,\"rss_limit_"
        "bytes\":"
        "536870912,\"relieved_by_pid\":47}},"
        "{\"slot\":1,\"pid\":48,\"state\":\"ready\",\"status\":\"warm\",\"restart_after\":"
        "{\"requests_limit\":950}}]}]}]}";

    ck_assert_int_eq(stint_asks("status", "200 OK", answer, NULL), CLI_OK);
    ck_assert_msg(strstr(out, "12 of 950 requests, 100 of 512 MiB, ") != NULL, "%s", out);
    ck_assert_msg(strstr(out, ": pid 47 starts to relieve it\n") != NULL, "%s", out);
    ck_assert_msg(strstr(out, "\"warm\", an unknown number of 950 requests\n") != NULL, "%s", out);
}
END_TEST

START_TEST(how_many_threads_a_worker_has_is_said_behind_its_note)
{
    static const char answer[] =
        "{\"services\":[{\"name\":\"web\",\"state\":\"running\",\"generations\":["
        "{\"number\":8,\"state\":\"serving\",\"workers\":["
        "{\"slot\":0,\"pid\":46,\"state\":\"ready\",\"status\":\"warm\",\"threads\":{\"now\":12,"
        "\"known\":9,\"leaked\":1,\"looked_ago_ms\":5}},"
        "{\"slot\":1,\"pid\":47,\"state\":\"ready\",\"threads\":{\"now\":1}},"
        "{\"slot\":2,\"pid\":48,\"state\":\"ready\",\"threads\":{\"leaked\":2}}]}]}]}";

    ck_assert_int_eq(stint_asks("status", "200 OK", answer, NULL), CLI_OK);
    ck_assert_msg(strstr(out, "\"warm\", 12 threads, 9 registered, 1 should be gone\n") != NULL,
                  "%s", out);
    ck_assert_msg(strstr(out, "  1 thread\n") != NULL, "%s", out);
    ck_assert_msg(strstr(out, "of its threads 2 should be gone\n") != NULL, "%s", out);
}
END_TEST

START_TEST(with_json_the_answer_is_left_as_it_is)
{
    json_t *is, *was = json_loads(status_json, 0, NULL);

    ck_assert_int_eq(stint_asks("status --json", "200 OK", status_json, NULL), CLI_OK);
    is = json_loads(out, 0, NULL);
    ck_assert(json_equal(is, was));
    json_decref(is);
    json_decref(was);
}
END_TEST

static const char threads_json[] =
    "{\"schema\":\"stint.threads/2\",\"workers\":[{\"service\":\"web\",\"generation\":7,\"slot\":0,"
    "\"pid\":45,\"state\":\"draining\",\"evidence\":{\"grade\":\"registry\",\"total\":2,"
    "\"leaked\":1,\"held\":\"listener http still held by pid 45, fd 3\",\"groups\":[{\"verdict\":"
    "\"leaked:blocked\",\"leak\":true,\"culprit\":true,\"count\":3,\"text\":\"leaked:blocked: "
    "thread `flush-2` "
    "ignored its token\"}],\"cycles\":[{\"threads\":[{\"name\":\"a\",\"wait\":\"mutex m\"},"
    "{\"name\":\"b\",\"wait\":\"mutex n\"}]}],\"threads\":[{\"tid\":46,\"name\":\"flush-2\","
    "\"verdict\":\"leaked:blocked\",\"leak\":true,\"age_us\":31000000,\"wait\":{\"text\":"
    "\"read(fd 9)\"},\"claim\":{\"creator\":{\"file\":\"cache.c\",\"line\":88,\"thread\":"
    "\"main\"}}}]}},{\"service\":\"web\",\"generation\":8,\"slot\":0,\"pid\":46,\"state\":"
    "\"ready\",\"note\":\"no evidence: it is gone\"}]}";

START_TEST(threads_name_those_who_leak)
{
    ck_assert_int_eq(stint_asks("threads web", "200 OK", threads_json, NULL), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "web/7.0 pid 45 draining, 2 threads, 1 LEAKED"));
    ck_assert_ptr_nonnull(strstr(out, "  listener http still held by pid 45, fd 3\n"));
    ck_assert_ptr_nonnull(
        strstr(out, "  leaked:blocked! x3  thread `flush-2` ignored its token\n"));
    ck_assert_ptr_nonnull(strstr(out, "`a` (mutex m) -> `b` (mutex n) -> `a`\n"));
    ck_assert_ptr_nonnull(strstr(out, "flush-2          leaked:blocked   31.0 s, in read(fd 9), "
                                      "started at cache.c:88 by `main`\n"));
    ck_assert_ptr_nonnull(strstr(out, "web/8.0 pid 46 ready: no evidence: it is gone\n"));
}
END_TEST

START_TEST(a_leak_is_an_exit_status_for_whoever_asks_for_that)
{
    ck_assert_int_eq(stint_asks("threads web --fail-on-leak", "200 OK", threads_json, NULL),
                     CLI_LEAKED);
    ck_assert_int_eq(stint_asks("threads web --fail-on-leak", "200 OK", "{\"workers\":[]}", NULL),
                     CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "no workers"));
}
END_TEST

static const char leaks_json[] =
    "{\"schema\":\"stint.leaks/1\",\"services\":[{\"service\":\"web\",\"looks\":4,\"groups\":["
    "{\"key\":\"k\",\"state\":\"leaked\",\"rising\":true,\"growth_milli\":2000,\"text\":\"thread "
    "`flush`\",\"first_generation\":7,\"last_generation\":9,\"seen\":[{\"generation\":7,\"pid\":45,"
    "\"state\":\"killed\",\"most\":2},{\"generation\":9,\"pid\":47,\"state\":\"leaked\",\"most\":"
    "6}]},{\"key\":\"q\",\"state\":\"seen\",\"text\":\"not shown\"}],\"certificates\":["
    "{\"generation\":7,\"grade\":\"cgroup\",\"pids_gone\":true,\"fds_returned\":true,"
    "\"how\":{\"pids\":\"seen\",\"cgroup\":\"refused\",\"fds\":\"concluded\",\"threads\":\"none\"},"
    "\"processes\":2,\"text\":\"1 killed\"},{\"generation\":8,\"grade\":\"pids\",\"pids_gone\":"
    "true,\"processes\":1,\"text\":\"\"}]}]}";

START_TEST(the_history_tells_what_rises_and_how_generations_ended)
{
    ck_assert_int_eq(stint_asks("leaks web", "200 OK", leaks_json, NULL), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "  leaked RISING by 2.0 with each  first in generation 7 "));
    ck_assert_ptr_nonnull(strstr(out, "    thread `flush`\n"));
    ck_assert_ptr_nonnull(strstr(out, "gen 7 pid 45: 2 killed, gen 9 pid 47: 6 leaked\n"));
    ck_assert_ptr_null(strstr(out, "not shown"));
    ck_assert_ptr_null(strstr(out, "1 killed  "));
    ck_assert_int_eq(stint_asks("leaks --certificates --fail-on-leak", "200 OK", leaks_json, NULL),
                     CLI_LEAKED);
    ck_assert_ptr_nonnull(strstr(out, "generation 7 1 killed  "));
    ck_assert_ptr_nonnull(strstr(out, "2 processes, known by cgroup, processes gone (seen), cgroup "
                                      "NOT empty (refused), descriptors returned (concluded)\n"));
    ck_assert_ptr_nonnull(strstr(out, "generation 8 clean  "));
    /* of a stint that did not say how: what it did not know is not denied */
    ck_assert_ptr_nonnull(strstr(out, "1 processes, known by pids, processes gone\n"));
}
END_TEST

START_TEST(events_and_logs_are_lines_for_people)
{
    static const char event[] = "{\"seq\":1,\"ts\":\"2026-01-31T23:59:59.123Z\",\"level\":"
                                "\"warning\",\"event\":\"worker_exit\","
                                "\"service\":\"web\",\"gen\":7,\"slot\":1,\"pid\":45,\"signal\":"
                                "\"SIGKILL\",\"msg\":\"ended\"}\n";
    static const char line[] = "{\"event\":\"output\",\"service\":\"web\",\"gen\":7,\"slot\":1,"
                               "\"stream\":\"stdout\",\"msg\":\"hello \\u001b]0;x\\u0007\"}\n";

    ck_assert_int_eq(stint_asks("events", "200 OK", event, NULL), CLI_OK);
    ck_assert_str_eq(out, "23:59:59.123Z web/7.1 worker_exit pid=45 signal=SIGKILL: ended\n");
    ck_assert_int_eq(stint_asks("logs web", "200 OK", line, NULL), CLI_OK);
    ck_assert_str_eq(out, "web/7.1 | hello \\x1b]0;x\\x07\n");
    ck_assert_int_eq(stint_asks("events --json", "200 OK", event, NULL), CLI_OK);
    ck_assert_str_eq(out, event);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("render");
    TCase *tc = tcase_create("text for people");

    tcase_add_checked_fixture(tc, NULL, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, status_is_an_aligned_table_with_loud_rejections);
    tcase_add_test(tc, what_is_only_assumed_to_have_reloaded_is_called_so);
    tcase_add_test(tc, a_service_that_runs_replaced_libraries_is_loud_and_each_is_named_once);
    tcase_add_test(tc, how_near_a_worker_is_to_its_limits_is_said);
    tcase_add_test(tc, how_many_threads_a_worker_has_is_said_behind_its_note);
    tcase_add_test(tc, with_json_the_answer_is_left_as_it_is);
    tcase_add_test(tc, threads_name_those_who_leak);
    tcase_add_test(tc, a_leak_is_an_exit_status_for_whoever_asks_for_that);
    tcase_add_test(tc, the_history_tells_what_rises_and_how_generations_ended);
    tcase_add_test(tc, events_and_logs_are_lines_for_people);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
