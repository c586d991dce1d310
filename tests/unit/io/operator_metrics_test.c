/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/metrics: however long it takes to gather them, the loop turns, and who asks may go away. */
#include "supervisor/io/metrics.h"
#include "tests/unit/io/operator_world.h"

#define SERVICES 12
#define CLIENTS  8 /* that are told at the same time */

static unsigned n_gathered; /* services, by all clients */

static void
of_stint(void *env, struct metrics *ret)
{
    (void)env;
    ret->up = 1;
    ret->stint_wall_us = ret->master_wall_us = US_PER_S;
}

/* Takes longer than a piece may: so each turn of the loop has one of them. */
static void
of_service(void *env, const struct service *s, struct metrics_service *ret)
{
    int64_t until_us = mono_now_us() + 3 * US_PER_MS;

    (void)env;
    n_gathered++;
    (void)snprintf(ret->name, sizeof(ret->name), "%s", s->name);
    while (mono_now_us() < until_us)
        continue;
}

static const char *
configuration(unsigned n)
{
    static char text[4096];
    size_t at = 0;

    at += (size_t)snprintf(text, sizeof(text), "version: 1\nservices:\n");
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at,
                               "  s%u: {command: [/bin/true], directory: /}\n", i);
    return text;
}

static void
begin(void)
{
    struct error e = {0};

    n_gathered = 0;
    set_up();
    operator_destroy(desk);
    desk_options.metrics = of_stint;
    desk_options.metrics_service = of_service;
    ck_assert_msg(operator_create(&desk_options, &desk, &e) == 0, "%s", e.text);
    world.config = configuration(SERVICES);
    ck_assert_msg(config_reload(NULL, "test", &e) == 0, "%s", e.text);
}

static void
ask(struct client *c, const char *path)
{
    client_open(c, dir);
    client_request(c, "GET", path, NULL);
}

static unsigned
told(const struct client *c)
{
    unsigned n = 0;

    for (const char *at = text_str(&c->got); (at = strstr(at, "stint_service_wanted{")); at++)
        n++;
    return n;
}

START_TEST(the_loop_turns_between_the_pieces_and_all_of_it_comes)
{
    struct client slow;
    int status;

    ask(&slow, "/v1/metrics");
    UNTIL(loop, n_gathered == 2);
    ck_assert(!client_ended(&slow));
    json_decref(call("GET", "/v1/version", NULL, &status)); /* nobody is held up by it */
    ck_assert_int_eq(status, 200);
    ck_assert_uint_lt(n_gathered, SERVICES);
    UNTIL(loop, client_ended(&slow));
    ck_assert_int_eq(client_status(&slow), 200);
    ck_assert_ptr_nonnull(strstr(text_str(&slow.got), "application/openmetrics-text; version=1"));
    ck_assert_ptr_nonnull(strstr(text_str(&slow.got), "stint_services 12\n"));
    ck_assert_ptr_nonnull(strstr(text_str(&slow.got), "# EOF\n"));
    ck_assert_uint_eq(told(&slow), SERVICES);
    ck_assert_uint_eq(n_gathered, SERVICES);
    client_close(&slow);
}
END_TEST

START_TEST(the_older_format_is_another_media_type_and_there_is_no_third)
{
    struct client c;
    int status;
    json_t *answer;

    ask(&c, "/v1/metrics?format=prometheus");
    UNTIL(loop, client_ended(&c));
    ck_assert_ptr_nonnull(strstr(text_str(&c.got), "text/plain; version=0.0.4"));
    ck_assert_ptr_null(strstr(text_str(&c.got), "# EOF"));
    client_close(&c);
    answer = call("GET", "/v1/metrics?format=xml", NULL, &status);
    ck_assert_int_eq(status, 400);
    json_decref(answer);
}
END_TEST

START_TEST(a_service_that_is_removed_meanwhile_is_left_out)
{
    struct client c;
    struct error e = {0};

    ask(&c, "/v1/metrics");
    UNTIL(loop, n_gathered == 3);
    world.config = configuration(4);
    ck_assert_msg(config_reload(NULL, "test", &e) == 0, "%s", e.text);
    UNTIL(loop, core->n_services == 4);
    UNTIL(loop, client_ended(&c));
    ck_assert_int_eq(client_status(&c), 200);
    ck_assert_uint_lt(told(&c), SERVICES);
    ck_assert_uint_ge(told(&c), 4);
    ck_assert_ptr_nonnull(strstr(text_str(&c.got), "# EOF\n"));
    client_close(&c);
}
END_TEST

START_TEST(one_client_more_than_there_is_room_for_is_told_so_and_who_goes_away_makes_room)
{
    struct client c[CLIENTS + 1];
    int status;
    json_t *answer;

    for (int i = 0; i < CLIENTS; i++)
        ask(&c[i], "/v1/metrics");
    UNTIL(loop, n_gathered >= CLIENTS);
    answer = call("GET", "/v1/metrics", NULL, &status);
    ck_assert_int_eq(status, 503);
    ck_assert_str_eq(json_at(json_object_get(answer, "error"), "code"), "busy");
    json_decref(answer);
    for (int i = 0; i < CLIENTS; i++)
        client_close(&c[i]);
    for (status = 503; status == 503; client_close(&c[0])) { /* until it is heard that they left */
        ask(&c[0], "/v1/metrics");
        UNTIL(loop, client_ended(&c[0]));
        status = client_status(&c[0]);
    }
    ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(a_master_that_ends_says_the_rest_without_a_pause)
{
    struct client c;

    ask(&c, "/v1/metrics");
    UNTIL(loop, n_gathered == 2);
    operator_farewell(desk, 5 * US_PER_S);
    UNTIL(loop, client_ended(&c));
    ck_assert_uint_eq(told(&c), SERVICES);
    ck_assert_ptr_nonnull(strstr(text_str(&c.got), "# EOF\n"));
    client_close(&c);
}
END_TEST

START_TEST(a_desk_that_is_cleared_away_leaves_nothing_of_them)
{
    struct client c;

    ask(&c, "/v1/metrics");
    UNTIL(loop, n_gathered == 2);
    operator_destroy(desk); /* the sanitizer sees the rest */
    desk = NULL;
    UNTIL(loop, client_ended(&c));
    ck_assert_ptr_null(strstr(text_str(&c.got), "# EOF\n"));
    client_close(&c);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operator_metrics");
    TCase *tc = tcase_create("metrics");

    tcase_add_checked_fixture(tc, begin, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_loop_turns_between_the_pieces_and_all_of_it_comes);
    tcase_add_test(tc, the_older_format_is_another_media_type_and_there_is_no_third);
    tcase_add_test(tc, a_service_that_is_removed_meanwhile_is_left_out);
    tcase_add_test(tc,
                   one_client_more_than_there_is_room_for_is_told_so_and_who_goes_away_makes_room);
    tcase_add_test(tc, a_master_that_ends_says_the_rest_without_a_pause);
    tcase_add_test(tc, a_desk_that_is_cleared_away_leaves_nothing_of_them);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
