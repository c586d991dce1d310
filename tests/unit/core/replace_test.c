/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: replace. A singleton is never there twice; what was stopped for nothing is started again. */
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static struct service_spec *
singleton(void)
{
    struct service_spec *s = service_new("queue");

    s->handoff = HANDOFF_REPLACE;
    return s;
}

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

/* queue/1 serves with w1; from here on workers neither get ready nor leave by themselves. */
static void
queue_serves(struct service_spec *queue)
{
    rim_config(r, queue);
    ck_state(r, "queue", "running");
    r->ready = r->exit = false;
    rim_forget(r);
}

START_TEST(the_old_one_leaves_before_the_new_one_starts)
{
    queue_serves(singleton());
    rim_ask(r, EVENT_RELOAD, "queue", true);
    ck_did(r, "look queue; signal w1 15");
    ck_state(r, "queue", "reloading");

    rim_forget(r);
    rim_dies(r, 1, 0);
    ck_did(r, "spawn queue/2.0 w2");
    rim_forget(r);
    rim_ready(r, 2);
    ck_said(r, "verdict: queue/2 serving #2");
    ck_said(r, "certificate: queue/1 count 0");
    ck_did(r, "discard 1"); /* kept until nobody could want it back */
}
END_TEST

START_TEST(nothing_is_stopped_before_the_check_passed)
{
    struct service_spec *queue = singleton();

    must_add(&queue->check, "/bin/check");
    queue_serves(queue);
    r->check = false;
    rim_ask(r, EVENT_RELOAD, "queue", true);
    ck_did(r, "look queue; check queue 2");

    rim_forget(r);
    rim_checked(r, "queue", false);
    ck_did(r, "discard 2");
    ck_said(r, "verdict: queue/1 rejected #2 | unknown directive 'lisen' in line 3");

    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_forget(r);
    rim_checked(r, "queue", true);
    ck_did(r, "signal w1 15");
}
END_TEST

START_TEST(when_the_new_one_fails_the_previous_one_is_started_again)
{
    queue_serves(singleton());
    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_dies(r, 1, 0);
    rim_forget(r);
    rim_exec_error(r, 2, -ENOENT);
    ck_did(r, "spawn queue/1.0 w3; discard 2");
    ck_said(r, "generation_aborted: queue/2");
    ck_not_said(r, "verdict");

    rim_forget(r);
    rim_ready(r, 3);
    ck_said(r, "verdict: queue/1 restored #2");
    ck_state(r, "queue", "running");
}
END_TEST

START_TEST(the_failed_one_leaves_before_the_previous_one_returns)
{
    queue_serves(singleton());
    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_dies(r, 1, 0);
    rim_forget(r);
    rim_wait(r, 10 * US_PER_S); /* w2 misses its start deadline */
    ck_did(r, "signal w2 15");
    rim_forget(r);
    rim_dies(r, 2, 0);
    ck_did(r, "spawn queue/1.0 w3; discard 2");
}
END_TEST

START_TEST(what_is_restored_is_what_this_reload_stopped)
{
    queue_serves(singleton());
    r->ready = true;
    r->evidence = true;
    rim_ask(r, EVENT_RELOAD, "queue", true); /* w1 will not leave, not even by SIGKILL */
    rim_wait(r, 50 * US_PER_S);
    ck_said(r, "worker_abandoned: queue/1");
    ck_said(r, "verdict: queue/2 serving #2");

    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_dies(r, 2, 0);
    rim_forget(r);
    rim_exec_error(r, 3, -ENOENT);
    ck_said(r, "generation_starting: queue/2 | started again");
    ck_not_said(r, "queue/1");
}
END_TEST

START_TEST(what_is_restored_follows_the_policy_that_changed_meanwhile)
{
    struct service_spec *queue = singleton();

    queue->workers = 2;
    queue_serves(singleton());
    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_dies(r, 1, 0);    /* queue/1 is parked, w2 starts */
    rim_config(r, queue); /* two workers, please: w3 */
    rim_exec_error(r, 2, -ENOENT);
    rim_forget(r);
    rim_dies(r, 3, 0);
    ck_did(r, "spawn queue/1.0 w4; spawn queue/1.1 w5; discard 2");
}
END_TEST

START_TEST(a_stop_meanwhile_starts_nothing_again)
{
    queue_serves(singleton());
    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_dies(r, 1, 0);
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "queue", false);
    ck_said(r, "verdict: queue cancelled #2");
    ck_said(r, "certificate: queue/1");
    ck_did(r, "signal w2 15; discard 1");
    rim_forget(r);
    rim_dies(r, 2, 0);
    ck_did(r, "discard 2");
    ck_state(r, "queue", "stopped");
}
END_TEST

START_TEST(what_was_stopped_on_purpose_is_not_restored)
{
    queue_serves(singleton());
    rim_ask(r, EVENT_STOP, "queue", false);
    rim_ask(r, EVENT_START, "queue", false); /* waits for w1 to leave */
    rim_dies(r, 1, 0);
    rim_exec_error(r, 2, -ENOENT);
    ck_said(r, "verdict: queue rejected");
    ck_not_said(r, "started again");
    ck_state(r, "queue", "failed");
}
END_TEST

/* The restored one comes up while something newer is already on its way. */
START_TEST(a_restored_generation_does_not_relieve_its_successor)
{
    queue_serves(singleton());
    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_dies(r, 1, 0);
    rim_exec_error(r, 2, -ENOENT);
    rim_dies(r, 3, 0x100);                   /* queue/1 does not come up at once … */
    rim_ask(r, EVENT_RELOAD, "queue", true); /* … and somebody has a better one */
    ck_said(r,
            "verdict: queue/1 restored #2 | worker 0 could not be executed: execve; the previous "
            "generation is started again, and not ready yet");
    rim_forget(r);
    rim_ready(r, 4);
    ck_not_said(r, "generation_draining: queue/3");
}
END_TEST

/* queue/2 failed, queue/1 starts again with w3, and is not ready. */
static void
queue_is_being_restored(void)
{
    queue_serves(singleton());
    rim_ask(r, EVENT_RELOAD, "queue", true);
    rim_dies(r, 1, 0);
    rim_exec_error(r, 2, -ENOENT);
    ck_not_said(r, "verdict");
    rim_forget(r);
}

START_TEST(a_restored_generation_that_crashes_keeps_nobody_waiting)
{
    queue_is_being_restored();
    rim_dies(r, 3, 0x100);
    ck_said(r, "started again, and not ready yet");
    ck_said(r, "verdict: queue/1 restored #2 | worker 0 could not be executed: execve");
    ck_did(r, "spawn queue/1.0 w4"); /* and is tried for ever */
    rim_ready(r, 4);
    ck_state(r, "queue", "running");
}
END_TEST

START_TEST(a_restored_generation_that_is_never_ready_does_not_keep_out_a_better_one)
{
    queue_is_being_restored();
    r->exit = true;
    rim_wait(r, 10 * US_PER_S); /* its start deadline: w3 leaves, w4 follows */
    ck_said(r, "verdict: queue/1 restored #2");
    r->ready = true;
    rim_edit(r, "queue");
    rim_wait(r, US_PER_S);
    ck_said(r, "verdict: queue/3 serving #3");
}
END_TEST

/* What it reads is not pinned: it may only come up when its file is mended, and not half a minute later. */
START_TEST(a_restored_generation_is_tried_at_once_when_its_input_is_mended)
{
    queue_serves(singleton());
    rim_edit(r, "queue");
    rim_wait(r, US_PER_S);
    rim_dies(r, 1, 0);
    rim_exec_error(r, 2, -ENOENT);
    for (uint64_t w = 3; w < 12; w++) {
        rim_dies(r, w, 0x100);
        if (w < 11)
            rim_wait(r, 30 * US_PER_S);
    }
    ck_state(r, "queue", "backoff");
    rim_forget(r);
    r->disk[rim_id(r, "queue")]--;
    rim_step(r, (struct event){.type = EVENT_HINT, .service = rim_id(r, "queue")});
    rim_wait(r, US_PER_S);
    ck_said(r, "verdict: queue/1 unchanged");
    ck_did(r, "look queue; discard 3; spawn queue/1.0 w12");
}
END_TEST

RIM_SUITE_MAIN("handoff: replace", the_old_one_leaves_before_the_new_one_starts,
               nothing_is_stopped_before_the_check_passed,
               when_the_new_one_fails_the_previous_one_is_started_again,
               the_failed_one_leaves_before_the_previous_one_returns,
               what_is_restored_is_what_this_reload_stopped,
               what_is_restored_follows_the_policy_that_changed_meanwhile,
               a_stop_meanwhile_starts_nothing_again, what_was_stopped_on_purpose_is_not_restored,
               a_restored_generation_does_not_relieve_its_successor,
               a_restored_generation_that_crashes_keeps_nobody_waiting,
               a_restored_generation_that_is_never_ready_does_not_keep_out_a_better_one,
               a_restored_generation_is_tried_at_once_when_its_input_is_mended)
