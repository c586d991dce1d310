/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: {require_preflight: true}: nothing relieves who serves but what has passed, or was forced. */
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

/* Generation 1 serves, behind a door; the input is another one now. */
static void
web_serves(void)
{
    struct service_spec *web = service_new("web");

    web->require_preflight = true;
    rim_config(r, web);
    ck_state(r, "web", "running");
    r->disk[rim_id(r, "web")]++;
    r->check = false;
    rim_forget(r);
}

static void
shut(void)
{
    struct event ev = rim_answer_of(r, EVENT_CHECKED, "web");

    ev.checked.again = true;
    ev.checked.reason = "no preflight has passed it";
    rim_step(r, ev);
}

START_TEST(the_first_start_is_not_kept_waiting)
{
    struct service_spec *web = service_new("web");

    web->require_preflight = true;
    r->check = false; /* nobody would answer */
    rim_config(r, web);
    ck_state(r, "web", "running");
    ck_did(r, "look web; spawn web/1.0 w1");
}
END_TEST

START_TEST(who_serves_is_relieved_only_after_the_door_has_opened)
{
    web_serves();
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_did(r, "look web; check web 2");
    rim_checked(r, "web", true);
    ck_did(r, "look web; check web 2; spawn web/2.0 w2; signal w1 15; discard 1");
}
END_TEST

START_TEST(a_shut_door_is_a_rejection_that_the_next_reload_does_not_remember)
{
    web_serves();
    rim_ask(r, EVENT_RELOAD, "web", false);
    shut();
    ck_did(r, "look web; check web 2; discard 2");
    ck_assert_int_eq(rim_service(r, "web")->last.outcome, OUTCOME_REJECTED);
    ck_assert_str_eq(rim_service(r, "web")->last.reason, "no preflight has passed it");
    ck_state(r, "web", "running");
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "web", false); /* nothing has changed but what the door says */
    rim_checked(r, "web", true);
    ck_did(r, "look web; check web 3; spawn web/2.0 w2; signal w1 15; discard 1");
}
END_TEST

START_TEST(an_operator_goes_past_it_and_a_start_does_not)
{
    struct event force = {.type = EVENT_RELOAD, .service = 1};

    web_serves();
    rim_ask(r, EVENT_RELOAD, "web", false);
    shut();
    rim_forget(r);
    rim_ask(r, EVENT_START, "web", false); /* forced, as every start of what was rejected is */
    ck_did(r, "look web; check web 3");
    shut();
    rim_forget(r);
    force.service = rim_id(r, "web");
    force.request.force = force.request.past_door = true;
    rim_step(r, force);
    ck_did(r, "look web; spawn web/2.0 w2; signal w1 15; discard 1");
}
END_TEST

START_TEST(what_was_forced_once_is_asked_the_next_time)
{
    struct event force = {.type = EVENT_RELOAD};

    web_serves();
    force.service = rim_id(r, "web");
    force.request.force = force.request.past_door = true;
    rim_step(r, force);
    ck_said(r, "is not asked for a preflight");
    rim_forget(r);
    r->disk[force.service]++;
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_did(r, "look web; check web 3");
}
END_TEST

START_TEST(what_serves_already_may_be_started_anew)
{
    struct service_spec *web = service_new("web");

    web->require_preflight = true;
    rim_config(r, web);
    rim_forget(r);
    r->check = false;
    rim_ask(r, EVENT_RELOAD, "web", true); /* forced by the master itself, not by an operator */
    ck_did(r, "look web; spawn web/2.0 w2; signal w1 15; discard 1");
    ck_said(r, "is not asked for a preflight: it is what serves");
}
END_TEST

RIM_SUITE_MAIN("door", what_serves_already_may_be_started_anew, the_first_start_is_not_kept_waiting,
               who_serves_is_relieved_only_after_the_door_has_opened,
               a_shut_door_is_a_rejection_that_the_next_reload_does_not_remember,
               an_operator_goes_past_it_and_a_start_does_not,
               what_was_forced_once_is_asked_the_next_time)
