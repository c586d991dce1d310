/* SPDX-License-Identifier: GPL-2.0-or-later */
/* depends_on: {x: completed}, and what becomes of a service whose type changes. */
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

START_TEST(who_depends_on_it_waits_until_it_has_completed)
{
    rim_config(r, migrate(), web_on_migrate());
    ck_did(r, "look migrate; spawn migrate/1.0 w1");
    ck_why(r, "web", "waits for migrate to complete");
    ck_assert(!service_waits_in_vain(r->core, rim_service(r, "web")));
    rim_forget(r);
    rim_dies(r, 1, 0);
    ck_did(r, "discard 1; look web; spawn web/1.0 w2");
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(who_depends_on_one_that_failed_waits_in_vain)
{
    rim_config(r, migrate(), web_on_migrate());
    rim_dies(r, 1, 1 << 8);
    ck_why(r, "web", "waits for migrate to complete");
    ck_assert(service_waits_in_vain(r->core, rim_service(r, "web")));
    ck_assert_int_eq(spent_status(r), 1);
    rim_edit(r, "migrate");
    rim_wait(r, US_PER_S);
    ck_assert(!service_waits_in_vain(r->core, rim_service(r, "web")));
    rim_dies(r, 2, 0);
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_newer_run_that_failed_counts_and_so_does_one_under_way)
{
    rim_config(r, migrate(), web_on_migrate());
    rim_dies(r, 1, 0);
    rim_ask(r, EVENT_STOP, "web", false);
    rim_edit(r, "migrate");
    rim_wait(r, US_PER_S);
    rim_forget(r);
    rim_ask(r, EVENT_START, "web", false);
    ck_did(r, "");
    ck_why(r, "web", "waits for migrate to complete");
    rim_dies(r, 3, 1 << 8);
    ck_assert(service_waits_in_vain(r->core, rim_service(r, "web")));
    ck_assert_int_eq(spent_status(r), 1); /* now that nothing runs */
}
END_TEST

START_TEST(what_runs_goes_on_whatever_becomes_of_a_later_run)
{
    rim_config(r, migrate(), web_on_migrate());
    rim_dies(r, 1, 0);
    rim_edit(r, "migrate");
    rim_wait(r, US_PER_S);
    rim_dies(r, 3, 1 << 8);
    ck_state(r, "migrate", "failed");
    ck_state(r, "web", "running");
    ck_assert_int_eq(spent_status(r), -1);
    rim_dies(r, 2, SIGSEGV); /* nor does a respawn wait */
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_batch_is_over_when_all_of_it_has_completed)
{
    struct service_spec *after = service_new("after");

    after->type = TYPE_ONESHOT;
    must_add(&after->depends_on, "migrate");
    must_add(&after->depends_completed, "migrate");
    rim_config(r, migrate(), after);
    ck_assert_int_eq(spent_status(r), -1);
    rim_dies(r, 1, 0);
    ck_assert_int_eq(spent_status(r), -1);
    rim_dies(r, 2, 0);
    ck_assert_int_eq(spent_status(r), 0);
}
END_TEST

/* ---- a reload of what runs ------------------------------------------------------------------------- */

/* Both are new, as after a deploy. web is w2 since, and migrate's second run w3. */
static void
both_change(void)
{
    rim_config(r, web_on_migrate(), migrate());
    rim_dies(r, 1, 0);
    rim_edit(r, "web");
    rim_edit(r, "migrate");
    rim_forget(r);
    rim_wait(r, US_PER_S);
}

START_TEST(a_new_version_waits_for_the_run_that_is_new_with_it)
{
    both_change();
    ck_did(r, "look web; look migrate; discard 3; spawn migrate/2.0 w3");
    ck_why(r, "web", "waits for migrate to complete");
    ck_state(r, "web", "running");
    rim_dies(r, 3, 0);
    ck_said(r, "verdict: migrate/2 completed");
    ck_said(r, "verdict: web/2 serving");
}
END_TEST

START_TEST(a_new_version_waits_in_vain_for_a_run_that_failed_and_the_old_one_serves_on)
{
    both_change();
    rim_dies(r, 3, 1 << 8);
    ck_state(r, "web", "running");
    ck_not_said(r, "verdict: web");
    ck_assert(service_waits_in_vain(r->core, rim_service(r, "web")));
    ck_assert_int_eq(spent_status(r), -1);
    rim_dies(r, 2, SIGSEGV); /* its respawn does not wait */
    ck_state(r, "web", "running");
    rim_ask(r, EVENT_RELOAD, "migrate", true);
    rim_dies(r, r->core->last_worker_id, 0);
    ck_said(r, "verdict: web/2 serving");
}
END_TEST

START_TEST(what_is_unchanged_is_told_at_once)
{
    rim_config(r, migrate(), web_on_migrate());
    rim_dies(r, 1, 0);
    rim_ask(r, EVENT_RELOAD, "migrate", true);
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_said(r, "verdict: web/1 unchanged");
}
END_TEST

START_TEST(a_oneshot_that_was_stopped_holds_nobody_who_runs)
{
    rim_config(r, migrate(), web_on_migrate());
    rim_dies(r, 1, 0);
    rim_ask(r, EVENT_RELOAD, "migrate", true);
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_why(r, "web", "waits for migrate to complete");
    rim_ask(r, EVENT_STOP, "migrate", false);
    ck_said(r, "verdict: web/2 serving");
}
END_TEST

/* ---- from one type to the other ------------------------------------------------------------------ */

START_TEST(a_service_that_becomes_a_oneshot_leaves_when_that_has_completed)
{
    rim_config(r, service_new("migrate"));
    ck_state(r, "migrate", "running");
    rim_forget(r);
    rim_config(r, migrate());
    ck_did(r, "look migrate; spawn migrate/2.0 w2");
    ck_state(r, "migrate", "reloading");
    rim_dies(r, 2, 0);
    ck_state(r, "migrate", "completed");
    ck_said(r, "certificate: migrate/1");
}
END_TEST

START_TEST(a_oneshot_that_becomes_a_service_is_relieved_by_it)
{
    struct service_spec *s = service_new("migrate");

    s->handoff = HANDOFF_REPLACE;
    rim_config(r, migrate());
    rim_dies(r, 1, 0);
    rim_config(r, s);
    ck_state(r, "migrate", "running");
    ck_said(r, "verdict: migrate/2 serving");
    ck_said(r, "certificate: migrate/1");
}
END_TEST

START_TEST(who_waits_for_the_oneshot_that_a_service_becomes_hears_of_its_end)
{
    rim_config(r, service_new("migrate"));
    rim_config(r, migrate(), web_on_migrate());
    ck_why(r, "web", "waits for migrate to complete");
    rim_dies(r, 2, 0);
    ck_state(r, "web", "running");
}
END_TEST

RIM_SUITE_MAIN("completion", who_depends_on_it_waits_until_it_has_completed,
               who_depends_on_one_that_failed_waits_in_vain,
               a_newer_run_that_failed_counts_and_so_does_one_under_way,
               what_runs_goes_on_whatever_becomes_of_a_later_run,
               a_batch_is_over_when_all_of_it_has_completed,
               a_service_that_becomes_a_oneshot_leaves_when_that_has_completed,
               a_oneshot_that_becomes_a_service_is_relieved_by_it,
               who_waits_for_the_oneshot_that_a_service_becomes_hears_of_its_end,
               a_new_version_waits_for_the_run_that_is_new_with_it,
               a_new_version_waits_in_vain_for_a_run_that_failed_and_the_old_one_serves_on,
               what_is_unchanged_is_told_at_once, a_oneshot_that_was_stopped_holds_nobody_who_runs)
