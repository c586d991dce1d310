/* SPDX-License-Identifier: GPL-2.0-or-later */
/* restart_after: a worker is relieved in its slot, and nobody misses it. */
#include "tests/unit/core/rim.h"

#define AGE (100 * US_PER_S)

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
aging(unsigned workers)
{
    struct service_spec *web = service_new("web");

    web->workers = workers;
    web->restart_age_us = AGE;
    return web;
}

/* Generation 1 serves; from now on nobody is ready or leaves by himself. */
static void
web_serves(struct service_spec *web)
{
    rim_config(r, web);
    ck_state(r, "web", "running");
    r->ready = r->exit = false;
    rim_forget(r);
}

START_TEST(a_worker_that_is_too_old_leaves_once_another_is_ready_in_its_slot)
{
    web_serves(aging(1));
    rim_wait(r, AGE - 1);
    ck_did(r, "");
    rim_wait(r, 1);
    ck_did(r, "spawn web/1.0 w2");
    ck_said(r, "relief: web/1 pid 1001 | is 100.0 s old, its limit is 100.0 s: another one "
               "starts beside it");
    rim_forget(r);
    rim_ready(r, 2);
    ck_did(r, "signal w1 15");
    ck_assert_ptr_eq(rim_service(r, "web"), core_worker(r->core, 2)->generation->service);
    rim_dies(r, 1, 0);
    ck_not_said(r, "backoff");
    ck_state(r, "web", "running");
    ck_assert_uint_eq(rim_service(r, "web")->respawns, 0);
    rim_forget(r);
    rim_wait(r, AGE - 1);
    ck_did(r, ""); /* the new one is young */
}
END_TEST

START_TEST(one_at_a_time_and_the_others_after_it)
{
    web_serves(aging(3));
    rim_wait(r, AGE);
    ck_did(r, "spawn web/1.0 w4");
    rim_wait(r, 5 * US_PER_S);
    ck_did(r, "spawn web/1.0 w4");
    rim_ready(r, 4);
    ck_did(r, "spawn web/1.0 w4; signal w1 15; spawn web/1.1 w5");
    rim_forget(r);
    rim_ready(r, 5);
    ck_did(r, "signal w2 15; spawn web/1.2 w6");
    rim_forget(r);
    rim_ready(r, 6);
    ck_did(r, "signal w3 15");
}
END_TEST

START_TEST(jitter_spreads_them_and_never_lets_one_grow_older_than_the_limit)
{
    struct service_spec *web = aging(30);
    int64_t least = INT64_MAX, most = 0, sum = 0;

    web->restart_jitter = 10;
    web->restart_requests = 1000;
    web_serves(web);
    for (uint64_t id = 1; id <= 30; id++) {
        int64_t limit = worker_age_limit_us(core_worker(r->core, id));

        least = limit < least ? limit : least;
        most = limit > most ? limit : most;
        sum += limit;
        ck_assert_uint_ge(worker_requests_limit(core_worker(r->core, id)), 900);
        ck_assert_uint_le(worker_requests_limit(core_worker(r->core, id)), 1000);
    }
    ck_assert_int_ge(least, AGE * 90 / 100);
    ck_assert_int_le(least, AGE * 91 / 100);
    ck_assert_int_le(most, AGE);
    ck_assert_int_ge(most, AGE * 99 / 100);
    ck_assert_int_ge(sum / 30, AGE * 94 / 100);
    ck_assert_int_le(sum / 30, AGE * 96 / 100);
}
END_TEST

START_TEST(who_has_used_up_its_requests_or_memory_is_relieved_too)
{
    struct service_spec *web = service_new("web");
    struct event ev = {.type = EVENT_USAGE, .worker = 2};

    web->workers = 2;
    web->restart_requests = 1000;
    web->restart_rss_bytes = 64 << 20;
    web_serves(web);
    ck_assert_int_eq(worker_outlived(core_worker(r->core, 2), 999, 63 << 20), RELIEF_NONE);
    ck_assert_int_eq(worker_outlived(core_worker(r->core, 2), 1000, 0), RELIEF_REQUESTS);
    ck_assert_int_eq(worker_outlived(core_worker(r->core, 2), 0, 64 << 20), RELIEF_RSS);
    ev.usage.rss_bytes = 100 << 20;
    rim_step(r, ev);
    ck_did(r, "spawn web/1.1 w3");
    ck_said(r, "relief: web/1 pid 1002 | has 100 MiB of memory, its limit is 64 MiB: another one");
    rim_ready(r, 3);
    rim_forget(r);
    ev.worker = 1;
    ev.usage.requests = 1001;
    ev.usage.rss_bytes = 0;
    rim_step(r, ev);
    ck_did(r, "spawn web/1.0 w4");
    ck_said(r, "has served 1001 requests, its limit is 1000: another one");
}
END_TEST

START_TEST(when_the_other_is_not_ready_the_old_one_goes_on_and_it_is_tried_again_later)
{
    web_serves(aging(1));
    rim_wait(r, AGE);
    rim_forget(r);
    rim_wait(r, 10 * US_PER_S); /* start_timeout */
    ck_did(r, "signal w2 15");
    ck_said(r, "relief: web/1 pid 1001 | the one that was to relieve it was not ready: it goes on, "
               "next try in ");
    ck_state(r, "web", "running");
    rim_wait(r, 36 * US_PER_S);
    ck_did(r, "signal w2 15; evidence w2; kill w2"); /* not before that one is gone */
    rim_forget(r);
    rim_dies(r, 2, 9);
    ck_did(r, "spawn web/1.0 w3");
    rim_forget(r);
    rim_dies(r, 3, 0x0100);
    ck_said(r, "it goes on, next try in ");
    ck_not_said(r, "backoff");
    rim_wait(r, US_PER_S);
    ck_did(r, "spawn web/1.0 w4");
    rim_ready(r, 4);
    ck_did(r, "spawn web/1.0 w4; signal w1 15");
}
END_TEST

START_TEST(a_substitute_that_cannot_be_started_is_no_failure_of_the_slot)
{
    web_serves(aging(1));
    r->spawn = false;
    rim_wait(r, AGE);
    rim_step(r, (struct event){
                    .type = EVENT_SPAWN_FAILED,
                    .worker = 2,
                    .spawn_failed = {.error = -EAGAIN, .what = "clone"}
    });
    ck_said(r, "it goes on, next try in ");
    ck_state(r, "web", "running");
    ck_assert_uint_eq(service_serving(rim_service(r, "web"))->slots[0].failures, 0);
}
END_TEST

START_TEST(a_worker_that_dies_meanwhile_is_followed_by_the_one_that_starts_already)
{
    web_serves(aging(1));
    rim_wait(r, AGE);
    rim_forget(r);
    rim_dies(r, 1, 11);
    ck_did(r, "");
    ck_not_said(r, "backoff");
    rim_ready(r, 2);
    ck_did(r, "");
    ck_state(r, "web", "running");
    rim_dies(r, 2, 11);
    ck_did(r, "spawn web/1.0 w3"); /* … and it has the slot like any other */
}
END_TEST

START_TEST(one_whose_successor_dies_before_it_was_asked_to_leave_stays)
{
    struct service_spec *web = aging(1);

    web->announce_delay_us = 3 * US_PER_S;
    web_serves(web);
    rim_wait(r, AGE);
    rim_ready(r, 2);
    rim_forget(r);
    rim_wait(r, US_PER_S);
    rim_dies(r, 2, 11);
    ck_did(r, "");
    ck_said(r, "relief: web/1 pid 1001 | the one that was to relieve it has died: it goes on");
    rim_wait(r, US_PER_S);
    ck_did(r, "spawn web/1.0 w3");
    rim_ready(r, 3);
    rim_forget(r);
    rim_wait(r, 3 * US_PER_S - 1);
    ck_did(r, "");
    rim_wait(r, 1);
    ck_did(r, "signal w1 15");
}
END_TEST

START_TEST(a_reload_renews_them_anyway)
{
    web_serves(aging(1));
    rim_wait(r, AGE - US_PER_S);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_wait(r, 5 * US_PER_S); /* the candidate is not ready yet */
    ck_did(r, "");
    rim_dies(r, 2, 0x0100);
    rim_forget(r);
    rim_service(r, "web")->spec->limit_count = 1;
    rim_wait(r, US_PER_S);
    rim_dies(r, 3, 0x0100);
    ck_said(r, "verdict: web/1 rejected");
    ck_did(r, "spawn web/1.0 w4; discard 2"); /* now */
}
END_TEST

START_TEST(a_reload_during_a_relief_relieves_both)
{
    web_serves(aging(1));
    rim_wait(r, AGE);
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_forget(r);
    rim_ready(r, 3);
    ck_did(r, "signal w1 15; signal w2 15");
    rim_dies(r, 1, 0);
    rim_forget(r);
    rim_dies(r, 2, 0);
    ck_said(r, "certificate: web/1");
    ck_not_said(r, "it goes on");
}
END_TEST

START_TEST(with_replace_it_leaves_first_and_there_are_never_two)
{
    struct service_spec *web = aging(2);

    web->handoff = HANDOFF_REPLACE;
    web_serves(web);
    rim_wait(r, AGE);
    ck_did(r, "signal w1 15");
    ck_said(r, "it leaves, and another one starts in its place (handoff: replace)");
    rim_forget(r);
    rim_dies(r, 1, 0);
    ck_did(r, "spawn web/1.0 w3");
    rim_wait(r, 5 * US_PER_S);
    ck_did(r, "spawn web/1.0 w3"); /* the other waits until this slot serves again */
    rim_ready(r, 3);
    ck_did(r, "spawn web/1.0 w3; signal w2 15");
    ck_not_said(r, "backoff");
}
END_TEST

/* Its limit is below what it needs to begin with: no slot is relieved again and again without a pause. */
START_TEST(limits_that_nobody_can_keep_do_not_make_a_whirl)
{
    struct service_spec *web = service_new("web");
    unsigned spawns;

    web->restart_rss_bytes = 1 << 20;
    web_serves(web);
    r->ready = r->exit = true;
    for (int i = 0; i < 600; i++) { /* ten minutes */
        rim_step(r, (struct event){.type = EVENT_USAGE,
                                   .worker = r->core->last_worker_id,
                                   .usage = {.rss_bytes = 2 << 20}});
        rim_wait(r, US_PER_S);
    }
    spawns = service_serving(rim_service(r, "web"))->spawns;
    ck_assert_uint_ge(spawns, 15);
    ck_assert_uint_le(spawns, 60); /* a pause of 22 s and more, soon */
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(nobody_is_relieved_in_a_stop_and_a_substitute_leaves_with_the_others)
{
    web_serves(aging(1));
    rim_wait(r, AGE);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_did(r, "spawn web/1.0 w2; signal w1 15; signal w2 15");
    rim_dies(r, 1, 0);
    rim_dies(r, 2, 0);
    ck_state(r, "web", "stopped");
    ck_not_said(r, "it goes on");
}
END_TEST

RIM_SUITE_MAIN("relief", a_worker_that_is_too_old_leaves_once_another_is_ready_in_its_slot,
               one_at_a_time_and_the_others_after_it,
               jitter_spreads_them_and_never_lets_one_grow_older_than_the_limit,
               who_has_used_up_its_requests_or_memory_is_relieved_too,
               when_the_other_is_not_ready_the_old_one_goes_on_and_it_is_tried_again_later,
               a_substitute_that_cannot_be_started_is_no_failure_of_the_slot,
               a_worker_that_dies_meanwhile_is_followed_by_the_one_that_starts_already,
               one_whose_successor_dies_before_it_was_asked_to_leave_stays,
               a_reload_renews_them_anyway, a_reload_during_a_relief_relieves_both,
               with_replace_it_leaves_first_and_there_are_never_two,
               limits_that_nobody_can_keep_do_not_make_a_whirl,
               nobody_is_relieved_in_a_stop_and_a_substitute_leaves_with_the_others)
