/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/operator_world.h"
#include "tests/unit/unit.h"

START_TEST(a_reload_is_answered_with_the_generation_that_serves)
{
    int status;
    json_t *answer, *s;

    world.disk.low = 2;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    s = first_service(answer);

    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(answer, "schema"), "stint.answer/1");
    ck_assert(json_is_true(json_object_get(answer, "ok")));
    ck_assert_str_eq(json_at(s, "outcome"), "serving");
    ck_assert_int_eq(number_at(s, "generation"), 2);
    ck_assert_int_eq(number_at(s, "before"), 1);
    ck_assert_uint_eq(strlen(json_at(s, "trace")), 32);
    ck_assert_ptr_nonnull(strstr(json_at(s, "cause"), "operator reload by uid"));
    json_decref(answer);
}
END_TEST

START_TEST(nothing_changed_is_an_answer_too_and_force_rolls_anyway)
{
    int status;
    json_t *answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);

    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "unchanged");
    json_decref(answer);

    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"],\"force\":true}", &status);
    ck_assert_int_eq(status, 200);
    ck_assert_int_eq(number_at(first_service(answer), "generation"), 2);
    json_decref(answer);
}
END_TEST

START_TEST(a_failed_check_is_a_no_with_its_reason)
{
    int status;
    json_t *answer, *s;

    world.disk.low = 2;
    world.check_ok = false;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    s = first_service(answer);

    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(s, "outcome"), "rejected");
    ck_assert_int_eq(number_at(s, "generation"), 1);
    ck_assert_ptr_nonnull(strstr(json_at(s, "reason"), "line 3 is wrong"));
    ck_assert(!json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
}
END_TEST

START_TEST(a_candidate_that_cannot_start_is_shown_with_its_last_lines)
{
    int status;
    json_t *answer, *s;

    world.disk.low = 2;
    world.starts = false;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    s = first_service(answer);

    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(s, "outcome"), "rejected");
    ck_assert_int_eq(number_at(s, "generation"), 1);
    ck_assert_ptr_nonnull(strstr(json_at(s, "last_lines"), "cannot bind"));
    json_decref(answer);
}
END_TEST

static const char with_a_failing_dependency[] =
    "version: 1\nservices:\n"
    "  app: {command: [/bin/true], directory: /, depends_on: [web]}\n"
    "  web: {command: [/bin/true], directory: /, depends_on: [db]}\n"
    "  db: {command: [/bin/true], directory: /, respawn: {limit: {count: 1}}}\n";

START_TEST(a_reload_does_not_wait_for_what_waits_for_a_failed_service)
{
    int status;
    json_t *answer = call("POST", "/v1/stop", "{\"services\":[\"web\"]}", &status), *app;

    json_decref(answer);
    world.starts = false;
    world.config = with_a_failing_dependency;
    answer = call("POST", "/v1/reload", "{}", &status);
    ck_assert_int_eq(status, 409);
    app = json_array_get(json_object_get(answer, "services"), 1);
    ck_assert_str_eq(json_at(app, "service"), "app");
    ck_assert_str_eq(json_at(app, "outcome"), "waiting");
    ck_assert_str_eq(json_at(app, "reason"), "waits for web to be ready");
    json_decref(answer);
}
END_TEST

START_TEST(wait_gone_names_the_leak_of_the_relieved_generation)
{
    int status;
    json_t *answer, *s, *relieved;

    world.disk.low = 2;
    world.leaves = false;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"],\"wait\":\"gone\"}", &status);
    s = first_service(answer);
    relieved = json_array_get(json_object_get(s, "relieved"), 0);

    ck_assert_int_eq(status, 200);
    ck_assert_int_eq(number_at(relieved, "generation"), 1);
    ck_assert(json_is_true(json_object_get(relieved, "gone")));
    ck_assert_int_eq(number_at(relieved, "leaks"), 1);
    ck_assert_ptr_nonnull(
        strstr(json_at(json_array_get(json_object_get(s, "leaks"), 0), "text"), "flush-2"));
    json_decref(answer);
}
END_TEST

START_TEST(wait_none_does_not_wait)
{
    int status;
    json_t *answer;

    world.disk.low = 2;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"],\"wait\":\"none\"}", &status);
    ck_assert_int_eq(status, 202);
    ck_assert_int_gt(number_at(first_service(answer), "reload"), 1);
    json_decref(answer);
}
END_TEST

START_TEST(a_rejected_configuration_changes_nothing)
{
    int status;
    json_t *answer;

    world.disk.low = 2;
    world.config = "version: 1\nservices: {web: {comand: [x]}}\n";
    answer = call("POST", "/v1/reload", "{}", &status);

    ck_assert_int_eq(status, 409);
    ck_assert(json_is_false(json_object_get(json_object_get(answer, "config"), "valid")));
    ck_assert_ptr_nonnull(strstr(json_at(json_object_get(answer, "config"), "error"), "comand"));
    ck_assert_uint_eq(core_service_by_name(core, "web")->last_generation, 1);
    json_decref(answer);
}
END_TEST

START_TEST(a_request_that_takes_too_long_is_answered_with_the_state)
{
    int status;
    json_t *answer;

    world.leaves = false; /* stop has to wait for the drain deadline */
    answer = call("POST", "/v1/stop", "{\"services\":[\"web\"],\"timeout_ms\":20}", &status);

    ck_assert_int_eq(status, 504);
    ck_assert(json_is_true(json_object_get(answer, "timed_out")));
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "pending");
    ck_assert_str_eq(json_at(first_service(answer), "state"), "stopping");
    json_decref(answer);
}
END_TEST

START_TEST(stop_and_start_are_answered_when_they_are_done)
{
    int status;
    json_t *answer = call("POST", "/v1/stop", "{\"services\":[\"web\"]}", &status);

    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "stopped");
    ck_assert_str_eq(json_at(first_service(answer), "state"), "stopped");
    json_decref(answer);

    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    ck_assert_int_eq(status, 409); /* it is down: a reload is not what was meant */
    json_decref(answer);

    answer = call("POST", "/v1/start", "{\"services\":[\"web\"]}", &status);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "serving");
    ck_assert_int_eq(number_at(first_service(answer), "generation"), 2);
    json_decref(answer);
}
END_TEST

START_TEST(a_stop_that_not_even_sigkill_achieves_is_a_no)
{
    const struct worker *w = core_worker(core, 1);
    struct client c;
    json_t *answer;

    world.leaves = false;
    world.undying = true;
    client_open(&c, dir);
    client_request(&c, "POST", "/v1/stop", "{\"services\":[\"web\"]}");
    UNTIL(loop, w->state == WORKER_KILLED);
    world.ahead_us = 11 * US_PER_S;
    submit(NULL, &(struct event){.type = EVENT_TICK});
    ck_assert_int_eq(w->state, WORKER_ABANDONED);
    UNTIL(loop, client_ended(&c));
    ck_assert_int_eq(client_status(&c), 409);
    answer = client_json(&c);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "abandoned");
    json_decref(answer);
    client_close(&c);
}
END_TEST

START_TEST(a_start_that_fails_is_a_no)
{
    int status;
    json_t *answer = call("POST", "/v1/stop", "{\"services\":[\"web\"]}", &status);

    json_decref(answer);
    world.starts = false;
    answer = call("POST", "/v1/start", "{\"services\":[\"web\"]}", &status);
    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "rejected");
    json_decref(answer);
}
END_TEST

START_TEST(the_answer_to_stop_all_is_sent_before_the_end)
{
    struct client c;
    json_t *answer;

    client_open(&c, dir);
    client_request(&c, "POST", "/v1/stop", "{\"all\":true}");
    UNTIL(loop, core_stopped(core));
    operator_farewell(desk, US_PER_S); /* the master has left its loop by now */
    client_take(&c);

    ck_assert_int_eq(client_status(&c), 200);
    answer = client_json(&c);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "stopped");
    json_decref(answer);
    client_close(&c);
}
END_TEST

START_TEST(a_client_that_leaves_does_not_cancel_its_request)
{
    struct client c;

    world.disk.low = 2;
    world.leaves = false; /* so that there is something to wait for */
    client_open(&c, dir);
    client_request(&c, "POST", "/v1/reload", "{\"services\":[\"web\"],\"wait\":\"gone\"}");
    UNTIL(loop, core_service_by_name(core, "web")->last_generation == 2);
    client_close(&c);
    UNTIL(loop, !service_generation(core_service_by_name(core, "web"), 1));
    ck_assert_uint_eq(service_serving(core_service_by_name(core, "web"))->number, 2);
}
END_TEST

START_TEST(wait_for_a_generation_ends_when_it_serves)
{
    struct client waiting;
    int status;
    json_t *answer;

    client_open(&waiting, dir);
    client_request(&waiting, "GET", "/v1/wait?service=web&for=generation:2", NULL);
    turn(loop);
    turn(loop);
    ck_assert(!client_has(&waiting, "HTTP"));
    world.disk.low = 2;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    json_decref(answer);
    UNTIL(loop, client_ended(&waiting));
    ck_assert_int_eq(client_status(&waiting), 200);
    client_close(&waiting);

    answer = call("GET", "/v1/wait?service=web&for=ready", NULL, &status);
    ck_assert_int_eq(status, 200);
    json_decref(answer);
    answer = call("GET", "/v1/wait?service=web&for=gone", NULL, &status);
    ck_assert_int_eq(status, 200);
    json_decref(answer);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operator");
    TCase *tc = tcase_create("changes");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_reload_is_answered_with_the_generation_that_serves);
    tcase_add_test(tc, nothing_changed_is_an_answer_too_and_force_rolls_anyway);
    tcase_add_test(tc, a_failed_check_is_a_no_with_its_reason);
    tcase_add_test(tc, a_candidate_that_cannot_start_is_shown_with_its_last_lines);
    tcase_add_test(tc, a_reload_does_not_wait_for_what_waits_for_a_failed_service);
    tcase_add_test(tc, wait_gone_names_the_leak_of_the_relieved_generation);
    tcase_add_test(tc, wait_none_does_not_wait);
    tcase_add_test(tc, a_rejected_configuration_changes_nothing);
    tcase_add_test(tc, a_request_that_takes_too_long_is_answered_with_the_state);
    tcase_add_test(tc, stop_and_start_are_answered_when_they_are_done);
    tcase_add_test(tc, a_stop_that_not_even_sigkill_achieves_is_a_no);
    tcase_add_test(tc, a_start_that_fails_is_a_no);
    tcase_add_test(tc, the_answer_to_stop_all_is_sent_before_the_end);
    tcase_add_test(tc, a_client_that_leaves_does_not_cancel_its_request);
    tcase_add_test(tc, wait_for_a_generation_ends_when_it_serves);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
