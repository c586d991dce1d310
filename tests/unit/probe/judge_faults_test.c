/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Several faults at once, and what a program has inside that is libc's. */
#include "tests/unit/probe/judge_world.h"

static struct thread_facts *first;

static void
two_cross(struct thread_facts **a, struct thread_facts **b)
{
    w_begin();
    w_asked(LONG_AGO);
    first = w_main(WAIT_JOIN, false);
    *a = w_thread("cross-a");
    *b = w_thread("cross-b");
    waits_lock(*a, *b);
    waits_lock(*b, *a);
}

START_TEST(whom_the_first_thread_awaits_is_a_fault_of_its_own_beside_a_deadlock)
{
    struct thread_facts *a, *b, *busy, *like, *other;

    two_cross(&a, &b);
    busy = spins(w_thread("busy"));
    like = spins(w_thread("busy"));
    other = w_thread("other");
    joins(first, busy);
    w_judge();
    is_verdict(a, VERDICT_DEADLOCK);
    is_verdict(b, VERDICT_DEADLOCK);
    is_cause(a);
    is_verdict(busy, VERDICT_LEAKED_SPINNING);
    is_cause(busy);
    is_verdict(like, VERDICT_LEAKED_SPINNING);
    is_verdict(other, VERDICT_DRAINING); /* it may be told when those have gone */
}
END_TEST

START_TEST(whom_nobody_awaits_yet_is_none)
{
    struct thread_facts *a, *b, *busy;

    two_cross(&a, &b);
    busy = spins(w_thread("busy"));
    joins(first, a);
    w_judge();
    is_verdict(a, VERDICT_DEADLOCK);
    is_verdict(busy, VERDICT_DRAINING);
    ck_assert_uint_eq(js.n_leaked, 2);
}
END_TEST

/* In a static program the helpers of libc are the program's, by their module. */
static struct thread_facts *
helper(const char *start)
{
    struct thread_facts *t = waits(w_thread("app"), WAIT_SIGNAL);

    t->n_frames = 2;
    at_function(&t->frames[0], "sigtimedwait");
    t->frames[0].business = false;
    at_function(&t->frames[1], start);
    at_function(&t->start, start);
    return t;
}

START_TEST(a_helper_of_libc_is_one_in_a_static_program_too)
{
    struct thread_facts *timer, *worker, *named;

    w_begin();
    w_asked(LONG_AGO);
    first = w_main(WAIT_JOIN, false);
    timer = helper("timer_helper_thread");
    worker = w_thread("worker");
    named = helper("my_inspector_thread");
    w_judge();
    is_verdict(timer, VERDICT_RUNTIME);
    is_verdict(worker, VERDICT_LEAKED_BLOCKED);
    ck_assert_int_ne(of(named)->verdict, VERDICT_RUNTIME);
}
END_TEST

/* Both ports were given: who listens at which tells a client from a backend. */
START_TEST(a_backend_that_is_silent_is_no_client_that_stays)
{
    static const char *const targets[] = {"tcp 127.0.0.1:40112 → 127.0.0.1:50001",
                                          "tcp 127.0.0.1:40112 → 127.0.0.1:50001, a server"};
    static const enum verdict verdicts[] = {VERDICT_PROCESS_RETAINED, VERDICT_LEAKED_BLOCKED};

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct thread_facts *t;

        w_begin();
        w_asked(LONG_AGO);
        w.connections = 1;
        first = w_main(WAIT_JOIN, false);
        t = waits_fd(w_thread("reader"), WAIT_READ, 7, targets[i]);
        joins(first, t);
        w_judge();
        is_verdict(t, verdicts[i]);
        is_cause(t);
    }
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {whom_the_first_thread_awaits_is_a_fault_of_its_own_beside_a_deadlock,
                            whom_nobody_awaits_yet_is_none,
                            a_helper_of_libc_is_one_in_a_static_program_too,
                            a_backend_that_is_silent_is_no_client_that_stays};

    return unit_main(w_suite("probe: several faults", tests, ARRAY_LEN(tests)));
}
