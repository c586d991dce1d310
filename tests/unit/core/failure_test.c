/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workers that fail: back-off, the limit that rejects a candidate, the patience for who has served. */
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

static uint64_t
newest(void)
{
    return r->core->last_worker_id;
}

/* How long a slot waits after its newest worker died. */
static int64_t
pause_after_death(void)
{
    uint64_t dead = newest();
    int64_t died_us = r->now_us;

    rim_dies(r, dead, 1 << 8);
    while (newest() == dead) {
        ck_assert_int_ne(core_next_deadline_us(r->core), TIME_NEVER);
        rim_wait(r, core_next_deadline_us(r->core) - r->now_us);
    }
    return r->now_us - died_us;
}

START_TEST(a_crash_is_answered_at_once_then_slower_and_slower)
{
    int64_t wanted = 100 * US_PER_MS;

    rim_config(r, service_new("web")); /* first 100 ms, max 30 s */
    ck_assert_int_eq(pause_after_death(), 0);
    for (int i = 0; i < 14; i++) {
        int64_t pause = pause_after_death();

        ck_assert_int_le(pause, wanted); /* up to a quarter less, by chance */
        ck_assert_int_ge(pause, wanted - wanted / 4 - 1);
        wanted = wanted * 2 < 30 * US_PER_S ? wanted * 2 : 30 * US_PER_S;
    }
    ck_said(r, "backoff: web/1");
    ck_assert_uint_eq(rim_service(r, "web")->respawns, 15);
}
END_TEST

START_TEST(a_healthy_time_forgives_what_was_before)
{
    rim_config(r, service_new("web")); /* healthy: ready for 30 s */
    (void)pause_after_death();
    ck_assert_int_gt(pause_after_death(), 0);
    rim_wait(r, 30 * US_PER_S);
    ck_assert_int_eq(pause_after_death(), 0);
}
END_TEST

START_TEST(the_time_that_a_worker_served_counts_as_waited)
{
    rim_config(r, service_new("web")); /* first 100 ms */
    ck_assert_int_eq(pause_after_death(), 0);
    rim_wait(r, 60 * US_PER_MS);
    ck_assert_int_le(pause_after_death(), 40 * US_PER_MS);
    rim_wait(r, 10 * US_PER_S); /* not yet healthy, but longer than it would wait */
    ck_assert_int_eq(pause_after_death(), 0);
    for (int i = 0; i < 20; i++) /* not for ever: up to 30 s from the one to the next */
        (void)pause_after_death();
    rim_wait(r, 10 * US_PER_S);
    ck_assert_int_gt(pause_after_death(), 10 * US_PER_S);
}
END_TEST

START_TEST(somebody_who_asks_ends_a_back_off)
{
    rim_config(r, service_new("web"));
    for (int i = 0; i < 9; i++)
        (void)pause_after_death();
    rim_dies(r, newest(), 1 << 8); /* about 25 s */
    ck_state(r, "web", "backoff");
    rim_forget(r);
    rim_step(r, (struct event){.type = EVENT_HINT, .service = rim_id(r, "web")});
    rim_wait(r, US_PER_S);
    ck_said(
        r,
        "verdict: web/1 unchanged"); /* a touched file is no reason: who dies may be who touches it */
    ck_state(r, "web", "backoff");
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_did(r, "look web; discard 2; look web; discard 3; spawn web/1.0 w11");
    ck_state(r, "web", "running");
    ck_assert_int_gt(pause_after_death(), 20 * US_PER_S); /* … and goes on where it was */
}
END_TEST

START_TEST(back_off_belongs_to_the_slot)
{
    struct service_spec *web = service_new("web");

    web->workers = 2;
    rim_config(r, web);     /* w1 w2 */
    rim_dies(r, 1, 1 << 8); /* w3, at once */
    rim_dies(r, 3, 1 << 8); /* waits */
    ck_assert_uint_eq(newest(), 3);
    rim_dies(r, 2, 1 << 8); /* the other slot fails for the first time */
    ck_assert_uint_eq(newest(), 4);
    ck_assert_uint_eq(core_worker(r->core, 4)->slot, 1);
}
END_TEST

START_TEST(a_candidate_is_rejected_at_its_limit)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    for (int i = 0; i < 4; i++) {
        ck_not_said(r, "rejected");
        (void)pause_after_death();
    }
    rim_dies(r, newest(), 1 << 8); /* the fifth within 30 s */
    ck_said(r, "(limit of failures reached)");
    ck_said(r, "verdict: web/1 rejected #2");
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
}
END_TEST

START_TEST(a_candidate_that_fails_slowly_is_rejected_as_well)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    for (int i = 0; i < 5; i++) { /* five in 45 s: never five within 30 s */
        rim_wait(r, 9 * US_PER_S);
        ck_not_said(r, "rejected");
        if (i < 4)
            (void)pause_after_death();
    }
    rim_dies(r, newest(), 1 << 8);
    ck_said(r, "verdict: web/1 rejected #2");
}
END_TEST

START_TEST(who_has_served_is_retried_for_ever)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    for (int i = 0; i < 100; i++)
        (void)pause_after_death();
    ck_not_said(r, "aborted");
    ck_state(r, "web", "running");
    rim_dies(r, newest(), 1 << 8);
    ck_state(r, "web", "backoff");
}
END_TEST

START_TEST(a_program_that_cannot_be_executed_is_rejected_at_once)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_exec_error(r, newest(), -ENOEXEC);
    ck_said(r, "verdict: web/1 rejected #2");
}
END_TEST

START_TEST(a_program_still_being_written_is_tried_again)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    r->ready = true;
    rim_exec_error(r, newest(), -ETXTBSY);
    ck_said(r, "verdict: web/2 serving #2");
}
END_TEST

START_TEST(a_process_that_could_not_be_made_is_tried_again)
{
    rim_config(r, service_new("web"));
    r->spawn = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    r->spawn = true;
    rim_step(r, (struct event){
                    .type = EVENT_SPAWN_FAILED,
                    .worker = newest(),
                    .spawn_failed = {.error = -EAGAIN, .what = "clone3"}
    });
    ck_said(r, "verdict: web/2 serving #2");
    ck_not_said(r, "worker_exit: web/2"); /* no pid, no obituary */
}
END_TEST

/* The limit of 5 is reached by what is not the input's fault; then somebody looks again. */
static void
ck_not_condemned(void (*goes_wrong)(void))
{
    rim_config(r, service_new("web"));
    r->ready = false;
    r->disk[rim_id(r, "web")]++;
    rim_ask(r, EVENT_RELOAD, "web", false);
    while (rim_service(r, "web")->reload.state != RELOAD_IDLE) {
        uint64_t tried = newest();

        goes_wrong();
        if (newest() == tried && rim_service(r, "web")->reload.state != RELOAD_IDLE)
            rim_wait(r, core_next_deadline_us(r->core) - r->now_us);
    }
    ck_said(r, "verdict: web/1 rejected #2");
    r->ready = true;
    r->spawn = true;
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_said(r, "verdict: web/3 serving #3");
}

static void
fail_busy(void)
{
    rim_exec_error(r, newest(), -ETXTBSY);
}

static void
fail_spawn(void)
{
    r->spawn = false;
    rim_step(r, (struct event){
                    .type = EVENT_SPAWN_FAILED,
                    .worker = newest(),
                    .spawn_failed = {.error = -EMFILE, .what = "make a pipe"}
    });
}

START_TEST(a_program_that_was_being_written_for_too_long_is_tried_when_it_is_whole)
{
    ck_not_condemned(fail_busy);
}
END_TEST

START_TEST(a_candidate_that_could_not_be_started_is_tried_when_there_is_room)
{
    ck_not_condemned(fail_spawn);
}
END_TEST

START_TEST(a_respawn_that_does_not_get_ready_is_drained_and_tried_again)
{
    rim_config(r, service_new("web")); /* start_timeout 10 s */
    r->ready = false;
    rim_dies(r, 1, SIGSEGV);
    rim_forget(r);
    rim_wait(r, 10 * US_PER_S);
    ck_did(r, "signal w2 15"); /* it listens, and its slot is tried again after a while */
    rim_wait(r, US_PER_S);
    ck_did(r, "signal w2 15; spawn web/1.0 w3");
    ck_not_said(r, "aborted");
}
END_TEST

START_TEST(a_first_start_that_fails_leaves_the_service_failed)
{
    r->ready = false;
    rim_config(r, service_new("web"));
    rim_exec_error(r, 1, -ENOENT);
    ck_said(r, "verdict: web rejected #1");
    ck_state(r, "web", "failed");
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
    rim_forget(r);
    r->ready = true;
    rim_ask(r, EVENT_START, "web", false);
    ck_said(r, "verdict: web/2 serving #2");
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(assume_after_takes_the_living_for_ready)
{
    struct service_spec *web = service_new("web");

    web->ready.mode = READY_ASSUME;
    web->ready.assume_us = 2 * US_PER_S;
    r->ready = false;
    rim_config(r, web);
    rim_wait(r, 2 * US_PER_S - 1);
    ck_state(r, "web", "starting");
    rim_wait(r, 1);
    ck_state(r, "web", "running");
    ck_said(r, "assumed: alive for the time configured (weak evidence)");
}
END_TEST

/* Its master may have died before it was started: another one did that, later. */
START_TEST(assume_after_counts_from_when_it_lives)
{
    struct service_spec *web = service_new("web");

    web->ready.mode = READY_ASSUME;
    web->ready.assume_us = 2 * US_PER_S;
    r->spawn = false;
    rim_config(r, web);
    rim_wait(r, 5 * US_PER_S);
    rim_step(r, (struct event){.type = EVENT_SPAWNED, .worker = 1, .spawned = {.pid = 42}});
    rim_wait(r, 1900 * US_PER_MS);
    ck_state(r, "web", "starting");
    rim_wait(r, 100 * US_PER_MS);
    ck_state(r, "web", "running");
}
END_TEST

RIM_SUITE_MAIN("failure", a_crash_is_answered_at_once_then_slower_and_slower,
               a_healthy_time_forgives_what_was_before,
               the_time_that_a_worker_served_counts_as_waited, somebody_who_asks_ends_a_back_off,
               back_off_belongs_to_the_slot, a_candidate_is_rejected_at_its_limit,
               a_candidate_that_fails_slowly_is_rejected_as_well,
               who_has_served_is_retried_for_ever,
               a_program_that_cannot_be_executed_is_rejected_at_once,
               a_program_still_being_written_is_tried_again,
               a_process_that_could_not_be_made_is_tried_again,
               a_program_that_was_being_written_for_too_long_is_tried_when_it_is_whole,
               a_candidate_that_could_not_be_started_is_tried_when_there_is_room,
               a_respawn_that_does_not_get_ready_is_drained_and_tried_again,
               a_first_start_that_fails_leaves_the_service_failed,
               assume_after_takes_the_living_for_ready, assume_after_counts_from_when_it_lives)
