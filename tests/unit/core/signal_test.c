/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: signal. The program reloads itself: the same processes, and a new generation over them. */
#include "supervisor/core/image.h"
#include "tests/unit/core/signal.h"

START_TEST(a_new_number_goes_over_the_same_processes)
{
    asked_to_reload(reloader(1));
    ck_did(r, "look proxy; reload w1 1");
    ck_state(r, "proxy", "reloading");
    ck_said(r, "worker_signalled: proxy/1 pid 1001 | SIGHUP: asked by a test");
    ck_not_said(r, "generation_starting");

    rim_forget(r);
    reloads(1);
    ck_did(r, "discard 2"); /* what it was started from stays with it */
    ck_said(r, "worker_reloaded: proxy/1 pid 1001 notify | RELOADING=1, then READY=1");
    ck_said(r, "generation_starting: proxy/2");
    ck_said(r, "workers_handed_over: proxy/2 | 1 worker of generation 1 now of generation 2");
    ck_said(r, "certificate: proxy/1 count 0 | its workers were handed over to generation 2: 1 "
               "started, 0 past the drain deadline, 0 killed, 0 escaped");
    ck_said(r, "generation_serving: proxy/2");
    ck_said(
        r, "verdict: proxy/2 serving #2 notify | by SIGHUP to 1 worker: RELOADING=1, then READY=1");
    ck_state(r, "proxy", "running");
    ck_assert_uint_eq(core_worker(r->core, 1)->generation->number, 2);
    ck_assert_uint_eq(core_worker(r->core, 1)->born, 1);

    rim_forget(r); /* the later ones run what the first does */
    rim_dies(r, 1, 11);
    ck_said(r, "worker_exit: proxy/2 pid 1001");
    ck_did(r, "spawn proxy/2.0 w2");
    ck_assert_uint_eq(core_worker(r->core, 2)->generation->snapshot, 1);

    rim_forget(r);
    rim_ask(r, EVENT_STOP, "proxy", false);
    ck_said(r, "certificate: proxy/2 count 0 | every process is gone: 1 started, 1 taken over,");
    ck_did(r, "signal w2 15; discard 1");
}
END_TEST

START_TEST(nobody_is_asked_before_the_check_passed)
{
    struct service_spec *s = reloader(1);

    must_add(&s->check, "/bin/check");
    rim_config(r, s);
    r->check = false;
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    ck_did(r, "look proxy; check proxy 2");
    rim_checked(r, "proxy", false);
    ck_said(r, "verdict: proxy/1 rejected");

    rim_ask(r, EVENT_RELOAD, "proxy", true);
    rim_forget(r);
    rim_checked(r, "proxy", true);
    ck_did(r, "reload w1 1");
}
END_TEST

START_TEST(a_change_of_its_input_is_told_by_a_signal_too)
{
    rim_config(r, reloader(1));
    rim_forget(r);
    rim_edit(r, "proxy");
    rim_wait(r, 300 * US_PER_MS);
    ck_did(r, "look proxy; reload w1 1");
    reloads(1);
    ck_said(r, "verdict: proxy/2 serving #2 notify");
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", false);
    ck_said(r, "verdict: proxy/2 unchanged");
}
END_TEST

START_TEST(who_says_nothing_is_assumed_to_have_done_it)
{
    asked_to_reload(reloader(1));
    rim_wait(r, 1999 * US_PER_MS);
    ck_not_said(r, "verdict");
    rim_wait(r, 2 * US_PER_MS);
    ck_said(r, "worker_reloaded: proxy/1 pid 1001 assumed | assumed: it is still alive");
    ck_said(r, "verdict: proxy/2 serving #2 assumed | by SIGHUP to 1 worker: assumed, since not");
    ck_assert_int_eq(rim_service(r, "proxy")->last.grade, GRADE_ASSUMED);
    ck_assert_int_eq(service_serving(rim_service(r, "proxy"))->grade, GRADE_ASSUMED);
}
END_TEST

START_TEST(ready_alone_is_no_evidence)
{
    asked_to_reload(reloader(1));
    rim_ready(r, 1);
    ck_not_said(r, "verdict");
    reloading(1, r->now_us - US_PER_S); /* of a reload before: somebody else sent SIGHUP */
    rim_ready(r, 1);
    ck_not_said(r, "verdict");
    reloading(1, r->now_us);
    rim_ready(r, 1);
    ck_said(r, "verdict: proxy/2 serving #2 notify");
}
END_TEST

START_TEST(a_file_that_it_rewrites_is_evidence)
{
    struct service_spec *s = reloader(1);

    s->ready.mode = READY_FILE;
    s->ready.file = must(strdup("/run/proxy.pid"));
    asked_to_reload(s);
    rewritten(1);
    ck_said(r, "verdict: proxy/2 serving #2 file | by SIGHUP to 1 worker: the file of");
}
END_TEST

START_TEST(the_first_is_asked_alone_and_all_others_at_once)
{
    asked_to_reload(reloader(3));
    ck_did(r, "look proxy; reload w1 1");
    rim_forget(r);
    reloads(1);
    ck_did(r, "reload w2 1; reload w3 1");
    reloads(3);
    ck_not_said(r, "verdict");
    rim_wait(r, 3 * US_PER_S);
    ck_said(r, "verdict: proxy/2 serving #2 assumed | by SIGHUP to 3 workers"); /* the weakest */
}
END_TEST

START_TEST(a_signal_that_ends_the_first_ends_no_other)
{
    asked_to_reload(reloader(3));
    rim_forget(r);
    rim_dies(r, 1, SIGHUP);
    ck_did(r, "discard 2; spawn proxy/1.0 w4"); /* by the usual rules */
    ck_said(r, "verdict: proxy/1 rejected #2 | worker 0 (pid 1001) did not outlive SIGHUP, which "
               "it does not handle: killed by SIGHUP (Hangup) while serving");
    ck_state(r, "proxy", "running");

    rim_forget(r); /* what was rejected is not tried until it changes, or is forced */
    rim_ask(r, EVENT_RELOAD, "proxy", false);
    ck_said(r, "verdict: proxy/1 unchanged"); /* that was forced: the input is the same */
    r->disk[rim_id(r, "proxy")]++;
    rim_ask(r, EVENT_RELOAD, "proxy", false);
    rim_dies(r, 4, 0x0100);
    ck_said(r, "did not outlive SIGHUP: exited with status 1 while serving");
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", false);
    ck_said(r, "rejected #5 | unchanged since it was rejected: worker 0 (pid 1004) did not");
    ck_did(r, "look proxy; discard 5");
}
END_TEST

START_TEST(who_begins_and_does_not_end_is_left_alone_and_the_input_rejected)
{
    asked_to_reload(reloader(2));
    reloads(1);
    rim_forget(r);
    reloading(2, 0);
    rim_wait(r, 29 * US_PER_S);
    ck_not_said(r, "verdict");
    rim_wait(r, 2 * US_PER_S);
    ck_did(r, "discard 2");
    ck_said(r, "verdict: proxy/1 rejected #2 | worker 1 (pid 1002) said RELOADING=1 on SIGHUP, and "
               "no READY=1 came within 30.0 s; it was left as it is; 1 of 2 workers have taken it "
               "over");
    ck_state(r, "proxy", "running");
    rim_ready(r, 2); /* too late, and harmless */
    ck_not_said(r, "serving");
}
END_TEST

START_TEST(who_could_not_be_asked_is_not_assumed_to_have_done_it)
{
    asked_to_reload(reloader(1));
    rim_step(r, (struct event){.type = EVENT_UNSENT, .worker = 1, .unsent.error = -EPERM});
    ck_said(r, "verdict: proxy/1 rejected #2 | worker 0 (pid 1001) could not be sent SIGHUP: "
               "Operation not permitted");
    ck_assert(digest_none(rim_service(r, "proxy")->rejected)); /* the input is not to blame */
    rim_step(r, (struct event){.type = EVENT_UNSENT, .worker = 1, .unsent.error = -EPERM});
    ck_state(r, "proxy", "running");
}
END_TEST

START_TEST(who_asks_for_more_time_has_it)
{
    asked_to_reload(reloader(1));
    reloading(1, 0);
    rim_wait(r, 20 * US_PER_S);
    rim_step(r, (struct event){.type = EVENT_EXTEND, .worker = 1, .extend.usec = 60 * US_PER_S});
    rim_wait(r, 50 * US_PER_S);
    ck_not_said(r, "verdict");
    rim_ready(r, 1);
    ck_said(r, "verdict: proxy/2 serving #2 notify");
}
END_TEST

START_TEST(who_is_not_ready_yet_is_asked_when_it_is)
{
    rim_config(r, reloader(2));
    r->ready = false;
    rim_dies(r, 2, 11); /* w3 is starting: SIGHUP would end it */
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    ck_did(r, "look proxy; reload w1 1");
    reloads(1);
    ck_did(r, "look proxy; reload w1 1");
    rim_ready(r, 3);
    ck_did(r, "look proxy; reload w1 1; reload w3 1");
    reloads(3);
    ck_said(r, "verdict: proxy/2 serving #2 notify | by SIGHUP to 2 workers");
}
END_TEST

START_TEST(who_dies_in_the_middle_returns_with_the_new_input)
{
    asked_to_reload(reloader(2));
    reloads(1);
    r->ready = false;
    rim_forget(r);
    rim_dies(r, 1, 11); /* it had done it */
    ck_did(r, "spawn proxy/1.0 w3");
    reloads(2);
    ck_not_said(r, "verdict");
    rim_ready(r, 3); /* from the new input: nobody has to ask it */
    ck_said(r, "verdict: proxy/2 serving #2 notify | by SIGHUP to 1 worker:");
    ck_assert_uint_eq(core_worker(r->core, 3)->generation->number, 2);
}
END_TEST

START_TEST(who_waits_for_its_next_try_is_not_waited_for)
{
    rim_config(r, reloader(2));
    r->ready = false;
    rim_dies(r, 2, 11);
    rim_dies(r, 3, 11); /* now its place is empty for a while */
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    reloads(1);
    ck_did(r, "look proxy; reload w1 1; discard 2; spawn proxy/2.1 w4"); /* it may be mended */
    ck_said(r, "verdict: proxy/2 serving #2 notify | by SIGHUP to 1 worker:");
}
END_TEST

START_TEST(who_cannot_be_asked_rejects_nobody_for_good)
{
    struct service_spec *s = reloader(2);

    s->start_timeout_us = 60 * US_PER_S;
    rim_config(r, s);
    r->ready = false;
    rim_dies(r, 2, 11); /* w3 starts, from the old input, and takes its time */
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    reloads(1);
    rim_wait(r, 31 * US_PER_S);
    ck_said(r, "verdict: proxy/1 rejected #2 | worker 1 did not get ready within 30.0 s, and could "
               "not be asked; 1 of 2 workers have taken it over");
    ck_assert(digest_none(rim_service(r, "proxy")->rejected));
}
END_TEST

START_TEST(what_comes_meanwhile_is_the_trailing_run)
{
    asked_to_reload(reloader(1));
    r->disk[rim_id(r, "proxy")]++;
    rim_ask(r, EVENT_RELOAD, "proxy", false);
    rim_forget(r);
    reloads(1);
    ck_said(r, "verdict: proxy/2 serving #2 notify");
    ck_did(r, "discard 2; look proxy; reload w1 1");
    reloads(1);
    ck_said(r, "verdict: proxy/3 serving #3 notify");
    ck_said(r, "certificate: proxy/2 count 0 | its workers were handed over to generation 3: 0 "
               "started, 1 taken over");
}
END_TEST

/* For five seconds there was no master: whether the signal went out, and what came of it, nobody knows. */
START_TEST(the_next_master_does_not_assume_what_nobody_could_hear)
{
    asked_to_reload(reloader(1));
    r->now_us += 5 * US_PER_S;
    effects_clear(&r->fx);
    core_resume(r->core, r->now_us, &r->fx);
    rim_step(r, (struct event){.type = EVENT_TICK});
    ck_not_said(r, "verdict");
    reloading(1, r->now_us - 4 * US_PER_S); /* it was in the socket all the time, and counts */
    rim_ready(r, 1);
    ck_said(r, "verdict: proxy/2 serving #2 notify");

    rim_ask(r, EVENT_RELOAD, "proxy", true);
    reloading(1, 0);
    r->now_us += 60 * US_PER_S; /* longer than it has */
    core_resume(r->core, r->now_us, &r->fx);
    rim_step(r, (struct event){.type = EVENT_TICK});
    ck_not_said(r, "rejected");
    rim_ready(r, 1);
    ck_said(r, "verdict: proxy/3 serving #3 notify");
}
END_TEST

START_TEST(a_stop_cancels_it_and_drains_as_ever)
{
    asked_to_reload(reloader(2));
    r->exit = false;
    rim_forget(r);
    rim_ask(r, EVENT_STOP, "proxy", false);
    ck_said(r, "verdict: proxy/1 cancelled #2");
    ck_did(r, "discard 2; signal w1 15; signal w2 15");
    reloads(1);
    rim_dies(r, 1, 0);
    rim_dies(r, 2, 0);
    ck_said(r, "certificate: proxy/1 count 0 | every process is gone: 2 started,");
}
END_TEST

START_TEST(who_leaves_goes_along_and_is_accounted_for_there)
{
    struct service_spec *one = reloader(1);

    r->exit = false;
    rim_config(r, reloader(2));
    rim_config(r, one); /* w2 drains */
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    reloads(1);
    ck_said(r, "workers_handed_over: proxy/2 | 2 workers of generation 1");
    rim_forget(r);
    rim_wait(r, 31 * US_PER_S);
    ck_said(r, "worker_leak: proxy/2 pid 1002");
    rim_dies(r, 2, 9);
    rim_ask(r, EVENT_STOP, "proxy", false);
    rim_dies(r, 1, 0);
    ck_said(r, "certificate: proxy/2 count 1 |");
}
END_TEST

RIM_SUITE_MAIN(
    "core signal", a_new_number_goes_over_the_same_processes,
    nobody_is_asked_before_the_check_passed, a_change_of_its_input_is_told_by_a_signal_too,
    who_says_nothing_is_assumed_to_have_done_it, ready_alone_is_no_evidence,
    a_file_that_it_rewrites_is_evidence, the_first_is_asked_alone_and_all_others_at_once,
    a_signal_that_ends_the_first_ends_no_other,
    who_begins_and_does_not_end_is_left_alone_and_the_input_rejected,
    who_could_not_be_asked_is_not_assumed_to_have_done_it, who_asks_for_more_time_has_it,
    who_is_not_ready_yet_is_asked_when_it_is, who_dies_in_the_middle_returns_with_the_new_input,
    who_waits_for_its_next_try_is_not_waited_for, who_cannot_be_asked_rejects_nobody_for_good,
    what_comes_meanwhile_is_the_trailing_run,
    the_next_master_does_not_assume_what_nobody_could_hear, a_stop_cancels_it_and_drains_as_ever,
    who_leaves_goes_along_and_is_accounted_for_there)
