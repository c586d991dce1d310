/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a configuration asks for: services that come, go, change, and depend on each other. */
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
with_workers(const char *name, unsigned workers)
{
    struct service_spec *s = service_new(name);

    s->workers = workers;
    return s;
}

static struct service_spec *
depending(const char *name, const char *on)
{
    struct service_spec *s = service_new(name);

    must_add(&s->depends_on, on);
    return s;
}

START_TEST(the_same_configuration_again_changes_nothing)
{
    rim_config(r, service_new("web"));
    rim_forget(r);
    rim_config(r, service_new("web"));
    ck_did(r, "");
    ck_assert_str_eq(text_str(&r->said), "");
}
END_TEST

START_TEST(a_new_service_is_started_beside_the_others)
{
    rim_config(r, service_new("web"));
    rim_forget(r);
    rim_config(r, service_new("web"), service_new("api"));
    ck_did(r, "look api; spawn api/1.0 w2");
    ck_said(r, "service: api | added");
}
END_TEST

START_TEST(a_removed_service_is_drained_then_forgotten)
{
    rim_config(r, service_new("web"), service_new("api"));
    r->exit = false;
    rim_forget(r);
    rim_config(r, service_new("web"));
    ck_did(r, "signal w2 15");
    ck_state(r, "api", "stopping");
    rim_dies(r, 2, 0);
    ck_said(r, "service: api | removed");
    ck_assert_ptr_null(core_service_by_name(r->core, "api"));
    ck_assert_ptr_nonnull(core_service_by_name(r->core, "web"));
}
END_TEST

START_TEST(a_removed_service_that_returns_in_time_is_started_again)
{
    rim_config(r, service_new("web"));
    r->exit = false;
    rim_config(r, service_new("other"));
    rim_forget(r);
    rim_config(r, service_new("web"), service_new("other"));
    rim_dies(r, 1, 0);
    ck_said(r, "verdict: web/2 serving");
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_rejected_service_that_is_configured_again_is_tried_again)
{
    rim_config(r, service_new("web"));
    r->ready = r->exit = false;
    r->disk[rim_id(r, "web")]++;
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_exec_error(r, 2, -ENOENT);
    ck_said(r, "verdict: web/1 rejected");
    rim_config(r, service_new("other"));
    rim_config(r, service_new("web"), service_new("other"));
    rim_dies(r, 1, 0);
    ck_said(r, "generation_starting: web/3 | start");
}
END_TEST

static struct service_spec *
checked_by(const char *check)
{
    struct service_spec *web = service_new("web");

    must_add(&web->check, check);
    return web;
}

START_TEST(a_service_whose_check_was_wrong_is_tried_when_the_check_is_put_right)
{
    r->check = false;
    rim_config(r, checked_by("/bin/chekc"));
    rim_checked(r, "web", false);
    ck_state(r, "web", "failed");
    r->check = true;
    rim_forget(r);
    rim_config(r, checked_by("/bin/check"));
    ck_did(r, "look web; check web 2; spawn web/1.0 w1");
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_version_that_a_wrong_check_refused_is_tried_when_the_check_is_put_right)
{
    rim_config(r, checked_by("/bin/check"));
    r->check = false;
    rim_config(r, checked_by("/bin/chekc"));
    rim_edit(r, "web");
    rim_wait(r, US_PER_S);
    rim_checked(r, "web", false);
    ck_said(r, "verdict: web/1 rejected #2");
    r->check = true;
    rim_config(r, checked_by("/bin/check"));
    ck_said(r, "verdict: web/2 serving #3 | configuration: check");
}
END_TEST

START_TEST(a_check_that_is_put_right_while_the_wrong_one_runs_has_the_last_word)
{
    r->check = false;
    rim_config(r, checked_by("/bin/chekc"));
    rim_config(r, checked_by("/bin/check"));
    r->check = true;
    rim_checked(r, "web", false);
    ck_said(r, "verdict: web rejected #1");
    ck_said(r, "verdict: web/1 serving #2 | configuration: check");
}
END_TEST

START_TEST(a_rejected_version_is_not_tried_again_for_another_number_of_workers)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    r->disk[1]++;
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_exec_error(r, 2, -ENOEXEC);
    rim_forget(r);
    rim_config(r, with_workers("web", 2));
    ck_did(r, "spawn web/1.1 w3");
}
END_TEST

static uint64_t
forty_one(void *env, const char *service)
{
    (void)env;
    ck_assert_str_eq(service, "web");
    return 41;
}

START_TEST(generation_numbers_survive_a_restart)
{
    struct spec *c = spec_new(60 * US_PER_S);

    spec_take(c, service_new("web"));
    rim_step(r, (struct event){
                    .type = EVENT_CONFIG, .config = {.spec = c, .last_generation = forty_one}
    });
    spec_destroy(c);
    ck_said(r, "verdict: web/42 serving");
}
END_TEST

START_TEST(a_changed_launch_part_is_a_reload_that_names_the_keys)
{
    struct service_spec *web = service_new("web");

    rim_config(r, service_new("web"));
    rim_forget(r);
    service_argument(web, "--fast");
    rim_config(r, web);
    ck_said(r, "verdict: web/2 serving #2 | configuration: command");
}
END_TEST

START_TEST(a_changed_policy_is_applied_in_place)
{
    struct service_spec *web = service_new("web");

    rim_config(r, service_new("web"));
    rim_forget(r);
    web->drain_timeout_us = 7 * US_PER_S;
    rim_config(r, web);
    ck_did(r, "");
    ck_said(r, "service: web/1 | changed in place: drain_timeout");
    ck_assert_uint_eq(service_serving(rim_service(r, "web"))->policy_rev, 1);

    r->exit = false;
    rim_ask(r, EVENT_STOP, "web", false);
    rim_wait(r, 7 * US_PER_S);
    ck_did(r, "signal w1 15; evidence w1");
}
END_TEST

START_TEST(more_workers_are_started_beside_those_that_serve)
{
    rim_config(r, with_workers("web", 1));
    rim_forget(r);
    rim_config(r, with_workers("web", 3));
    ck_did(r, "spawn web/1.1 w2; spawn web/1.2 w3");
    ck_not_said(r, "verdict");
}
END_TEST

START_TEST(fewer_workers_means_the_last_slots_drain)
{
    rim_config(r, with_workers("web", 3));
    rim_forget(r);
    rim_config(r, with_workers("web", 1));
    ck_did(r, "signal w2 15; signal w3 15");
    rim_wait(r, 60 * US_PER_S);
    ck_did(r, "signal w2 15; signal w3 15"); /* nobody comes back */
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_slot_that_is_wanted_again_waits_for_the_one_who_leaves_it)
{
    rim_config(r, with_workers("web", 2));
    r->exit = false;
    rim_config(r, with_workers("web", 1));
    rim_forget(r);
    rim_config(r, with_workers("web", 2));
    ck_did(r, "");
    ck_assert_int_gt(core_next_deadline_us(r->core), r->now_us); /* and the loop sleeps */
    rim_dies(r, 2, 0);
    ck_did(r, "spawn web/1.1 w3");
}
END_TEST

/* ---- dependencies -------------------------------------------------------------------------------- */

START_TEST(a_service_waits_until_what_it_depends_on_serves)
{
    char why[100];

    r->ready = false;
    rim_config(r, depending("web", "db"), service_new("db"));
    ck_did(r, "look db; spawn db/1.0 w1");
    ck_state(r, "web", "starting");
    ck_assert_str_eq(service_why(r->core, rim_service(r, "web"), why, sizeof(why)),
                     "waits for db to be ready");
    rim_forget(r);
    rim_ready(r, 1);
    ck_did(r, "look web; spawn web/1.0 w2");
}
END_TEST

START_TEST(a_service_goes_on_when_what_it_depends_on_is_reloaded)
{
    rim_config(r, service_new("db"), depending("web", "db"));
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "db", true);
    ck_did(r, "look db; spawn db/2.0 w3; signal w1 15; discard 1");
}
END_TEST

/* ---- the state of a service is derived --------------------------------------------------------------- */

START_TEST(a_service_says_where_it_stands)
{
    struct service_spec *web = service_new("web");

    must_add(&web->check, "/bin/check");
    r->check = r->ready = r->exit = false;
    rim_config(r, web);
    ck_state(r, "web", "starting");
    rim_checked(r, "web", true);
    ck_state(r, "web", "starting");
    rim_ready(r, 1);
    ck_state(r, "web", "running");
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_state(r, "web", "reloading");
    rim_checked(r, "web", true);
    ck_state(r, "web", "reloading");
    rim_ready(r, 2);
    ck_state(r, "web", "running");
    rim_ask(r, EVENT_STOP, "web", false);
    ck_state(r, "web", "stopping");
    rim_dies(r, 1, 0);
    rim_dies(r, 2, 0);
    ck_state(r, "web", "stopped");
}
END_TEST

START_TEST(a_rejected_reload_does_not_make_a_running_service_fail)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_exec_error(r, 2, -ENOENT);
    ck_state(r, "web", "running");
    ck_assert(rim_service(r, "web")->input_rejected);
}
END_TEST

START_TEST(a_status_text_is_kept_for_people)
{
    rim_config(r, service_new("web"));
    rim_step(r,
             (struct event){.type = EVENT_STATUS, .worker = 1, .status = {.text = "3 requests"}});
    ck_assert_str_eq(core_worker(r->core, 1)->status, "3 requests");
}
END_TEST

RIM_SUITE_MAIN(
    "service", the_same_configuration_again_changes_nothing,
    a_new_service_is_started_beside_the_others, a_removed_service_is_drained_then_forgotten,
    a_removed_service_that_returns_in_time_is_started_again,
    a_rejected_service_that_is_configured_again_is_tried_again,
    a_service_whose_check_was_wrong_is_tried_when_the_check_is_put_right,
    a_version_that_a_wrong_check_refused_is_tried_when_the_check_is_put_right,
    a_check_that_is_put_right_while_the_wrong_one_runs_has_the_last_word,
    a_rejected_version_is_not_tried_again_for_another_number_of_workers,
    generation_numbers_survive_a_restart, a_changed_launch_part_is_a_reload_that_names_the_keys,
    a_changed_policy_is_applied_in_place, more_workers_are_started_beside_those_that_serve,
    fewer_workers_means_the_last_slots_drain,
    a_slot_that_is_wanted_again_waits_for_the_one_who_leaves_it,
    a_service_waits_until_what_it_depends_on_serves,
    a_service_goes_on_when_what_it_depends_on_is_reloaded, a_service_says_where_it_stands,
    a_rejected_reload_does_not_make_a_running_service_fail, a_status_text_is_kept_for_people)
