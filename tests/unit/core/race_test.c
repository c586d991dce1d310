/* SPDX-License-Identifier: GPL-2.0-or-later */
/* People who change their mind in the middle of a handoff. */
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
web_with(unsigned workers)
{
    struct service_spec *s = service_new("web");

    s->workers = workers;
    s->max_draining = 1;
    return s;
}

START_TEST(a_service_removed_in_a_handoff_and_configured_again_starts_anew)
{
    rim_config(r, web_with(1));
    r->ready = r->exit = false;
    rim_ask(r, EVENT_RELOAD, "web", true); /* w2 is starting */
    rim_forget(r);
    rim_config(r, service_new("other"));
    ck_said(r, "verdict: web/1 cancelled #2 | the service was removed");
    rim_config(r, web_with(1), service_new("other"));
    rim_dies(r, 1, 0);
    rim_dies(r, 2, 0);
    ck_said(r, "generation_starting: web/3 | start"); /* 2 is not given again */
    ck_not_said(r, "service: web | removed");
    ck_did(r, "signal w1 15; signal w2 15; look other; spawn other/1.0 w3; look web; "
              "spawn web/3.0 w4; discard 1; discard 2");
}
END_TEST

START_TEST(a_stop_during_back_off_is_done_at_once)
{
    rim_config(r, web_with(1));
    rim_dies(r, 1, SIGSEGV);
    rim_dies(r, 2, SIGSEGV);
    ck_state(r, "web", "backoff");
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_state(r, "web", "stopped");
    ck_said(r, "certificate: web/1 count 0");
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
    rim_wait(r, 60 * US_PER_S);
    ck_did(r, "discard 1");
}
END_TEST

START_TEST(fewer_workers_in_a_handoff_are_enough_for_the_candidate_too)
{
    rim_config(r, web_with(2)); /* w1 w2 */
    r->ready = r->exit = false;
    rim_ask(r, EVENT_RELOAD, "web", true); /* w3 w4 */
    rim_ready(r, 3);
    rim_forget(r);
    rim_config(r, web_with(1));
    ck_did(r, "signal w2 15; signal w4 15; signal w1 15");
    ck_said(r, "verdict: web/2 serving #2");
    rim_dies(r, 4, 0);
    rim_wait(r, US_PER_S);
    ck_did(r, "signal w2 15; signal w4 15; signal w1 15"); /* nobody comes back */
}
END_TEST

START_TEST(a_stop_gives_back_what_a_queued_reload_holds)
{
    rim_config(r, web_with(1));
    r->exit = false;
    rim_ask(r, EVENT_RELOAD, "web", true); /* w1 leaves slowly: as many as may drain */
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_said(r, "queued: web");
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_said(r, "verdict: web/2 cancelled #3");
    ck_did(r, "discard 3; signal w2 15");
}
END_TEST

START_TEST(a_singleton_waits_for_its_turn_to_drain_before_it_is_stopped)
{
    struct service_spec *web = web_with(1);

    rim_config(r, web_with(1));
    r->exit = false;
    rim_ask(r, EVENT_RELOAD, "web", true); /* w1 leaves slowly, w2 serves */
    web->handoff = HANDOFF_REPLACE;
    rim_config(r, web);
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_did(r, "look web");
    rim_dies(r, 1, 0);
    ck_did(r, "look web; signal w2 15; discard 1");
    rim_dies(r, 2, 0);
    ck_said(r, "verdict: web/3 serving #3");
}
END_TEST

static void
a_guest_comes_and_goes(int number)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "guest-%d", number);
    rim_config(r, web_with(1), service_new(name));
    ck_state(r, name, "running");
    rim_config(r, web_with(1));
    rim_forget(r);
}

START_TEST(services_that_come_and_go_leave_nothing_in_the_books)
{
    rim_config(r, web_with(1));
    for (int i = 0; i < 200; i++)
        a_guest_comes_and_goes(i);
    ck_assert_uint_eq(r->core->n_services, 1);
    ck_assert_uint_eq(r->core->by_id.n, 1);
    ck_assert_uint_eq(r->core->by_name.n, 1);
    ck_assert_uint_eq(r->core->workers.n, 1);
    ck_assert_uint_le(r->core->room_due, 16);
    ck_assert_uint_eq(r->core->n_live, 1);
}
END_TEST

RIM_SUITE_MAIN("races", a_service_removed_in_a_handoff_and_configured_again_starts_anew,
               a_stop_during_back_off_is_done_at_once,
               fewer_workers_in_a_handoff_are_enough_for_the_candidate_too,
               a_stop_gives_back_what_a_queued_reload_holds,
               a_singleton_waits_for_its_turn_to_drain_before_it_is_stopped,
               services_that_come_and_go_leave_nothing_in_the_books)
