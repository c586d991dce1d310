/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/operator_image_world.h"
#include "tests/unit/unit.h"

static const char forced[] = "{\"services\":[\"web\"],\"force\":true,\"id\":\"" ID "\"}";

START_TEST(who_lost_the_connection_asks_again_and_nothing_is_done_twice)
{
    struct client c;
    int status;
    json_t *answer;

    world.blind = true;
    ask(&c, "/v1/reload", forced);
    UNTIL(loop, world.n_looks == 2);
    client_close(&c);
    turn(loop);
    ask(&c, "/v1/reload", forced);
    turn(loop);
    ck_assert_uint_eq(world.n_looks, 2);
    look_now();
    answer = hear(&c, &status);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "serving");
    ck_assert_int_eq(number_at(first_service(answer), "generation"), 2);
    ck_assert_uint_eq(web()->last_generation, 2);
    json_decref(answer);
}
END_TEST

START_TEST(an_answer_waits_for_its_client_until_it_is_fetched)
{
    struct client c;
    int status;
    json_t *answer;

    world.blind = true;
    ask(&c, "/v1/reload", forced);
    UNTIL(loop, world.n_looks == 2);
    client_close(&c);
    turn(loop);
    look_now();
    UNTIL(loop, web()->last_generation == 2 && web()->last.generation == 2);
    turn(loop);
    ck_assert_uint_eq(remembered(), 1);

    world.blind = false;
    ask(&c, "/v1/reload", forced);
    answer = hear(&c, &status);
    ck_assert_int_eq(number_at(first_service(answer), "generation"), 2);
    ck_assert_uint_eq(web()->last_generation, 2);
    json_decref(answer);

    UNTIL(loop, remembered() == 0);
    ask(&c, "/v1/reload", forced); /* a new one, then */
    answer = hear(&c, &status);
    ck_assert_int_eq(number_at(first_service(answer), "generation"), 3);
    json_decref(answer);
}
END_TEST

START_TEST(a_client_that_never_comes_back_is_forgotten)
{
    struct client c;

    operator_destroy(desk);
    desk_options.absence_us = 30 * US_PER_MS;
    master_begins();
    world.blind = true;
    ask(&c, "/v1/reload", forced);
    UNTIL(loop, remembered() == 1);
    client_close(&c);
    UNTIL(loop, remembered() == 0);
    UNTIL(loop, !strstr(text_str(&image), ID)); /* also by the next master */
}
END_TEST

START_TEST(no_more_changes_are_remembered_than_there_is_room)
{
    char body[96];

    world.blind = true;
    for (int i = 0; i < OPERATOR_REMEMBERED_MAX + 20; i++) {
        struct client c;

        (void)snprintf(body, sizeof(body), "{\"services\":[\"web\"],\"id\":\"client-%04d\"}", i);
        ask(&c, "/v1/reload", body);
        (void)snprintf(body, sizeof(body), "client-%04d", i);
        UNTIL(loop, strstr(text_str(&image), body) != NULL);
        client_close(&c);
    }
    ck_assert_uint_eq(remembered(), OPERATOR_REMEMBERED_MAX);
    ck_assert_ptr_null(strstr(text_str(&image), "client-0000")); /* the oldest went first */
}
END_TEST

START_TEST(the_newest_connection_with_an_id_gets_the_answer)
{
    struct client first, second;
    int status;
    json_t *answer;

    world.blind = true;
    ask(&first, "/v1/reload", forced);
    UNTIL(loop, world.n_looks == 2);
    ask(&second, "/v1/reload", forced);
    answer = hear(&first, &status);
    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(json_object_get(answer, "error"), "code"), "superseded");
    json_decref(answer);
    look_now();
    answer = hear(&second, &status);
    ck_assert_int_eq(status, 200);
    json_decref(answer);
}
END_TEST

static const struct wrong {
    const char *path, *body, *code;
    int status;
} wrongs[] = {
    {"/v1/reload",  "{\"id\":\"short\"}",                         "bad-request", 400},
    {"/v1/reload",  "{\"id\":\"with a blank\"}",                  "bad-request", 400},
    {"/v1/reload",  "{\"id\":12345678}",                          "bad-request", 400},
    {"/v1/stop",    "{\"services\":[\"web\"],\"id\":\"" ID "\"}", "id-in-use",   409},
    {"/v1/upgrade", "{\"path\":\"bin/stint\"}",                   "bad-request", 400},
    {"/v1/upgrade", "{\"services\":[\"web\"]}",                   "bad-request", 400},
};

START_TEST(what_is_wrong_with_an_id_or_a_path_is_said)
{
    struct client c;
    int status;
    json_t *answer;

    world.blind = true;
    ask(&c, "/v1/reload", forced);
    UNTIL(loop, world.n_looks == 2);
    answer = call("POST", wrongs[_i].path, wrongs[_i].body, &status);
    ck_assert_int_eq(status, wrongs[_i].status);
    ck_assert_str_eq(json_at(json_object_get(answer, "error"), "code"), wrongs[_i].code);
    json_decref(answer);
    client_close(&c);
}
END_TEST

static const char two_services[] = "version: 1\nservices:\n"
                                   "  web: {command: [/bin/true], directory: /}\n"
                                   "  api: {command: [/bin/true], directory: /}\n";

START_TEST(each_of_all_services_names_the_run_that_answered_for_it)
{
    int status;
    json_t *answer, *s;
    size_t i;

    world.config = two_services;
    answer = call("POST", "/v1/reload", "{\"force\":true}", &status);
    ck_assert_int_eq(status, 200);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "services")), 2);
    json_array_foreach(json_object_get(answer, "services"), i, s)
    {
        const struct service *is = core_service_by_name(core, json_at(s, "service"));

        ck_assert_int_eq(number_at(s, "reload"), (int64_t)is->last.reload);
        ck_assert_str_eq(json_at(s, "trace"), is->last.trace);
    }
    json_decref(answer);
    world.blind = true;
    answer = call("POST", "/v1/reload", "{\"wait\":\"none\"}", &status);
    ck_assert_int_eq(status, 202);
    json_array_foreach(json_object_get(answer, "services"), i, s)
        ck_assert_int_eq(number_at(s, "reload"),
                         (int64_t)core_service_by_name(core, json_at(s, "service"))->reload.id);
    json_decref(answer);
}
END_TEST

/* ---- Upgrade ----------------------------------------------------------------------------- */

static char upgrade_path[64];
static int upgrade_result;
static unsigned n_upgrades;

static int
fake_upgrade(void *env, const char *path, struct error *reterr)
{
    (void)env;
    n_upgrades++;
    (void)snprintf(upgrade_path, sizeof(upgrade_path), "%s", path ? path : "(own)");
    if (upgrade_result < 0)
        return error_say(reterr, upgrade_result, "it is a directory");
    return 0;
}

static void
with_upgrade(void)
{
    operator_destroy(desk);
    desk_options.upgrade = fake_upgrade;
    upgrade_result = 0;
    n_upgrades = 0;
    master_begins();
}

START_TEST(an_upgrade_is_answered_by_the_master_that_comes_next)
{
    static const char body[] = "{\"path\":\"/opt/stint\",\"id\":\"" ID "\"}";
    struct client c;
    int status;
    json_t *answer;

    with_upgrade();
    ask(&c, "/v1/upgrade", body);
    UNTIL(loop, n_upgrades == 1);
    ck_assert_str_eq(upgrade_path, "/opt/stint");
    answer = call("POST", "/v1/upgrade", "{}", &status);
    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(json_object_get(answer, "error"), "code"), "busy");
    json_decref(answer);
    UNTIL(loop, strstr(text_str(&image), ID) != NULL);
    master_dies();
    client_close(&c);
    master_begins();
    ck_assert(operator_upgrading(desk));
    if (_i == 0)
        operator_upgraded(desk, true, "stint 9.9.9");
    ask(&c, "/v1/upgrade", body);
    turn(loop);
    if (_i == 1)
        operator_upgraded(desk, false, "the new program did not start; the old one goes on");
    answer = hear(&c, &status);
    ck_assert_uint_eq(n_upgrades, 1);
    ck_assert(!operator_upgrading(desk));
    ck_assert_int_eq(status, _i == 0 ? 200 : 409);
    ck_assert_int_eq(json_is_true(json_object_get(answer, "ok")), _i == 0);
    ck_assert_ptr_nonnull(strstr(json_at(answer, "text"), _i == 0 ? "9.9.9" : "goes on"));
    json_decref(answer);
}
END_TEST

START_TEST(an_upgrade_that_cannot_begin_is_a_no)
{
    int status;
    json_t *answer = call("POST", "/v1/upgrade", "{}", &status);

    ck_assert_int_eq(status, 409); /* nobody can */
    ck_assert_ptr_nonnull(strstr(json_at(answer, "text"), "cannot be upgraded"));
    json_decref(answer);
    with_upgrade();
    upgrade_result = -EISDIR;
    answer = call("POST", "/v1/upgrade", "{\"id\":\"" ID "\"}", &status);
    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(upgrade_path, "(own)");
    ck_assert_str_eq(json_at(answer, "text"), "it is a directory");
    json_decref(answer);
    upgrade_result = 0;
    answer = call("POST", "/v1/upgrade", "{}", &status);
    ck_assert_int_eq(status, 202); /* without an id nobody could be told how it went */
    ck_assert(!operator_upgrading(desk));
    json_decref(answer);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operator");
    TCase *tc = tcase_create("asked again");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, who_lost_the_connection_asks_again_and_nothing_is_done_twice);
    tcase_add_test(tc, an_answer_waits_for_its_client_until_it_is_fetched);
    tcase_add_test(tc, a_client_that_never_comes_back_is_forgotten);
    tcase_add_test(tc, no_more_changes_are_remembered_than_there_is_room);
    tcase_add_test(tc, the_newest_connection_with_an_id_gets_the_answer);
    tcase_add_loop_test(tc, what_is_wrong_with_an_id_or_a_path_is_said, 0, (int)ARRAY_LEN(wrongs));
    tcase_add_test(tc, each_of_all_services_names_the_run_that_answered_for_it);
    tcase_add_loop_test(tc, an_upgrade_is_answered_by_the_master_that_comes_next, 0, 2);
    tcase_add_test(tc, an_upgrade_that_cannot_begin_is_a_no);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
