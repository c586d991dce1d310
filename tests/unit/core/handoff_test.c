/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: overlap. Make before break, and what happens when the making fails. */
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

/* web with two workers (w1, w2) serves; the next candidate's workers are w3, w4, and not ready. */
static void
web_serves(struct service_spec *web)
{
    int64_t soak_us = web->soak_us;

    web->workers = 2;
    rim_config(r, web);
    rim_wait(r, soak_us);
    ck_state(r, "web", "running");
    r->ready = r->exit = false;
    rim_forget(r);
}

START_TEST(a_service_starts_by_looking_at_its_inputs)
{
    rim_config(r, service_new("web"));
    ck_did(r, "look web; spawn web/1.0 w1");
    ck_said(r, "generation_serving: web/1");
    ck_said(r, "verdict: web/1 serving #1 | start");
}
END_TEST

START_TEST(nobody_is_signalled_before_the_replacement_is_ready)
{
    web_serves(service_new("web"));
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_did(r, "look web; spawn web/2.0 w3; spawn web/2.1 w4");

    rim_forget(r);
    rim_ready(r, 3);
    rim_wait(r, 5 * US_PER_S);
    ck_did(r, ""); /* half of it is not it */

    rim_ready(r, 4);
    ck_did(r, "signal w1 15; signal w2 15");
    ck_said(r, "verdict: web/2 serving #2");
}
END_TEST

START_TEST(an_old_generation_is_certified_when_its_last_process_is_gone)
{
    web_serves(service_new("web"));
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_ready(r, 4);
    rim_forget(r);
    rim_dies(r, 1, 0);
    ck_not_said(r, "certificate");
    rim_dies(r, 2, 0);
    ck_said(r, "certificate: web/1 count 0");
    ck_did(r, "discard 1");
    ck_assert_ptr_null(service_generation(rim_service(r, "web"), 1));
}
END_TEST

START_TEST(a_failed_candidate_leaves_the_serving_pids_untouched)
{
    web_serves(service_new("web"));
    r->exit = true;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_exec_error(r, 3, -ENOEXEC);
    ck_did(r, "signal w4 15; discard 2");
    ck_said(r, "generation_aborted: web/2");
    ck_said(r, "verdict: web/1 rejected #2");
    ck_said(r, "certificate: web/2 count 0");
    ck_state(r, "web", "running");
    ck_assert_uint_eq(service_serving(rim_service(r, "web"))->number, 1);
}
END_TEST

START_TEST(a_candidate_that_misses_its_start_deadline_is_drained_not_killed)
{
    web_serves(service_new("web"));
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_forget(r);
    rim_wait(r, 10 * US_PER_S);
    ck_did(r, "signal w3 15; signal w4 15");
    ck_said(r, "worker 1 was not ready within 10.0 s: no READY=1 came, which 'ready: notify' waits "
               "for");
    ck_said(r, "verdict: web/1 rejected");
}
END_TEST

START_TEST(both_generations_serve_while_the_new_one_soaks)
{
    struct service_spec *web = service_new("web");

    web->soak_us = 20 * US_PER_S;
    web_serves(web);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_ready(r, 4);
    rim_forget(r);
    rim_wait(r, 20 * US_PER_S - 1);
    ck_did(r, "");
    ck_not_said(r, "verdict");
    rim_wait(r, 1);
    ck_did(r, "signal w1 15; signal w2 15");
    ck_said(r, "verdict: web/2 serving");
}
END_TEST

START_TEST(a_death_on_probation_rejects_the_candidate)
{
    struct service_spec *web = service_new("web");

    web->soak_us = 20 * US_PER_S;
    web_serves(web);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_ready(r, 4);
    rim_forget(r);
    rim_dies(r, 4, SIGSEGV);
    ck_did(r, "signal w3 15");
    ck_said(r, "died on probation: killed by SIGSEGV");
    ck_said(r, "verdict: web/1 rejected");
}
END_TEST

START_TEST(a_worker_added_during_probation_is_waited_for)
{
    struct service_spec *web = service_new("web"), *more = service_new("web");

    web->soak_us = more->soak_us = 2 * US_PER_S;
    more->workers = 3;
    web_serves(web); /* w1 w2, then w3 w4 */
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_ready(r, 4);
    rim_config(r, more); /* w5 joins the serving one, w6 the candidate */
    rim_forget(r);
    rim_wait(r, 5 * US_PER_S);
    ck_not_said(r, "generation_serving");
    rim_ready(r, 6);
    ck_said(r, "generation_serving: web/2");
}
END_TEST

START_TEST(the_old_one_is_signalled_after_the_announce_delay)
{
    struct service_spec *web = service_new("web");

    web->announce_delay_us = 3 * US_PER_S;
    web_serves(web);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_forget(r);
    rim_ready(r, 4);
    ck_did(r, "");
    ck_said(r, "verdict: web/2 serving");
    rim_wait(r, 3 * US_PER_S - 1);
    ck_did(r, "");
    rim_wait(r, 1);
    ck_did(r, "signal w1 15; signal w2 15");
}
END_TEST

START_TEST(a_libstint_worker_is_cancelled_just_before_its_signal)
{
    struct service_spec *web = service_new("web");

    web->libstint = true;
    web->drain_signal = SIGQUIT;
    web_serves(web);
    r->ready = true;
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_did(r, "look web; spawn web/2.0 w3; spawn web/2.1 w4; "
              "cancel w1; signal w1 3; cancel w2; signal w2 3");
}
END_TEST

START_TEST(a_reload_waits_while_too_many_generations_drain)
{
    struct service_spec *web = service_new("web");

    web->max_draining = 1;
    web_serves(web);
    r->ready = true;
    rim_ask(r, EVENT_RELOAD, "web", true); /* web/1 drains, slowly */
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_did(r, "look web");
    ck_said(r, "queued: web");
    ck_not_said(r, "verdict");
    rim_dies(r, 1, 0);
    ck_not_said(r, "verdict");
    rim_dies(r, 2, 0); /* web/1 is gone, web/3 may start */
    ck_said(r, "certificate: web/1");
    ck_said(r, "verdict: web/3 serving #3");
}
END_TEST

START_TEST(ready_from_a_worker_that_is_being_relieved_is_an_honest_race)
{
    web_serves(service_new("web"));
    r->ready = true;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_ready(r, 1);
    ck_did(r, "");
    ck_assert_str_eq(text_str(&r->said), "");
}
END_TEST

START_TEST(a_worker_relieved_before_it_has_a_pid_is_signalled_with_its_birth)
{
    struct service_spec *web = service_new("web");

    r->spawn = false;
    rim_config(r, web);
    rim_forget(r);
    r->exit = false;
    rim_ask(r, EVENT_STOP, "web", false);
    ck_did(r, "");
    rim_step(r, (struct event){.type = EVENT_SPAWNED, .worker = 1, .spawned = {.pid = 77}});
    ck_did(r, "signal w1 15");
}
END_TEST

static struct service_spec *
soaking(unsigned workers)
{
    struct service_spec *web = service_new("web");

    web->soak_us = 20 * US_PER_S;
    web->workers = workers;
    return web;
}

START_TEST(a_worker_that_was_not_wanted_when_its_turn_to_start_came_is_no_failure)
{
    web_serves(soaking(2));
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 3);
    rim_ready(r, 4); /* web/2 is on probation */
    r->spawn = false;
    rim_config(r, soaking(3)); /* w5 and w6 */
    rim_config(r, soaking(2));
    rim_config(r, soaking(3));
    rim_forget(r);
    rim_step(r, (struct event){
                    .type = EVENT_SPAWN_FAILED,
                    .worker = 6,
                    .spawn_failed = {.error = -ECANCELED, .what = "it was asked to leave"}
    });
    ck_not_said(r, "aborted");
    ck_did(r, "spawn web/2.2 w7");
}
END_TEST

RIM_SUITE_MAIN("handoff: overlap", a_service_starts_by_looking_at_its_inputs,
               nobody_is_signalled_before_the_replacement_is_ready,
               an_old_generation_is_certified_when_its_last_process_is_gone,
               a_failed_candidate_leaves_the_serving_pids_untouched,
               a_candidate_that_misses_its_start_deadline_is_drained_not_killed,
               both_generations_serve_while_the_new_one_soaks,
               a_death_on_probation_rejects_the_candidate,
               a_worker_added_during_probation_is_waited_for,
               the_old_one_is_signalled_after_the_announce_delay,
               a_libstint_worker_is_cancelled_just_before_its_signal,
               a_reload_waits_while_too_many_generations_drain,
               ready_from_a_worker_that_is_being_relieved_is_an_honest_race,
               a_worker_relieved_before_it_has_a_pid_is_signalled_with_its_birth,
               a_worker_that_was_not_wanted_when_its_turn_to_start_came_is_no_failure)
