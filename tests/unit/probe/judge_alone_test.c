/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/probe/judge_world.h"

/* A program that knows nothing of stint, asked to leave 10 s ago. */
static struct thread_facts *
stays(enum wait_class main_waits)
{
    w_begin();
    w_asked(LONG_AGO);
    return w_main(main_waits, false);
}

START_TEST(without_being_asked_nobody_leaks)
{
    w_begin();
    w_main(WAIT_EPOLL, false);
    for (int i = 0; i < 8; i++)
        (void)w_thread("worker");
    spins(w_thread("busy"));
    w_judge();
    no_leaks();
    ck_assert_int_eq(js.process, VERDICT_CLEAN);
    ck_assert_str_eq(js.notice, "");
}
END_TEST

START_TEST(within_its_grace_it_drains)
{
    struct thread_facts *t;

    w_begin();
    w_asked(GRACE / 2);
    w_main(WAIT_JOIN, false);
    t = w_thread("worker");
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    ck_assert_int_eq(js.process, VERDICT_DRAINING);
    no_leaks();
}
END_TEST

START_TEST(whom_the_first_thread_joins_is_the_cause)
{
    struct thread_facts *m = stays(WAIT_JOIN), *t = w_thread("consumer"), *pool = w_thread("pool");

    joins(m, t);
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    is_cause(t);
    is_not_cause(pool);
    is_verdict(m, VERDICT_DRAINING);
    is_said(
        "thread `consumer`, which began in consumer_run in app, is alive 10.0 s after the process "
        "was asked to leave, blocked in pthread_cond_wait(");
    is_said("; thread `main` waits in pthread_join(`consumer`)");
}
END_TEST

START_TEST(at_the_end_of_the_chain_is_the_cause)
{
    struct thread_facts *m = stays(WAIT_JOIN), *a = w_thread("a"), *b = w_thread("b");

    joins(m, a);
    waits_lock(a, b);
    waits_fd(b, WAIT_READ, 7, "pipe:[99]");
    w_judge();
    is_verdict(a, VERDICT_LEAKED_BLOCKED);
    is_not_cause(a);
    is_cause(b);
    ck_assert_str_eq(judge_name(&w, js.of[js.groups[0].first].thread), "b");
}
END_TEST

START_TEST(its_like_are_the_cause_with_the_one_that_is_joined)
{
    struct thread_facts *m = stays(WAIT_JOIN), *a = w_thread("consumer"), *b = w_thread("consumer");

    joins(m, a);
    w_judge();
    is_cause(a);
    is_cause(b);
    ck_assert_uint_eq(js.groups[0].count, 2);
}
END_TEST

START_TEST(the_first_thread_is_blamed_when_it_is_alone)
{
    struct thread_facts *m = stays(WAIT_SIGNAL);

    w_judge();
    is_verdict(m, VERDICT_LEAKED_BLOCKED);
    is_cause(m);
    is_said("nobody else keeps the process");
}
END_TEST

START_TEST(what_the_runtime_runs_is_not_to_blame)
{
    struct thread_facts *m = stays(WAIT_SIGNAL), *timer = w_thread("app"), *uring = w_thread("x");
    struct thread_facts *named = w_thread("iou-sqp-1");

    waits(timer, WAIT_SIGNAL);
    timer->business = -1;
    (void)snprintf(timer->start.module, sizeof(timer->start.module), "libc.so.6");
    (void)snprintf(timer->start.function, sizeof(timer->start.function), "timer_helper_thread");
    timer->start.business = timer->frames[0].business = false;
    uring->kernel = true;
    w_judge();
    is_verdict(timer, VERDICT_RUNTIME);
    is_verdict(uring, VERDICT_RUNTIME);
    is_verdict(named,
               VERDICT_LEAKED_BLOCKED); /* a name is not a proof: it runs code of the program */
    is_verdict(m, VERDICT_DRAINING);
}
END_TEST

START_TEST(a_timer_whose_callback_is_stuck_is_the_programs_own)
{
    struct thread_facts *m = stays(WAIT_SIGNAL), *timer = w_thread("on_timer");

    (void)snprintf(timer->start.module, sizeof(timer->start.module), "libc.so.6");
    (void)snprintf(timer->start.function, sizeof(timer->start.function), "timer_sigev_thread");
    timer->start.business = false;
    w_judge();
    is_verdict(timer, VERDICT_LEAKED_BLOCKED);
    is_cause(timer);
    is_verdict(m, VERDICT_DRAINING);
}
END_TEST

START_TEST(a_pool_of_a_library_is_not_the_cause_while_the_program_has_one)
{
    struct thread_facts *m = stays(WAIT_SIGNAL), *own = w_thread("own"), *lib = w_thread("lib");

    (void)snprintf(lib->start.module, sizeof(lib->start.module), "libfoo.so.1");
    (void)snprintf(lib->frames[0].module, sizeof(lib->frames[0].module), "libfoo.so.1");
    w_judge();
    is_cause(own);
    is_not_cause(lib);
    is_verdict(m, VERDICT_DRAINING);
    w.n--; /* and when it is the library's pool and the first thread alone, that one should have gone */
    w.n_threads--;
    *own = *lib;
    w_judge();
    is_verdict(m, VERDICT_LEAKED_BLOCKED);
    is_cause(m);
    is_verdict(own, VERDICT_DRAINING);
}
END_TEST

START_TEST(clients_that_stay_retain_it)
{
    struct thread_facts *m = stays(WAIT_EPOLL);

    (void)w_thread("pool");
    w.connections = 2;
    (void)snprintf(w.peers, sizeof(w.peers), "tcp 10.0.0.1:80 ← 10.0.0.7:4711");
    w_judge();
    is_verdict(m, VERDICT_PROCESS_RETAINED);
    no_leaks();
    ck_assert_int_eq(js.process, VERDICT_PROCESS_RETAINED);
    is_said("process retained: 2 connections are open: tcp 10.0.0.1:80 ← 10.0.0.7:4711");
}
END_TEST

START_TEST(a_handler_that_a_client_keeps_retains_it)
{
    struct thread_facts *m = stays(WAIT_JOIN), *t = w_thread("handler");

    joins(m, t);
    waits_fd(t, WAIT_READ, 8, "tcp 10.0.0.1:80 ← 10.0.0.7:4711");
    w.connections = 1;
    w_judge();
    is_verdict(t, VERDICT_PROCESS_RETAINED);
    no_leaks();
    (void)snprintf(t->fd_target, sizeof(t->fd_target), "pipe:[5]");
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
}
END_TEST

START_TEST(a_first_thread_that_ended_retains_it_by_the_other)
{
    struct thread_facts *m = stays(WAIT_UNKNOWN), *t = w_thread("live");

    m->state = 'Z';
    w.zombie_leader = true;
    w_judge();
    ck_assert_int_eq(js.process, VERDICT_PROCESS_RETAINED);
    is_verdict(t, VERDICT_PROCESS_RETAINED);
    no_leaks();
    is_said("its first thread has ended, and `live` (tid 1001) lives on");
}
END_TEST

START_TEST(stopped_as_a_whole_it_is_stopped)
{
    struct thread_facts *m = stays(WAIT_STOPPED), *t = w_thread("t");

    m->state = t->state = 'T';
    w_judge();
    ck_assert_int_eq(js.process, VERDICT_STOPPED);
    no_leaks();
}
END_TEST

START_TEST(with_the_list_of_threads_alone_somebody_is_named_all_the_same)
{
    struct thread_facts *m = stays(WAIT_UNKNOWN), *t = w_thread("t");

    w.grade = EVIDENCE_STAT;
    (void)snprintf(w.note, sizeof(w.note), "not permitted");
    t->wait = WAIT_UNKNOWN;
    t->n_frames = 0;
    t->business = -1;
    t->start = (struct place){0};
    w_judge();
    ck_assert_uint_ge(js.n_leaked, 1);
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    is_verdict(m, VERDICT_DRAINING);
    is_said("(from /proc: not permitted)");
}
END_TEST

START_TEST(strangers_in_a_registered_process_are_named_and_not_blamed)
{
    struct thread_facts *t, *leak;

    w_begin();
    w_main(WAIT_SIGNAL, true);
    t = w_thread("foreign");
    w_judge();
    is_verdict(t, VERDICT_UNREGISTERED);
    no_leaks();
    w_begin();
    w_asked(LONG_AGO);
    w_main(WAIT_SIGNAL, true);
    t = w_thread("foreign");
    leak = cancelled(w_thread("leak"), LONG_AGO);
    w_judge();
    is_verdict(t, VERDICT_UNREGISTERED);
    is_verdict(leak, VERDICT_LEAKED_BLOCKED);
    is_said("; 1 more is not registered");
}
END_TEST

START_TEST(a_stranger_is_blamed_when_nobody_else_explains_it)
{
    struct thread_facts *t, *idle;

    w_begin();
    w_asked(LONG_AGO);
    w_main(WAIT_SIGNAL, true);
    t = w_thread("foreign");
    idle = registered(w_thread("idle"));
    w_judge();
    is_verdict(t, VERDICT_LEAKED_BLOCKED);
    is_cause(t);
    ck_assert(!verdict_is_leak(of(idle)->verdict));
}
END_TEST

START_TEST(a_first_thread_that_ignores_its_token_is_blamed_before_those_with_a_live_one)
{
    struct thread_facts *m, *idle;

    w_begin();
    w_asked(LONG_AGO);
    m = w_main(WAIT_COND, true);
    idle = registered(w_thread("idle"));
    w_judge();
    is_verdict(m, VERDICT_LEAKED_BLOCKED);
    is_cause(m);
    ck_assert(!verdict_is_leak(of(idle)->verdict));
    m->wait = WAIT_EPOLL;
    w_judge();
    is_verdict(m, VERDICT_LEAKED_BLOCKED);
}
END_TEST

START_TEST(a_first_thread_that_counts_the_others_is_not_blamed_for_them)
{
    struct thread_facts *m, *w1;

    w_begin();
    w_asked(LONG_AGO);
    m = w_main(WAIT_COND, true); /* until all workers are done */
    w1 = cancelled(w_thread("worker"), LONG_AGO);
    w_judge();
    is_verdict(w1, VERDICT_LEAKED_BLOCKED);
    is_cause(w1);
    is_verdict(m, VERDICT_DRAINING);
    is_not_cause(m);
}
END_TEST

START_TEST(a_first_thread_that_ignores_a_token_of_its_own_is_blamed_when_it_is_alone)
{
    struct thread_facts *m, *t;

    w_begin();
    m = w_main(WAIT_COND, true);
    m->claim.cancelled_us = NOW_US - LONG_AGO;
    w_judge();
    is_verdict(m, VERDICT_LEAKED_BLOCKED);
    is_said("thread `main` ignored its cancelled token for 10.0 s");
    t = registered(w_thread("idle"));
    w_judge();
    is_verdict(m, VERDICT_DRAINING);
    is_verdict(t, VERDICT_CLEAN);
}
END_TEST

START_TEST(threads_without_any_function_are_of_one_kind_by_their_names)
{
    struct thread_facts *a, *b, *c;

    (void)stays(WAIT_SIGNAL);
    a = w_thread("flush-2");
    b = w_thread("flush-17");
    c = w_thread("fetch-17");
    a->start = b->start = c->start = (struct place){0};
    a->business = b->business = c->business = -1;
    w_judge();
    ck_assert_uint_eq(of(a)->group, of(b)->group);
    ck_assert_uint_ne(of(a)->group, of(c)->group);
}
END_TEST

START_TEST(a_crowd_in_one_place_is_worth_a_look_and_no_leak)
{
    w_begin();
    w_main(WAIT_EPOLL, true);
    for (int i = 0; i < 2000; i++)
        (void)registered(w_thread("handler"));
    for (int i = 0; i < 59; i++)
        (void)registered(w_thread("other"));
    w_judge();
    no_leaks();
    ck_assert_int_eq(js.process, VERDICT_CLEAN);
    is_said("97 % of its 2060 threads wait in one place: cond in handler_run");
    for (int i = 0; i < 200; i++)
        (void)registered(w_thread("other"));
    w_judge();
    ck_assert_str_eq(js.notice, "");
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {
        without_being_asked_nobody_leaks,
        within_its_grace_it_drains,
        whom_the_first_thread_joins_is_the_cause,
        at_the_end_of_the_chain_is_the_cause,
        its_like_are_the_cause_with_the_one_that_is_joined,
        the_first_thread_is_blamed_when_it_is_alone,
        what_the_runtime_runs_is_not_to_blame,
        a_timer_whose_callback_is_stuck_is_the_programs_own,
        a_pool_of_a_library_is_not_the_cause_while_the_program_has_one,
        clients_that_stay_retain_it,
        a_handler_that_a_client_keeps_retains_it,
        a_first_thread_that_ended_retains_it_by_the_other,
        stopped_as_a_whole_it_is_stopped,
        with_the_list_of_threads_alone_somebody_is_named_all_the_same,
        strangers_in_a_registered_process_are_named_and_not_blamed,
        a_stranger_is_blamed_when_nobody_else_explains_it,
        a_first_thread_that_ignores_its_token_is_blamed_before_those_with_a_live_one,
        a_first_thread_that_counts_the_others_is_not_blamed_for_them,
        a_first_thread_that_ignores_a_token_of_its_own_is_blamed_when_it_is_alone,
        threads_without_any_function_are_of_one_kind_by_their_names,
        a_crowd_in_one_place_is_worth_a_look_and_no_leak,
    };

    return unit_main(w_suite("probe: who keeps a process alive", tests, ARRAY_LEN(tests)));
}
