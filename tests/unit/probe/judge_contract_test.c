/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/probe/judge_world.h"

static struct thread_facts *
leaver(int64_t ago_us)
{
    w_begin();
    w_main(WAIT_SIGNAL, true);
    return cancelled(w_thread("flush-2"), ago_us);
}

START_TEST(who_waits_on_after_its_grace_has_leaked)
{
    struct thread_facts *t = leaver(31 * US_PER_S);

    waits_fd(t, WAIT_READ, 9, "pipe:[123]");
    at_function(&t->frames[0], "wait_for_job");
    (void)snprintf(t->frames[0].file, sizeof(t->frames[0].file), "/src/worker.c");
    t->frames[0].line = 12;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    is_cause(t);
    ck_assert_int_eq(of(t)->overdue_us, 31 * US_PER_S - GRACE);
    is_said(
        "thread `flush-2`, started at cache.c:88 (start_flush-2) by `main`, ignored its cancelled "
        "token for 31.0 s, blocked in read(fd 9 → pipe:[123]) at worker.c:12 (wait_for_job)");
    ck_assert_int_eq(js.process, VERDICT_LEAKED_BLOCKED);
}
END_TEST

START_TEST(within_its_grace_nobody_has_leaked)
{
    struct thread_facts *t = leaver(GRACE - US_PER_MS);

    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    no_leaks();
    t = leaver(GRACE);
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
}
END_TEST

START_TEST(the_grace_of_its_scope_goes_before_that_of_the_process)
{
    struct thread_facts *t = leaver(2 * US_PER_S);

    t->claim.grace_us = 3 * US_PER_S;
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    t->claim.grace_us = US_PER_S;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
}
END_TEST

START_TEST(who_is_born_within_the_grace_has_one_of_its_own)
{
    struct thread_facts *t = leaver(600 * US_PER_MS);

    t->started_us = t->claim.started_us = NOW_US - 400 * US_PER_MS;
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
}
END_TEST

START_TEST(who_is_born_after_the_grace_is_a_breach_and_so_is_who_started_it)
{
    struct thread_facts *t = leaver(LONG_AGO), *keeper = cancelled(w_thread("keeper"), LONG_AGO);

    sleeps_each(keeper, 50 * US_PER_MS);
    t->fresh = true;
    t->still = false;
    t->started_us = t->claim.started_us = NOW_US - 50 * US_PER_MS;
    t->claim.creator_tid = keeper->tid;
    w_judge();
    ck_assert(verdict_is_leak(of(t)->verdict));
    is_not_cause(t);
    is_verdict(keeper, VERDICT_LEAKED_SLEEPING);
    is_cause(keeper);
    is_said("it goes on to start `flush-2`, whose token is cancelled");
}
END_TEST

START_TEST(who_was_born_between_the_samples_is_not_judged)
{
    struct thread_facts *t = leaver(GRACE + 10 * US_PER_MS);

    t->fresh = true;
    t->still = false;
    t->started_us = t->claim.started_us = NOW_US - 20 * US_PER_MS;
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
}
END_TEST

START_TEST(an_exemption_holds_until_it_ends)
{
    struct thread_facts *t = leaver(LONG_AGO);

    t->claim.exempt = true;
    t->claim.exempt_until_us = INT64_MAX;
    (void)snprintf(t->claim.reason, sizeof(t->claim.reason), "metrics go last");
    w_judge();
    is_verdict(t, VERDICT_EXEMPT);
    no_leaks();
    (void)tell(t);
    is_said("is exempt");
    is_said("metrics go last");
    t->claim.exempt_until_us = NOW_US - US_PER_S;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    is_said("its exemption ended 1.00 s ago (metrics go last)");
}
END_TEST

START_TEST(a_shield_holds_until_it_ends)
{
    struct thread_facts *t = leaver(LONG_AGO);

    t->claim.shield_until_us = NOW_US + US_PER_S;
    (void)snprintf(t->claim.reason, sizeof(t->claim.reason), "commit");
    w_judge();
    is_verdict(t, VERDICT_SHIELDED);
    ck_assert_int_eq(js.process, VERDICT_SHIELDED);
    t->claim.shield_until_us = NOW_US - 3 * US_PER_S;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    is_said("its shield ended 3.00 s ago");
    ck_assert_int_eq(of(t)->overdue_us, 3 * US_PER_S);
}
END_TEST

START_TEST(who_beats_gets_on_with_it_but_not_for_ever)
{
    struct thread_facts *t = leaver(3 * US_PER_S);

    t->claim.beats_before = 7;
    t->claim.beats_before_us = NOW_US - 100 * US_PER_MS;
    t->claim.beats = 9;
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    t->claim.beats = 7;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    t->claim.beats = 9;
    t->claim.cancelled_us = NOW_US - 70 * US_PER_S;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    is_said("it beats, and does not leave");
}
END_TEST

START_TEST(a_request_may_use_the_time_it_has)
{
    struct thread_facts *t = leaver(LONG_AGO);

    t->claim.task = true;
    t->claim.deadline_us = NOW_US + 1200 * US_PER_MS;
    (void)snprintf(t->claim.trace_id, sizeof(t->claim.trace_id), "%s",
                   "0af7651916cd43dd8448eb211c80319c");
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    (void)tell(t);
    is_said("its request has 1.20 s left");
    is_said("trace 0af7651916cd43dd8448eb211c80319c");
    t->claim.deadline_us = NOW_US - US_PER_MS;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_REQUEST);
}
END_TEST

START_TEST(a_request_whose_deadline_passed_gets_the_grace_to_notice)
{
    struct thread_facts *t = leaver(LONG_AGO);

    t->claim.task = true;
    t->claim.cancelled_us = 0;
    t->claim.deadline_us = NOW_US - GRACE / 2;
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    t->claim.deadline_us = NOW_US - 2 * GRACE;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_REQUEST);
}
END_TEST

START_TEST(a_live_token_is_nothing_to_blame)
{
    struct thread_facts *t = leaver(LONG_AGO);

    t->claim.cancelled_us = 0;
    w_judge();
    is_verdict(t, VERDICT_CLEAN);
    no_leaks();
    ck_assert_int_eq(js.process, VERDICT_CLEAN);
}
END_TEST

START_TEST(spinning_and_sleeping_are_told_apart)
{
    struct thread_facts *a = spins(leaver(LONG_AGO));
    struct thread_facts *b = sleeps_each(cancelled(w_thread("ticker"), LONG_AGO), US_PER_S);
    struct thread_facts *c = cancelled(w_thread("looper"), LONG_AGO);
    struct thread_facts *d = spins(cancelled(w_thread("caught"), LONG_AGO));

    c->still = false; /* an untimed wait, but it comes and goes */
    waits(c, WAIT_EPOLL);
    d->cpu_delta_us = 100; /* just now awake */
    w_judge();
    is_verdict(a, VERDICT_LEAKED_SPINNING);
    is_verdict(b, VERDICT_LEAKED_SLEEPING);
    is_verdict(c, VERDICT_LEAKED_SLEEPING);
    is_verdict(d, VERDICT_LEAKED_SLEEPING);
    (void)tell(a);
    is_said(", running");
    (void)tell(b);
    is_said("sleeping in sleep(1.00 s)");
}
END_TEST

START_TEST(who_is_stopped_or_in_the_kernel_has_not_leaked)
{
    struct thread_facts *a = leaver(LONG_AGO), *b = cancelled(w_thread("disk"), LONG_AGO);

    a->state = 't';
    a->tracer = 77;
    b->state = 'D';
    b->wait = WAIT_KERNEL;
    w_judge();
    is_verdict(a, VERDICT_STOPPED);
    is_verdict(b, VERDICT_STUCK_KERNEL);
    no_leaks();
    (void)tell(a);
    is_said("process 77 traces it");
    ck_assert_int_eq(js.process, VERDICT_STUCK_KERNEL);
}
END_TEST

START_TEST(a_glimpse_of_the_kernel_is_not_stuck)
{
    struct thread_facts *t = leaver(LONG_AGO);

    t->state = 'D';
    t->wait = WAIT_KERNEL;
    t->still = false;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_SLEEPING);
}
END_TEST

/* For a page that another thread has to bring (userfaultfd): SIGKILL ends that. */
START_TEST(asleep_outside_of_any_call_it_is_blocked)
{
    struct thread_facts *t = leaver(LONG_AGO);

    t->wait = WAIT_KERNEL;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
}
END_TEST

START_TEST(the_report_carries_what_helps)
{
    struct thread_facts *t = leaver(31 * US_PER_S);

    t->claim.generation = 3;
    (void)snprintf(t->claim.scope, sizeof(t->claim.scope), "root/web/cache");
    (void)snprintf(t->claim.cause_who, sizeof(t->claim.cause_who), "reloader");
    (void)snprintf(t->claim.cause_text, sizeof(t->claim.cause_text), "config changed");
    (void)snprintf(t->object_place.function, sizeof(t->object_place.function), "queue");
    t->object_place.offset = 8;
    t->claim.beats = 12;
    w_judge();
    (void)tell(t);
    is_said(
        "leaked:blocked: thread `flush-2`, started at cache.c:88 (start_flush-2) by `main`, "
        "ignored "
        "its cancelled token for 31.0 s, blocked in pthread_cond_wait(queue+0x8) at flush_2_run "
        "in app");
    is_said("; token root/flush-2, cancelled 31.0 s ago by `reloader` (relieved: config changed)");
    is_said("; overdue by 30.5 s; scope root/web/cache; 12 beats; generation 3");
    is_said("; tid 1001 (start time 5002); began in flush_2_run");
}
END_TEST

START_TEST(a_thousand_of_one_kind_are_one_group)
{
    w_begin();
    w_main(WAIT_SIGNAL, true);
    for (int i = 0; i < 1000; i++) {
        struct thread_facts *t = cancelled(w_thread("worker"), LONG_AGO);

        (void)snprintf(t->claim.name, sizeof(t->claim.name), "worker-%d", i);
    }
    for (int i = 1; i <= 3; i++)
        w_threads[i].claim.generation = (uint64_t)(9 - i);
    w_judge();
    ck_assert_uint_eq(js.n_leaked, 1000);
    ck_assert_uint_eq(js.n_groups, 2);
    ck_assert_uint_eq(js.groups[0].count, 1000);
    ck_assert_uint_eq(js.groups[0].first, 1);
    is_said("1000 threads like `worker-0`");
    (void)tell(&w_threads[5]);
    is_said("; generations 6, 7, 8;");
}
END_TEST

START_TEST(a_registry_that_lies_is_not_used)
{
    struct thread_facts *t = leaver(LONG_AGO);

    w.untrusted = true;
    (void)snprintf(t->claim.name, sizeof(t->claim.name), "liar");
    w_judge();
    is_verdict(t, VERDICT_CLEAN);
    w_asked(LONG_AGO);
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    ck_assert(!of(t)->by_contract);
    is_unsaid("liar");
    is_said("its registry contradicts the kernel");
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {who_waits_on_after_its_grace_has_leaked,
                            within_its_grace_nobody_has_leaked,
                            the_grace_of_its_scope_goes_before_that_of_the_process,
                            who_is_born_within_the_grace_has_one_of_its_own,
                            who_is_born_after_the_grace_is_a_breach_and_so_is_who_started_it,
                            who_was_born_between_the_samples_is_not_judged,
                            an_exemption_holds_until_it_ends,
                            a_shield_holds_until_it_ends,
                            who_beats_gets_on_with_it_but_not_for_ever,
                            a_request_may_use_the_time_it_has,
                            a_request_whose_deadline_passed_gets_the_grace_to_notice,
                            a_live_token_is_nothing_to_blame,
                            spinning_and_sleeping_are_told_apart,
                            who_is_stopped_or_in_the_kernel_has_not_leaked,
                            a_glimpse_of_the_kernel_is_not_stuck,
                            asleep_outside_of_any_call_it_is_blocked,
                            the_report_carries_what_helps,
                            a_thousand_of_one_kind_are_one_group,
                            a_registry_that_lies_is_not_used};

    return unit_main(w_suite("probe: what its token says of a thread", tests, ARRAY_LEN(tests)));
}
