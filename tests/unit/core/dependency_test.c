/* SPDX-License-Identifier: GPL-2.0-or-later */
/* depends_on: whatever starts a service, it waits until those it depends on serve. */
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
web_on_db(void)
{
    struct service_spec *s = service_new("web");

    must_add(&s->depends_on, "db");
    return s;
}

#define ck_why(r, name, words)                                                                     \
    do {                                                                                           \
        char why_[200];                                                                            \
        ck_assert_str_eq(service_why((r)->core, rim_service(r, name), why_, sizeof(why_)), words); \
    } while (0)

/* web has failed (its run was #2), then db was stopped: nothing runs. */
static void
web_failed_and_db_is_down(struct service_spec *web)
{
    r->disk[2]++;
    rim_config(r, service_new("db")); /* 1 */
    r->ready = false;
    rim_config(r, service_new("db"), web); /* 2 */
    rim_exec_error(r, 2, -ENOENT);
    ck_state(r, "web", "failed");
    r->ready = true;
    rim_ask(r, EVENT_STOP, "db", false);
    ck_state(r, "db", "stopped");
    rim_forget(r);
}

START_TEST(a_failed_service_that_is_started_waits_for_what_it_depends_on)
{
    web_failed_and_db_is_down(web_on_db());
    rim_ask(r, EVENT_START, "web", false);
    ck_did(r, "");
    ck_state(r, "web", "starting");
    ck_why(r, "web", "waits for db to be ready");
    ck_said(r, "reload_queued: web | waits for db to be ready");
    rim_wait(r, 3600 * US_PER_S);
    ck_did(r, "");
    rim_ask(r, EVENT_START, "db", false);
    ck_did(r, "look db; spawn db/2.0 w3; look web; spawn web/2.0 w4");
    ck_said(r, "verdict: web/2 serving #3");
    ck_why(r, "web", "");
}
END_TEST

START_TEST(a_reload_of_a_failed_service_waits_and_is_answered_as_promised)
{
    web_failed_and_db_is_down(web_on_db());
    ck_assert_uint_eq(service_covering_reload(r->core, rim_service(r, "web")), 3);
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_assert_uint_eq(service_covering_reload(r->core, rim_service(r, "web")), 3);
    rim_ask(r, EVENT_RELOAD, "web", true); /* it has not looked yet: one run answers both */
    ck_did(r, "");
    ck_state(r, "web", "failed");
    ck_why(r, "web", "waits for db to be ready");
    rim_ask(r, EVENT_START, "db", false);
    ck_said(r, "verdict: web/2 serving #3");
    ck_not_said(r, "#5"); /* #4 was the start of db */
}
END_TEST

START_TEST(a_repaired_input_waits_as_well)
{
    web_failed_and_db_is_down(web_on_db());
    rim_edit(r, "web");
    rim_wait(r, 10 * US_PER_S);
    rim_edit(r, "web");
    rim_wait(r, 10 * US_PER_S);
    ck_did(r, "");
    rim_ask(r, EVENT_START, "db", false);
    ck_did(r, "look db; spawn db/2.0 w3; look web; spawn web/2.0 w4");
    ck_said(r, "verdict: web/2 serving #3");
    ck_not_said(r, "#5");
}
END_TEST

START_TEST(an_operator_who_asks_before_the_first_start_waits_too)
{
    r->ready = false;
    rim_config(r, service_new("db"), web_on_db());
    rim_ask(r, EVENT_RELOAD, "web", false);
    rim_ask(r, EVENT_START, "web", false);
    ck_did(r, "look db; spawn db/1.0 w1");
    rim_forget(r);
    r->ready = true;
    rim_ready(r, 1);
    ck_did(r, "look web; spawn web/1.0 w2");
    ck_said(r, "verdict: web/1 serving #2");
}
END_TEST

START_TEST(a_running_service_is_reloaded_whatever_became_of_its_dependency)
{
    rim_config(r, service_new("db"), web_on_db());
    rim_ask(r, EVENT_STOP, "db", false);
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_did(r, "look web; spawn web/2.0 w3; signal w2 15; discard 2");
    rim_forget(r);
    rim_dies(r, 3, SIGSEGV); /* nor does a respawn wait */
    ck_did(r, "spawn web/2.0 w4");
}
END_TEST

START_TEST(a_singleton_is_reloaded_whatever_became_of_its_dependency)
{
    struct service_spec *web = web_on_db();

    web->handoff = HANDOFF_REPLACE;
    rim_config(r, service_new("db"), web);
    rim_ask(r, EVENT_STOP, "db", false);
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_said(r, "verdict: web/2 serving");
}
END_TEST

START_TEST(a_dependency_that_leaves_during_the_check_is_waited_for)
{
    struct service_spec *web = web_on_db();

    must_add(&web->check, "/bin/check");
    r->check = false;
    rim_config(r, service_new("db"), web); /* web is being checked */
    rim_ask(r, EVENT_STOP, "db", false);
    rim_forget(r);
    rim_checked(r, "web", true);
    ck_did(r, "discard 2");
    ck_not_said(r, "verdict");
    ck_why(r, "web", "waits for db to be ready");
    r->check = true;
    rim_ask(r, EVENT_START, "db", false);
    ck_did(r, "discard 2; look db; spawn db/2.0 w2; look web; check web 4; spawn web/1.0 w3");
    ck_said(r, "verdict: web/1 serving #2"); /* the same run */
}
END_TEST

START_TEST(a_dependency_that_leaves_while_the_stopped_one_does_is_waited_for)
{
    struct service_spec *web = web_on_db();

    web->handoff = HANDOFF_REPLACE;
    rim_config(r, service_new("db"), web);
    r->exit = false;
    rim_ask(r, EVENT_STOP, "web", false);
    rim_ask(r, EVENT_START, "web", false); /* waits for w2 to leave: a singleton */
    rim_ask(r, EVENT_STOP, "db", false);
    rim_forget(r);
    rim_dies(r, 2, 0);
    ck_not_said(r, "generation_starting");
    ck_why(r, "web", "waits for db to be ready");
    rim_dies(r, 1, 0);
    rim_ask(r, EVENT_START, "db", false);
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_stop_answers_a_run_that_waits)
{
    web_failed_and_db_is_down(web_on_db());
    rim_ask(r, EVENT_START, "web", false);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_said(r, "verdict: web cancelled #3 | the service stops");
    ck_state(r, "web", "stopped");
    rim_ask(r, EVENT_START, "db", false);
    ck_did(r, "look db; spawn db/2.0 w3");
}
END_TEST

START_TEST(a_configuration_without_the_dependency_ends_the_wait)
{
    struct service_spec *on_none = service_new("web");

    web_failed_and_db_is_down(web_on_db());
    rim_ask(r, EVENT_START, "web", false);
    ck_did(r, "");
    rim_config(r, service_new("db"), on_none);
    ck_did(r, "look web; spawn web/2.0 w3");
    ck_said(r, "verdict: web/2 serving #3");
}
END_TEST

START_TEST(a_failed_service_that_is_configured_anew_waits)
{
    struct service_spec *web = web_on_db();

    web_failed_and_db_is_down(web_on_db());
    service_argument(web, "--repaired");
    rim_config(r, service_new("db"), web);
    ck_did(r, "");
    ck_why(r, "web", "waits for db to be ready");
    rim_ask(r, EVENT_START, "db", false);
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_dependency_whose_workers_have_all_died_is_not_ready)
{
    rim_config(r, service_new("db"));
    rim_dies(r, 1, SIGSEGV);
    rim_dies(r, 2, SIGSEGV); /* the next try comes later */
    ck_state(r, "db", "backoff");
    rim_config(r, service_new("db"), web_on_db());
    ck_why(r, "web", "waits for db to be ready");
    rim_forget(r);
    rim_wait(r, US_PER_S);
    ck_did(r, "spawn db/1.0 w3; look web; spawn web/1.0 w4");
}
END_TEST

START_TEST(who_waits_for_one_that_failed_or_was_stopped_waits_in_vain)
{
    struct service_spec *app = service_new("app");

    must_add(&app->depends_on, "web");
    r->ready = r->look = false;
    rim_config(r, service_new("db"), web_on_db(), app);
    ck_assert(!service_waits_in_vain(r->core, rim_service(r, "db")));
    ck_assert(!service_waits_in_vain(r->core, rim_service(r, "app"))); /* db is on its way */
    rim_looked_not(r, "db", LOOK_BROKEN);
    ck_assert(service_waits_in_vain(r->core, rim_service(r, "app")));
    ck_assert(service_waits_in_vain(r->core, rim_service(r, "web")));
    rim_ask(r, EVENT_RELOAD, "db", false);
    ck_assert(!service_waits_in_vain(r->core, rim_service(r, "app")));
    rim_ask(r, EVENT_STOP, "db", false);
    ck_assert(service_waits_in_vain(r->core, rim_service(r, "app")));
}
END_TEST

RIM_SUITE_MAIN("depends_on", a_failed_service_that_is_started_waits_for_what_it_depends_on,
               a_reload_of_a_failed_service_waits_and_is_answered_as_promised,
               a_repaired_input_waits_as_well,
               an_operator_who_asks_before_the_first_start_waits_too,
               a_running_service_is_reloaded_whatever_became_of_its_dependency,
               a_singleton_is_reloaded_whatever_became_of_its_dependency,
               a_dependency_that_leaves_during_the_check_is_waited_for,
               a_dependency_that_leaves_while_the_stopped_one_does_is_waited_for,
               a_stop_answers_a_run_that_waits,
               a_configuration_without_the_dependency_ends_the_wait,
               a_failed_service_that_is_configured_anew_waits,
               a_dependency_whose_workers_have_all_died_is_not_ready,
               who_waits_for_one_that_failed_or_was_stopped_waits_in_vain)
