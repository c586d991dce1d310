/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gated: nobody has clients before the whole generation is ready. */
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static void
setup(void)
{
    rim_init(r);
}

static void
teardown(void)
{
    rim_finish(r);
}

static struct service_spec *
gated(int64_t soak_us)
{
    struct service_spec *web = service_new("web");

    web->workers = 2;
    web->libstint = web->gated = true;
    web->soak_us = soak_us;
    return web;
}

/* Both workers of generation 1 serve; the next ones are w3 and w4, and not ready. */
static void
web_serves(int64_t soak_us)
{
    rim_config(r, gated(soak_us));
    rim_wait(r, soak_us);
    ck_state(r, "web", "running");
    r->ready = r->exit = false;
    rim_forget(r);
}

START_TEST(workers_are_let_in_when_all_are_ready_and_before_the_old_ones_leave)
{
    web_serves(0);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    ck_did(r, "look web; spawn web/2.0 w3; spawn web/2.1 w4"); /* ready, and alone */
    rim_forget(r);
    rim_ready(r, 4);
    ck_did(r, "open w3; open w4; cancel w1; signal w1 15; cancel w2; signal w2 15");
}
END_TEST

START_TEST(with_soak_they_are_let_in_for_it)
{
    web_serves(US_PER_S);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_forget(r);
    rim_ready(r, 4);
    ck_did(r, "open w3; open w4");
    rim_forget(r);
    rim_wait(r, US_PER_S);
    ck_did(r, "cancel w1; signal w1 15; cancel w2; signal w2 15"); /* not once more */
}
END_TEST

START_TEST(a_candidate_that_fails_was_never_let_in)
{
    web_serves(0);
    rim_service(r, "web")->spec->limit_count = 1;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_forget(r);
    rim_wait(r, 60 * US_PER_S); /* the other one is never ready */
    ck_assert_ptr_null(strstr(text_str(&r->did), "open"));
    ck_said(r, "verdict: web/1 rejected");
}
END_TEST

START_TEST(a_respawn_is_let_in_as_soon_as_it_is_ready)
{
    web_serves(0);
    rim_dies(r, 1, 1);
    rim_wait(r, US_PER_S);
    rim_forget(r);
    rim_ready(r, 3);
    ck_did(r, "open w3");
}
END_TEST

START_TEST(without_gated_nothing_is_said_about_it)
{
    struct service_spec *web = service_new("web");

    web->libstint = true;
    rim_config(r, web);
    ck_did(r, "look web; spawn web/1.0 w1");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("gated");
    TCase *tc = tcase_create("gated");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, workers_are_let_in_when_all_are_ready_and_before_the_old_ones_leave);
    tcase_add_test(tc, with_soak_they_are_let_in_for_it);
    tcase_add_test(tc, a_candidate_that_fails_was_never_let_in);
    tcase_add_test(tc, a_respawn_is_let_in_as_soon_as_it_is_ready);
    tcase_add_test(tc, without_gated_nothing_is_said_about_it);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
