/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hooks: {before_start, announce, retired}: what waits for them, and what does not. */
#include "base/list.h"
#include "supervisor/core/image.h"
#include "tests/unit/core/oneshots.h"

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
hooked(enum hook one, enum hook other)
{
    struct service_spec *s = service_new("web");

    must_add(&s->hooks[one].command, "/bin/hook");
    if (other != HOOK_NONE)
        must_add(&s->hooks[other].command, "/bin/hook");
    return s;
}

static void
answer(uint64_t generation, enum hook h, enum hook_outcome o)
{
    struct event ev = {.type = EVENT_HOOKED, .service = rim_id(r, "web")};

    ev.hooked.generation = generation;
    ev.hooked.hook = h;
    ev.hooked.outcome = o;
    ev.hooked.text = o == HOOK_DONE ? "" : "exit status 3: no such backend";
    rim_step(r, ev);
}

static const struct hook_result *
last(enum hook h)
{
    return &rim_service(r, "web")->hooks[h];
}

/* ---- before_start ------------------------------------------------------------------------------- */

START_TEST(nobody_starts_before_the_hook_has_said_yes)
{
    r->hook = false;
    rim_config(r, hooked(HOOK_BEFORE_START, HOOK_NONE));
    ck_did(r, "look web; hook web/1 before_start");
    rim_wait(r, 5 * US_PER_S);
    ck_did(r, "look web; hook web/1 before_start");
    ck_state(r, "web", "starting");
    answer(1, HOOK_BEFORE_START, HOOK_DONE);
    ck_did(r, "look web; hook web/1 before_start; spawn web/1.0 w1");
    ck_said(r, "verdict: web/1 serving");
    ck_assert_int_eq(last(HOOK_BEFORE_START)->outcome, HOOK_DONE);
    ck_assert_int_eq(last(HOOK_BEFORE_START)->duration_us, 5 * US_PER_S);
    ck_assert_uint_eq(last(HOOK_BEFORE_START)->reload, rim_service(r, "web")->last.reload);
}
END_TEST

START_TEST(a_hook_that_says_no_rejects_the_candidate_and_the_old_one_serves_on)
{
    rim_config(r, hooked(HOOK_BEFORE_START, HOOK_NONE));
    r->hook = false;
    rim_edit(r, "web");
    rim_wait(r, US_PER_S);
    rim_forget(r);
    answer(2, HOOK_BEFORE_START, HOOK_FAILED);
    ck_said(r, "hook: web/2 | exit status 3: no such backend");
    ck_said(r, "verdict: web/1 rejected #2 | hook before_start: exit status 3: no such backend");
    ck_said(r, "certificate: web/2");
    ck_did(r, "discard 2");
    ck_state(r, "web", "running");
    rim_ask(r, EVENT_RELOAD, "web", false); /* not again before something changes */
    ck_said(r, "rejected #3 | unchanged since it was rejected");
}
END_TEST

START_TEST(a_hook_of_another_configuration_gives_what_was_refused_another_chance)
{
    struct service_spec *other = hooked(HOOK_BEFORE_START, HOOK_NONE);

    r->hook = false;
    rim_config(r, hooked(HOOK_BEFORE_START, HOOK_NONE));
    answer(1, HOOK_BEFORE_START, HOOK_LATE);
    ck_state(r, "web", "failed");
    must_add(&other->hooks[HOOK_BEFORE_START].command, "--gently");
    rim_config(r, other);
    answer(2, HOOK_BEFORE_START, HOOK_DONE);
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(an_answer_that_is_lost_costs_a_verdict_and_condemns_nothing)
{
    r->hook = false;
    rim_config(r, hooked(HOOK_BEFORE_START, HOOK_NONE));
    rim_wait(r, 16 * US_PER_S);
    ck_did(r, "look web; hook web/1 before_start; unhook web/1 before_start; discard 1");
    ck_said(r, "rejected #1 | hook before_start: it was not answered in time");
    answer(1, HOOK_BEFORE_START, HOOK_DONE); /* … at last */
    r->hook = true;
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_stop_does_not_wait_for_the_hook_of_one_that_will_not_start)
{
    r->hook = false;
    rim_config(r, hooked(HOOK_BEFORE_START, HOOK_NONE));
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_did(r, "unhook web/1 before_start; discard 1");
    ck_state(r, "web", "stopped");
    ck_assert_int_eq(last(HOOK_BEFORE_START)->outcome, HOOK_CANCELLED);
}
END_TEST

START_TEST(a_oneshot_runs_after_its_hook)
{
    struct service_spec *s = migrate();

    must_add(&s->hooks[HOOK_BEFORE_START].command, "/bin/hook");
    must_add(&s->hooks[HOOK_RETIRED].command, "/bin/hook");
    rim_config(r, s);
    ck_did(r, "look migrate; hook migrate/1 before_start; spawn migrate/1.0 w1");
    rim_dies(r, 1, 0);
    ck_state(r, "migrate", "completed");
    rim_ask(r, EVENT_RELOAD, "migrate", true);
    rim_forget(r);
    rim_dies(r, 2, 0);
    ck_did(r, "hook migrate/1 retired; discard 1");
}
END_TEST

/* ---- announce ------------------------------------------------------------------------------------ */

START_TEST(the_old_one_drains_when_it_was_announced_and_the_delay_is_over)
{
    struct service_spec *s = hooked(HOOK_ANNOUNCE, HOOK_NONE);

    s->announce_delay_us = 2 * US_PER_S;
    rim_config(r, s);
    r->hook = r->exit = false;
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_did(r, "look web; spawn web/2.0 w2; hook web/1 announce");
    ck_said(r, "verdict: web/2 serving"); /* nobody who asks has to wait for it */
    rim_wait(r, 3 * US_PER_S);
    rim_forget(r);
    answer(1, HOOK_ANNOUNCE, HOOK_DONE);
    rim_wait(r, US_PER_S);
    ck_did(r, "");
    rim_wait(r, US_PER_S);
    ck_did(r, "signal w1 15");
    ck_assert_uint_eq(last(HOOK_ANNOUNCE)->reload, rim_service(r, "web")->last.reload);
}
END_TEST

START_TEST(an_announcement_that_fails_or_gets_lost_stops_nothing)
{
    rim_config(r, hooked(HOOK_ANNOUNCE, HOOK_NONE));
    r->hook = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    answer(1, HOOK_ANNOUNCE, HOOK_FAILED);
    ck_said(r, "hook: web/1 | exit status 3: no such backend");
    ck_did(r, "signal w1 15; discard 1");
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_wait(r, 16 * US_PER_S);
    ck_did(r, "unhook web/2 announce; signal w2 15; discard 2");
    ck_assert_int_eq(last(HOOK_ANNOUNCE)->outcome, HOOK_UNANSWERED);
}
END_TEST

START_TEST(a_candidate_that_failed_is_announced_to_nobody)
{
    rim_config(r, hooked(HOOK_ANNOUNCE, HOOK_NONE));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_exec_error(r, 2, -ENOEXEC);
    ck_did(r, "discard 2");
}
END_TEST

START_TEST(a_stop_announces_first)
{
    rim_config(r, hooked(HOOK_ANNOUNCE, HOOK_NONE));
    r->hook = false;
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_did(r, "hook web/1 announce");
    ck_state(r, "web", "stopping");
    answer(1, HOOK_ANNOUNCE, HOOK_DONE);
    ck_state(r, "web", "stopped");
    ck_assert_uint_eq(last(HOOK_ANNOUNCE)->reload, 0);
}
END_TEST

START_TEST(one_whose_workers_all_died_meanwhile_is_gone_when_it_was_announced)
{
    rim_config(r, hooked(HOOK_ANNOUNCE, HOOK_NONE));
    r->hook = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_dies(r, 1, SIGSEGV);
    ck_not_said(r, "certificate");
    answer(1, HOOK_ANNOUNCE, HOOK_DONE);
    ck_said(r, "certificate: web/1");
}
END_TEST

START_TEST(a_singleton_is_announced_before_it_leaves_and_may_return)
{
    struct service_spec *s = hooked(HOOK_ANNOUNCE, HOOK_NONE);

    s->handoff = HANDOFF_REPLACE;
    rim_config(r, s);
    r->hook = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_dies(r, 1, SIGSEGV); /* by itself, before anybody asked */
    rim_forget(r);
    r->ready = false;
    answer(1, HOOK_ANNOUNCE, HOOK_DONE);
    ck_did(r, "spawn web/2.0 w2");
    rim_exec_error(r, 2, -ENOEXEC);
    r->ready = true;
    rim_wait(r, US_PER_S);
    ck_said(r, "generation_starting: web/1 | started again");
}
END_TEST

/* ---- retired --------------------------------------------------------------------------------------- */

START_TEST(it_runs_when_the_certificate_is_there)
{
    rim_config(r, hooked(HOOK_RETIRED, HOOK_NONE));
    r->hook = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_said(r, "certificate: web/1");
    ck_did(
        r,
        "look web; spawn web/1.0 w1; look web; spawn web/2.0 w2; signal w1 15; hook web/1 retired");
    ck_state(r, "web", "running");
    rim_ask(r, EVENT_RELOAD, "web", true); /* nobody waits for it */
    ck_said(r, "verdict: web/3 serving");
    rim_forget(r);
    answer(1, HOOK_RETIRED, HOOK_FAILED);
    ck_did(r, "discard 1");
    ck_said(r, "hook: web/1 | exit status 3");
}
END_TEST

START_TEST(a_stop_waits_for_it_but_not_beyond_its_budget)
{
    struct service_spec *s = hooked(HOOK_RETIRED, HOOK_ANNOUNCE);

    s->hooks[HOOK_RETIRED].timeout_us = s->hooks[HOOK_ANNOUNCE].timeout_us = 3600 * US_PER_S;
    r->hook = false;
    rim_config(r, s);
    rim_forget(r);
    rim_ask(r, EVENT_STOP_ALL, NULL, false); /* within 60 s */
    ck_did(r, "hook web/1 announce");
    rim_wait(r, 23 * US_PER_S);
    ck_did(r, "hook web/1 announce");
    rim_wait(r, US_PER_S); /* half of what may go to draining */
    ck_did(r, "hook web/1 announce; unhook web/1 announce; signal w1 15; hook web/1 retired");
    ck_assert(!core_stopped(r->core));
    rim_wait(r, 36 * US_PER_S);
    ck_assert(core_stopped(r->core));
    ck_said(r, "hook: web/1 | everything stops, and there is no time left to wait for it");
}
END_TEST

START_TEST(a_stop_that_begins_meanwhile_shortens_what_is_under_way)
{
    struct service_spec *s = hooked(HOOK_ANNOUNCE, HOOK_NONE);

    s->hooks[HOOK_ANNOUNCE].timeout_us = 3600 * US_PER_S;
    rim_config(r, s);
    r->hook = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    rim_wait(r, 60 * US_PER_S);
    ck_assert(core_stopped(r->core));
}
END_TEST

START_TEST(a_service_that_is_removed_stays_until_its_hook_is_over)
{
    rim_config(r, hooked(HOOK_RETIRED, HOOK_NONE));
    r->hook = false;
    rim_config(r, service_new("other"));
    ck_assert(core_service_by_name(r->core, "web") != NULL);
    answer(1, HOOK_RETIRED, HOOK_DONE);
    ck_assert(core_service_by_name(r->core, "web") == NULL);
}
END_TEST

/* ---- masters that die -------------------------------------------------------------------------------- */

static void
resume(void)
{
    rim_forget(r);
    effects_clear(&r->fx);
    core_resume(r->core, r->now_us, &r->fx);
    for (size_t i = 0; i < r->fx.n; i++)
        rim_write_effect(r, &r->fx.items[i]);
}

START_TEST(one_that_is_not_configured_any_more_is_not_asked_again)
{
    r->hook = false;
    rim_config(r, hooked(HOOK_BEFORE_START, HOOK_NONE));
    rim_config(r, service_new("web"));
    resume();
    rim_wait(r, 0);
    ck_did(
        r,
        "unhook web/1 before_start; spawn web/1.0 w1; look web; discard 2"); /* the change asks for a run, too */
    ck_said(r, "hook: web/1 | it is not configured any more");
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(the_next_master_asks_again_and_says_so)
{
    r->hook = false;
    rim_config(r, hooked(HOOK_BEFORE_START, HOOK_NONE));
    resume();
    ck_did(r, "hook web/1 before_start again");
    answer(1, HOOK_BEFORE_START, HOOK_DONE);
    ck_assert_uint_eq(last(HOOK_BEFORE_START)->tries, 2);
    ck_state(r, "web", "running");
}
END_TEST

RIM_SUITE_MAIN("hooks", nobody_starts_before_the_hook_has_said_yes,
               a_hook_that_says_no_rejects_the_candidate_and_the_old_one_serves_on,
               a_hook_of_another_configuration_gives_what_was_refused_another_chance,
               an_answer_that_is_lost_costs_a_verdict_and_condemns_nothing,
               a_stop_does_not_wait_for_the_hook_of_one_that_will_not_start,
               a_oneshot_runs_after_its_hook,
               the_old_one_drains_when_it_was_announced_and_the_delay_is_over,
               an_announcement_that_fails_or_gets_lost_stops_nothing,
               a_candidate_that_failed_is_announced_to_nobody, a_stop_announces_first,
               one_whose_workers_all_died_meanwhile_is_gone_when_it_was_announced,
               a_singleton_is_announced_before_it_leaves_and_may_return,
               it_runs_when_the_certificate_is_there, a_stop_waits_for_it_but_not_beyond_its_budget,
               a_stop_that_begins_meanwhile_shortens_what_is_under_way,
               a_service_that_is_removed_stays_until_its_hook_is_over,
               the_next_master_asks_again_and_says_so,
               one_that_is_not_configured_any_more_is_not_asked_again)
