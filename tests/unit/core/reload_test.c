/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reload before anything is started: settle, look, compare, check; and its one verdict. */
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static void
setup(void)
{
    rim_init(r);
    rim_config(r, service_new("web")); /* settle 200 ms */
    rim_forget(r);
}

static void
teardown(void)
{
    rim_finish(r);
}

START_TEST(a_hint_waits_until_the_writer_is_quiet)
{
    rim_edit(r, "web");
    ck_did(r, "");
    rim_wait(r, 150 * US_PER_MS);
    rim_edit(r, "web"); /* not yet finished */
    rim_wait(r, 150 * US_PER_MS);
    ck_did(r, "");
    rim_wait(r, 50 * US_PER_MS);
    ck_said(r, "reload: web");
    ck_said(r, "/bin/worker changed");
    ck_said(r, "verdict: web/2 serving #2");
}
END_TEST

START_TEST(a_stream_of_writes_delays_a_look_five_seconds_at_most)
{
    r->look = false;
    for (int i = 0; i < 49; i++) {
        rim_edit(r, "web");
        rim_wait(r, 100 * US_PER_MS);
    }
    ck_did(r, "");
    rim_edit(r, "web");
    rim_wait(r, 100 * US_PER_MS);
    ck_did(r, "look web");
}
END_TEST

START_TEST(equal_inputs_mean_nothing_happens)
{
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_did(r, "look web; discard 2");
    ck_said(r, "verdict: web/1 unchanged #2");
}
END_TEST

START_TEST(a_forced_reload_needs_no_change)
{
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_said(r, "verdict: web/2 serving #2 | asked by a test");
}
END_TEST

START_TEST(an_operator_does_not_wait_for_the_writer)
{
    rim_edit(r, "web");
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_said(r, "verdict: web/2 serving #2"); /* the run that was settling answers */
    ck_not_said(r, "#3");
}
END_TEST

START_TEST(what_is_still_being_written_is_looked_at_again)
{
    r->look = false;
    rim_edit(r, "web");
    rim_wait(r, 200 * US_PER_MS);
    rim_forget(r);
    rim_looked_not(r, "web", LOOK_UNSETTLED);
    ck_did(r, "");
    rim_wait(r, 200 * US_PER_MS);
    ck_did(r, "look web");
    rim_looked(r, "web");
    ck_said(r, "verdict: web/2 serving #2");
}
END_TEST

START_TEST(a_broken_input_is_rejected_and_loud)
{
    r->look = false;
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_looked_not(r, "web", LOOK_BROKEN);
    ck_said(r, "verdict: web/1 rejected #2 | not an ELF file");
    ck_assert(rim_service(r, "web")->input_rejected);
    ck_assert_str_eq(rim_service(r, "web")->rejected_reason, "not an ELF file");
    ck_state(r, "web", "running");

    rim_ask(r, EVENT_RELOAD, "web", false); /* it was repaired: what serves is what is there */
    rim_looked(r, "web");
    ck_said(r, "verdict: web/1 unchanged #3");
    ck_assert(!rim_service(r, "web")->input_rejected);
}
END_TEST

/* The next version cannot be executed: reload #2 rejects web/2. */
static void
reject_the_next(void)
{
    r->ready = false;
    r->disk[rim_id(r, "web")]++;
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_exec_error(r, r->core->last_worker_id, -ENOEXEC);
    ck_said(r, "verdict: web/1 rejected #2");
    rim_forget(r);
}

START_TEST(a_rejected_version_is_not_tried_again)
{
    reject_the_next();
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_did(r, "look web; discard 3");
    ck_said(r,
            "verdict: web/1 rejected #3 | unchanged since it was rejected: worker 0 could not be");
}
END_TEST

START_TEST(a_rejected_version_is_tried_again_by_force)
{
    reject_the_next();
    r->ready = true;
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_said(r, "verdict: web/3 serving #3");
    ck_assert(!rim_service(r, "web")->input_rejected);
}
END_TEST

START_TEST(a_changed_version_is_tried_after_a_rejected_one)
{
    reject_the_next();
    r->ready = true;
    rim_edit(r, "web");
    rim_wait(r, 200 * US_PER_MS);
    ck_said(r, "verdict: web/3 serving #3");
}
END_TEST

START_TEST(whatever_comes_during_a_run_is_one_trailing_run)
{
    r->ready = false;
    r->disk[rim_id(r, "web")]++;
    rim_ask(r, EVENT_RELOAD, "web", false); /* w2 is starting */
    rim_edit(r, "web");
    rim_edit(r, "web");
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_forget(r);
    r->ready = true;
    rim_ready(r, 2);
    ck_did(r, "signal w1 15; look web; spawn web/3.0 w3; discard 1; signal w2 15; discard 2");
    ck_said(r, "verdict: web/2 serving #2");
    ck_said(r, "verdict: web/3 serving #3");
    ck_not_said(r, "#4");
}
END_TEST

START_TEST(a_request_is_told_which_run_will_answer_it)
{
    const struct service *web = rim_service(r, "web");

    ck_assert_uint_eq(service_covering_reload(r->core, web), 2);
    rim_edit(r, "web"); /* #2 settles: it can still take it in */
    ck_assert_uint_eq(service_covering_reload(r->core, web), 2);
    r->look = false;
    rim_ask(r, EVENT_RELOAD, "web", false); /* #2 looks: too late for that one */
    ck_assert_uint_eq(service_covering_reload(r->core, web), 3);
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_assert_uint_eq(service_covering_reload(r->core, web), 3);
}
END_TEST

START_TEST(a_stop_answers_the_run_that_was_promised)
{
    r->look = false;
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_ask(r, EVENT_RELOAD, "web", false); /* promised: #3 */
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_said(r, "cancelled #2 | the service stops");
    ck_said(r, "cancelled #3 | the service stops");
    ck_assert_uint_eq(service_covering_reload(r->core, rim_service(r, "web")), 0);
}
END_TEST

START_TEST(an_answer_to_a_run_that_is_over_is_given_back)
{
    struct event late;

    r->look = false;
    rim_ask(r, EVENT_RELOAD, "web", false);
    late = rim_answer_of(r, EVENT_LOOKED, "web");
    late.looked.result = LOOK_OK;
    late.looked.snapshot = 50;
    late.looked.digest = rim_digest(99);
    rim_ask(r, EVENT_STOP, "web", false);
    rim_ask(r, EVENT_START, "web", false); /* run #3 looks now */
    rim_forget(r);
    rim_step(r, late);
    ck_did(r, "discard 50");
}
END_TEST

START_TEST(an_answer_for_a_removed_service_is_given_back)
{
    struct event late;

    r->look = false;
    rim_ask(r, EVENT_RELOAD, "web", false);
    late = rim_answer_of(r, EVENT_LOOKED, "web");
    late.looked.result = LOOK_OK;
    late.looked.snapshot = 50;
    rim_config(r, service_new("other"));
    ck_assert_ptr_null(core_service_by_name(r->core, "web"));
    rim_forget(r);
    rim_step(r, late);
    ck_did(r, "discard 50");
}
END_TEST

/* ---- an answer that never comes: there was no memory to remember it with -------------------------- */

START_TEST(a_look_without_an_answer_ends_in_a_verdict)
{
    struct event late;

    r->look = false;
    rim_ask(r, EVENT_RELOAD, "web", false);
    late = rim_answer_of(r, EVENT_LOOKED, "web");
    late.looked.snapshot = 50;
    rim_ask(r, EVENT_RELOAD, "web", false); /* promised: #3 */
    rim_wait(r, 120 * US_PER_S - 1);
    ck_not_said(r, "verdict");
    r->look = true;
    rim_wait(r, 1);
    ck_said(r, "verdict: web/1 rejected #2 | the look at its inputs was not answered within 2 min");
    ck_said(r, "verdict: web/1 unchanged #3");
    ck_did(r, "look web; look web; discard 2");
    rim_forget(r);
    rim_step(r, late);
    ck_did(r, "discard 50");
}
END_TEST

START_TEST(a_check_without_an_answer_ends_in_a_verdict)
{
    struct service_spec *web = service_new("web");

    must_add(&web->check, "/bin/check"); /* within 10 s */
    rim_config(r, web);
    r->check = false;
    rim_edit(r, "web");
    rim_wait(r, 200 * US_PER_MS + 70 * US_PER_S - 1);
    ck_not_said(r, "verdict");
    rim_wait(r, 1);
    ck_said(r, "verdict: web/1 rejected #2 | the check was not answered within 70.0 s");
    ck_did(r, "look web; check web 2; discard 2");
    ck_state(r, "web", "running");
    rim_ask(r, EVENT_RELOAD, "web", false); /* nobody said that it is bad */
    rim_checked(r, "web", true);
    ck_said(r, "verdict: web/2 serving #3");
}
END_TEST

START_TEST(a_run_that_got_its_answer_may_take_its_time)
{
    struct service_spec *web = service_new("web");

    web->soak_us = 3600 * US_PER_S;
    rim_config(r, web);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_wait(r, 3600 * US_PER_S - 1);
    ck_assert_str_eq(text_str(&r->said), "");
    rim_wait(r, 1);
    ck_said(r, "verdict: web/2 serving #2");
}
END_TEST

RIM_SUITE_MAIN(
    "reload", a_hint_waits_until_the_writer_is_quiet,
    a_stream_of_writes_delays_a_look_five_seconds_at_most, equal_inputs_mean_nothing_happens,
    a_forced_reload_needs_no_change, an_operator_does_not_wait_for_the_writer,
    what_is_still_being_written_is_looked_at_again, a_broken_input_is_rejected_and_loud,
    a_rejected_version_is_not_tried_again, a_rejected_version_is_tried_again_by_force,
    a_changed_version_is_tried_after_a_rejected_one,
    whatever_comes_during_a_run_is_one_trailing_run, a_request_is_told_which_run_will_answer_it,
    a_stop_answers_the_run_that_was_promised, an_answer_to_a_run_that_is_over_is_given_back,
    an_answer_for_a_removed_service_is_given_back, a_look_without_an_answer_ends_in_a_verdict,
    a_check_without_an_answer_ends_in_a_verdict, a_run_that_got_its_answer_may_take_its_time)
