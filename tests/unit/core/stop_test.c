/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stopping: one service, or everything, in reverse dependency order and within one budget (60 s). */
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
depending(const char *name, const char *on)
{
    struct service_spec *s = service_new(name);

    must_add(&s->depends_on, on);
    return s;
}

/* db (w1) ← api (w2) ← web (w3); nobody leaves by itself. */
static void
three_levels(void)
{
    rim_config(r, service_new("db"), depending("api", "db"), depending("web", "api"));
    ck_state(r, "web", "running");
    r->exit = false;
    rim_forget(r);
}

START_TEST(a_stopped_service_stays_down)
{
    rim_config(r, service_new("web"));
    rim_ask(r, EVENT_STOP, "web", false);
    ck_state(r, "web", "stopped");
    rim_forget(r);
    rim_edit(r, "web");
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_wait(r, 60 * US_PER_S);
    ck_did(r, "");
}
END_TEST

START_TEST(a_start_brings_it_back_as_a_new_generation)
{
    rim_config(r, service_new("web"));
    rim_ask(r, EVENT_STOP, "web", false);
    rim_forget(r);
    rim_ask(r, EVENT_START, "web", false);
    ck_said(r, "verdict: web/2 serving");
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(everything_stops_in_reverse_dependency_order)
{
    three_levels();
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    ck_did(r, "signal w3 15");
    rim_dies(r, 3, 0);
    ck_did(r, "signal w3 15; discard 3; signal w2 15");
    rim_forget(r);
    rim_dies(r, 2, 0);
    ck_did(r, "discard 2; signal w1 15");
    ck_assert(!core_stopped(r->core));
    rim_dies(r, 1, 0);
    ck_assert(core_stopped(r->core));
}
END_TEST

START_TEST(what_others_depend_on_is_kept_up_until_they_have_left)
{
    three_levels();
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    rim_forget(r);
    rim_dies(r, 1, SIGSEGV); /* db crashes while web still drains */
    ck_did(r, "spawn db/1.0 w4");
}
END_TEST

START_TEST(a_candidate_is_not_waited_for_in_a_stop)
{
    three_levels();
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "db", true); /* w4 starts */
    rim_forget(r);
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    ck_said(r, "verdict: db/1 cancelled");
    ck_did(r, "signal w4 15; signal w3 15");
}
END_TEST

START_TEST(a_stop_of_everything_fits_its_budget)
{
    three_levels();
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    rim_wait(r, 60 * US_PER_S - 1);
    ck_assert(!core_stopped(r->core)); /* not even SIGKILL helped yet */
    rim_wait(r, 1);
    ck_assert(core_stopped(r->core));
    ck_said(r, "worker_abandoned: db/1");
    ck_said(r, "worker_abandoned: api/1");
    ck_said(r, "worker_abandoned: web/1");
    ck_said(r, "leak: db/1");
}
END_TEST

START_TEST(a_budget_leaves_time_for_evidence_and_sigkill)
{
    three_levels();
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    rim_wait(r, 48 * US_PER_S); /* nobody waits for dependents any more */
    rim_forget(r);
    rim_wait(r, 6 * US_PER_S);
    ck_did(r, "kill w1; kill w2");
    rim_dies(r, 1, SIGKILL);
    rim_dies(r, 2, SIGKILL);
    rim_dies(r, 3, SIGKILL);
    ck_assert(core_stopped(r->core));
}
END_TEST

START_TEST(a_drain_under_way_is_cut_to_the_budget)
{
    struct service_spec *web = service_new("web");

    web->drain_timeout_us = 3600 * US_PER_S;
    rim_config(r, web);
    r->exit = false;
    rim_ask(r, EVENT_STOP, "web", false);
    rim_wait(r, 10 * US_PER_S);
    rim_forget(r);
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    rim_wait(r, 60 * US_PER_S);
    ck_did(r, "evidence w1; kill w1");
    ck_assert(core_stopped(r->core));
}
END_TEST

START_TEST(nothing_starts_any_more_once_everything_stops)
{
    three_levels();
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    rim_forget(r);
    rim_ask(r, EVENT_START, "web", false);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_edit(r, "web");
    rim_ask(r, EVENT_STOP_ALL, NULL, false); /* said twice: the first budget counts */
    ck_did(r, "");
}
END_TEST

START_TEST(nothing_at_all_stops_at_once)
{
    ck_assert(!core_stopped(r->core));
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    ck_assert(core_stopped(r->core));
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
}
END_TEST

RIM_SUITE_MAIN("stop", a_stopped_service_stays_down, a_start_brings_it_back_as_a_new_generation,
               everything_stops_in_reverse_dependency_order,
               what_others_depend_on_is_kept_up_until_they_have_left,
               a_candidate_is_not_waited_for_in_a_stop, a_stop_of_everything_fits_its_budget,
               a_budget_leaves_time_for_evidence_and_sigkill,
               a_drain_under_way_is_cut_to_the_budget,
               nothing_starts_any_more_once_everything_stops, nothing_at_all_stops_at_once)
