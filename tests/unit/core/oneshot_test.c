/* SPDX-License-Identifier: GPL-2.0-or-later */
/* type: oneshot: it runs to its end, once. */
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

static const struct generation *
newest(const char *name)
{
    return container_of(rim_service(r, name)->generations.prev, struct generation, node);
}

START_TEST(it_has_completed_when_it_exits_with_0)
{
    rim_config(r, migrate());
    ck_did(r, "look migrate; spawn migrate/1.0 w1");
    ck_state(r, "migrate", "running");
    ck_why(r, "migrate", "its command runs: start");
    ck_not_said(r, "verdict");
    rim_wait(r, 1000 * US_PER_S); /* nobody limits it, and its READY=1 means nothing */
    rim_forget(r);
    rim_dies(r, 1, 0);
    ck_state(r, "migrate", "completed");
    ck_said(r, "worker_exit: migrate/1 pid 1001 | exited with status 0\n");
    ck_said(r, "generation_completed: migrate/1 | its command ended with 0 after 17 min");
    ck_said(r, "verdict: migrate/1 completed #1");
    ck_did(r, "discard 1"); /* it will never be started from that again */
    ck_assert_int_eq(newest("migrate")->ran_us, 1000 * US_PER_S);
    rim_wait(r, 1000 * US_PER_S);
    ck_did(r, "discard 1");
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
}
END_TEST

START_TEST(one_that_fails_is_never_tried_again)
{
    rim_config(r, migrate());
    rim_forget(r);
    rim_step(r, (struct event){
                    .type = EVENT_EXIT,
                    .worker = 1,
                    .death = {.wait_status = 3 << 8, .last_lines = "no such table"}
    });
    ck_state(r, "migrate", "failed");
    ck_said(r, "verdict: migrate rejected #1 | exited with status 3; last output: no such table");
    ck_said(r, "certificate: migrate/1");
    rim_wait(r, 3600 * US_PER_S);
    ck_did(r, "discard 1");
    ck_assert_int_eq(spent_status(r), 3);
    rim_edit(r, "migrate"); /* repaired */
    rim_wait(r, US_PER_S);
    rim_dies(r, 2, 0);
    ck_state(r, "migrate", "completed");
    ck_said(r, "verdict: migrate/2 completed");
}
END_TEST

START_TEST(a_signal_and_an_end_that_nobody_saw_are_failures)
{
    rim_config(r, migrate());
    rim_dies(r, 1, SIGSEGV);
    ck_said(r, "rejected #1 | killed by SIGSEGV (Segmentation fault)\n");
    ck_assert_int_eq(spent_status(r), 128 + SIGSEGV);
    rim_ask(r, EVENT_START, "migrate", false); /* a new chance */
    rim_step(r, (struct event){.type = EVENT_EXIT, .worker = 2, .death = {.unknown = true}});
    ck_state(r, "migrate", "failed");
    ck_said(r, "rejected #2 | ended, and nobody knows how\n");
    ck_assert_int_eq(spent_status(r), 1);
}
END_TEST

START_TEST(what_never_ran_may_be_started_again)
{
    rim_config(r, migrate());
    rim_forget(r);
    rim_exec_error(r, 1, -ETXTBSY); /* its writer has it open */
    ck_did(r, "spawn migrate/1.0 w2");
    rim_exec_error(r, 2, -ENOEXEC);
    ck_state(r, "migrate", "failed");
    ck_assert_int_eq(spent_status(r), 126);
}
END_TEST

START_TEST(who_asks_for_it_is_tried_again_up_to_the_limit)
{
    struct service_spec *s = migrate();

    s->retry = true;
    s->limit_count = 3;
    rim_config(r, s);
    rim_dies(r, 1, 1 << 8);
    rim_wait(r, US_PER_S);
    rim_dies(r, 2, 1 << 8);
    ck_not_said(r, "verdict");
    rim_wait(r, US_PER_S);
    rim_dies(r, 3, 1 << 8);
    ck_said(r, "rejected #1 | worker 0 exited with status 1 (limit of failures reached)");
    rim_wait(r, 3600 * US_PER_S);
    ck_assert_uint_eq(r->core->last_worker_id, 3);
}
END_TEST

START_TEST(a_retry_may_complete)
{
    struct service_spec *s = migrate();

    s->retry = true;
    rim_config(r, s);
    rim_dies(r, 1, 1 << 8);
    rim_dies(r, 2, 0);
    ck_state(r, "migrate", "completed");
    ck_said(r, "verdict: migrate/1 completed #1");
}
END_TEST

START_TEST(a_run_that_takes_too_long_is_ended_like_any_other)
{
    struct service_spec *s = migrate();

    s->run_timeout_us = 60 * US_PER_S;
    r->exit = false;
    rim_config(r, s);
    rim_forget(r);
    rim_wait(r, 59 * US_PER_S);
    ck_did(r, "");
    rim_wait(r, US_PER_S);
    ck_did(r, "signal w1 15");
    ck_said(r, "rejected #1 | did not end within its 'run_timeout' of 60.0 s");
    ck_state(r, "migrate", "failed");
    rim_dies(r, 1, 0); /* because it was asked to */
    ck_state(r, "migrate", "failed");
    ck_not_said(r, "generation_completed");
    ck_said(r, "certificate: migrate/1 count 0");
    ck_assert_int_eq(spent_status(r), 1);
}
END_TEST

START_TEST(a_run_may_ask_for_more_time)
{
    struct service_spec *s = migrate();

    s->run_timeout_us = 60 * US_PER_S;
    rim_config(r, s);
    rim_step(r, (struct event){.type = EVENT_EXTEND, .worker = 1, .extend = {90 * US_PER_S}});
    rim_wait(r, 80 * US_PER_S);
    ck_state(r, "migrate", "running");
    rim_wait(r, 20 * US_PER_S);
    ck_state(r, "migrate", "failed");
}
END_TEST

START_TEST(a_change_runs_it_again_as_a_new_generation)
{
    rim_config(r, migrate());
    rim_dies(r, 1, 0);
    rim_forget(r);
    rim_edit(r, "migrate");
    rim_wait(r, US_PER_S);
    ck_did(r, "look migrate; spawn migrate/2.0 w2");
    ck_state(r, "migrate", "running");
    rim_forget(r);
    rim_dies(r, 2, 0);
    ck_said(r, "verdict: migrate/2 completed");
    ck_said(r, "generation_draining: migrate/1");
    ck_said(r, "certificate: migrate/1 count 0");
    ck_state(r, "migrate", "completed");
}
END_TEST

START_TEST(what_did_not_change_is_not_run_again_unless_forced)
{
    rim_config(r, migrate());
    rim_dies(r, 1, 0);
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "migrate", false);
    ck_said(r, "verdict: migrate/1 unchanged");
    rim_ask(r, EVENT_START, "migrate", false);
    ck_did(r, "look migrate; discard 2");
    rim_ask(r, EVENT_RELOAD, "migrate", true);
    ck_state(r, "migrate", "running");
    rim_dies(r, 2, 0);
    ck_said(r, "verdict: migrate/2 completed");
}
END_TEST

START_TEST(the_same_input_that_failed_when_it_was_forced_stays_failed)
{
    rim_config(r, migrate());
    rim_dies(r, 1, 0);
    rim_ask(r, EVENT_RELOAD, "migrate", true);
    rim_dies(r, 2, 1 << 8);
    ck_state(r, "migrate", "failed");
    ck_assert_int_eq(spent_status(r), 1);
    rim_ask(r, EVENT_RELOAD, "migrate", false);
    ck_said(r, "rejected #3 | unchanged since it was rejected: exited with status 1");
    ck_state(r, "migrate", "failed");
    rim_ask(r, EVENT_RELOAD, "migrate", true);
    rim_dies(r, 3, 0);
    ck_state(r, "migrate", "completed");
}
END_TEST

START_TEST(a_change_while_it_runs_waits_for_its_end)
{
    rim_config(r, migrate());
    rim_edit(r, "migrate");
    rim_wait(r, 60 * US_PER_S);
    ck_did(r, "look migrate; spawn migrate/1.0 w1");
    rim_dies(r, 1, 0);
    ck_state(r, "migrate", "completed"); /* for as long as nobody has looked */
    rim_wait(r, US_PER_S);
    ck_did(r, "look migrate; spawn migrate/1.0 w1; discard 1; look migrate; spawn migrate/2.0 w2");
}
END_TEST

START_TEST(two_runs_are_never_there_at_once)
{
    struct service_spec *s = migrate();

    s->run_timeout_us = 10 * US_PER_S;
    r->exit = false;
    rim_config(r, s);
    rim_wait(r, 10 * US_PER_S); /* it failed, and takes its time to leave */
    rim_edit(r, "migrate");
    rim_wait(r, US_PER_S);
    ck_did(r, "look migrate; spawn migrate/1.0 w1; signal w1 15; look migrate");
    ck_why(r, "migrate", "waits for the old generation to leave");
    rim_forget(r);
    rim_dies(r, 1, 0);
    ck_did(r, "spawn migrate/2.0 w2; discard 1");
}
END_TEST

START_TEST(who_is_left_behind_is_ended_first)
{
    r->exit = false;
    rim_config(r, migrate());
    rim_step(r, (struct event){
                    .type = EVENT_ESCAPEE, .worker = 1, .escapee = {.pid = 77, .name = "daemon"}
    });
    rim_forget(r);
    rim_dies(r, 1, 0);
    ck_state(r, "migrate", "starting");
    ck_not_said(r, "verdict");
    rim_dies(r, 2, SIGTERM);
    ck_state(r, "migrate", "completed");
    ck_said(r, "verdict: migrate/1 completed #1");
    ck_did(r, "discard 1");
}
END_TEST

START_TEST(a_stop_ends_a_run_and_a_start_begins_another)
{
    rim_config(r, migrate());
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "migrate", false);
    ck_did(r, "signal w1 15; discard 1");
    ck_said(r, "cancelled #1");
    ck_state(r, "migrate", "stopped");
    rim_ask(r, EVENT_START, "migrate", false);
    rim_dies(r, 2, 0);
    ck_state(r, "migrate", "completed");
    rim_ask(r, EVENT_STOP, "migrate", false);
    ck_state(r, "migrate", "stopped");
    ck_assert(list_empty(&rim_service(r, "migrate")->generations));
    rim_ask(r, EVENT_START, "migrate", false);
    ck_state(r, "migrate", "running");
}
END_TEST

RIM_SUITE_MAIN("oneshot", it_has_completed_when_it_exits_with_0,
               one_that_fails_is_never_tried_again,
               a_signal_and_an_end_that_nobody_saw_are_failures,
               what_never_ran_may_be_started_again, who_asks_for_it_is_tried_again_up_to_the_limit,
               a_retry_may_complete, a_run_that_takes_too_long_is_ended_like_any_other,
               a_run_may_ask_for_more_time, a_change_runs_it_again_as_a_new_generation,
               what_did_not_change_is_not_run_again_unless_forced,
               the_same_input_that_failed_when_it_was_forced_stays_failed,
               a_change_while_it_runs_waits_for_its_end, two_runs_are_never_there_at_once,
               who_is_left_behind_is_ended_first, a_stop_ends_a_run_and_a_start_begins_another)
