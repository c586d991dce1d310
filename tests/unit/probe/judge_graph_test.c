/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/probe/judge_world.h"

START_TEST(two_that_hold_what_the_other_wants_are_a_deadlock_whatever_they_were_asked)
{
    struct thread_facts *a, *b;

    w_begin();
    w_main(WAIT_EPOLL, false);
    a = w_thread("ab");
    b = w_thread("ba");
    waits_lock(a, b);
    waits_lock(b, a);
    w_judge();
    is_verdict(a, VERDICT_DEADLOCK);
    is_verdict(b, VERDICT_DEADLOCK);
    is_cause(a);
    is_cause(b);
    ck_assert_uint_eq(js.n_cycles, 1);
    ck_assert_uint_eq(js.cycles[0].n, 2);
    ck_assert(!js.cycles[0].concluded);
    ck_assert_int_eq(js.process, VERDICT_DEADLOCK);
    (void)tell(a);
    is_said("held by `ba` (tid 1002)");
    is_said("in a circle: `ab` → `ba` → `ab`");
}
END_TEST

START_TEST(one_glimpse_of_a_circle_is_none)
{
    struct thread_facts *a, *b;

    w_begin();
    w_main(WAIT_EPOLL, false);
    a = w_thread("ab");
    b = w_thread("ba");
    waits_lock(a, b);
    waits_lock(b, a)->still = false;
    w_judge();
    no_leaks();
    b->still = true;
    b->timeout_us = US_PER_S; /* pthread_mutex_timedlock() undoes it */
    w_judge();
    no_leaks();
}
END_TEST

START_TEST(who_locks_again_what_it_holds_waits_for_itself)
{
    struct thread_facts *t, *behind;

    w_begin();
    w_main(WAIT_EPOLL, false);
    t = w_thread("again");
    behind = w_thread("behind");
    waits_lock(t, t);
    waits_lock(behind, t);
    w_judge();
    is_verdict(t, VERDICT_DEADLOCK);
    is_cause(t);
    is_verdict(behind, VERDICT_DEADLOCK);
    is_not_cause(behind);
    (void)tell(t);
    is_said("held by itself");
    (void)tell(behind);
    is_said("it waits for `again`, which is in a deadlock");
    is_said("not the cause");
}
END_TEST

START_TEST(a_join_and_a_lock_make_a_circle)
{
    struct thread_facts *stop, *task;

    w_begin();
    w_main(WAIT_SIGNAL, false);
    stop = w_thread("stop");
    task = w_thread("task");
    joins(stop, task);
    waits_lock(task, stop);
    w_judge();
    is_verdict(stop, VERDICT_DEADLOCK);
    is_verdict(task, VERDICT_DEADLOCK);
    (void)tell(stop);
    is_said("pthread_join(`task`)");
}
END_TEST

START_TEST(the_first_thread_may_be_in_a_circle_too)
{
    struct thread_facts *m, *task;

    w_begin();
    m = w_main(WAIT_JOIN, false);
    task = w_thread("task");
    joins(m, task);
    waits_lock(task, m);
    w_judge();
    is_verdict(m, VERDICT_DEADLOCK);
    is_verdict(task, VERDICT_DEADLOCK);
}
END_TEST

START_TEST(a_lock_whose_holder_is_gone_is_an_orphan)
{
    struct thread_facts *t;

    w_begin();
    w_main(WAIT_SIGNAL, true);
    t = registered(w_thread("waiter"));
    waits(t, WAIT_MUTEX)->owner = 4000;
    t->owner_gone = true;
    w.n_dead = 1;
    w_dead[0].tid = 4000;
    (void)snprintf(w_dead[0].claim.name, sizeof(w_dead[0].claim.name), "committer");
    w_dead[0].claim.vital_every_us = -1;
    w_judge();
    is_verdict(t, VERDICT_ORPHAN_LOCK);
    is_cause(t);
    is_said("waits for a lock that nobody will give back");
    is_said("its holder, `committer` (tid 4000), ended with it");
}
END_TEST

START_TEST(a_holder_that_may_live_elsewhere_is_not_gone)
{
    struct thread_facts *t;

    w_begin();
    w_main(WAIT_SIGNAL, true);
    t = registered(w_thread("waiter"));
    waits(t, WAIT_MUTEX)->owner = 4000;
    w_judge();
    no_leaks();
    t->owner_gone = true;
    t->still = false; /* it got it, and let it go, in between */
    w_judge();
    no_leaks();
    t->still = true;
    w_judge();
    is_verdict(t, VERDICT_ORPHAN_LOCK);
}
END_TEST

START_TEST(a_newcomer_that_was_quicker_has_the_lock)
{
    struct thread_facts *t, *quick;

    w_begin();
    w_main(WAIT_SIGNAL, false);
    t = w_thread("waiter");
    quick = w_thread("quick");
    waits_lock(t, quick);
    quick->fresh = true;
    quick->still = false;
    waits_lock(quick, t);
    w_judge();
    no_leaks();
}
END_TEST

/* A reads, B wants to write and queues, A wants to read once more and queues behind B. */
static void
a_reader_twice(struct thread_facts **a, struct thread_facts **b)
{
    w_begin();
    w_main(WAIT_JOIN, false);
    *a = w_thread("reader");
    *b = w_thread("writer");
    joins(&w_threads[0], *a);
    waits(*a, WAIT_RWLOCK)->object = 0x7000;
    waits(*b, WAIT_RWLOCK)->object = 0x7000;
    (void)snprintf((*a)->object_note, sizeof((*a)->object_note), "wants to read");
    (void)snprintf((*b)->object_note, sizeof((*b)->object_note), "wants to write");
    (*a)->value = (*b)->value = 1;
}

START_TEST(a_reader_behind_a_writer_that_waits_for_it_is_a_deadlock)
{
    struct thread_facts *a, *b;

    a_reader_twice(&a, &b);
    w_judge();
    is_verdict(a, VERDICT_DEADLOCK);
    is_verdict(b, VERDICT_DEADLOCK);
    ck_assert(js.cycles[0].concluded);
    (void)tell(a);
    is_said("concluded");
}
END_TEST

START_TEST(another_reader_may_still_give_the_lock_back)
{
    struct thread_facts *a, *b;

    a_reader_twice(&a, &b);
    (void)waits(w_thread("other"), WAIT_READ);
    w_judge();
    no_leaks();
    a_reader_twice(&a, &b);
    (void)waits(w_thread("loop"), WAIT_EPOLL); /* that holds none */
    w_judge();
    is_verdict(a, VERDICT_DEADLOCK);
    a_reader_twice(&a, &b);
    a->value = b->value = 2; /* two are inside, one waits */
    w_judge();
    no_leaks();
}
END_TEST

START_TEST(a_reader_that_is_blocked_under_the_lock_is_why)
{
    struct thread_facts *a, *b, *c;

    a_reader_twice(&a, &b);
    w_asked(LONG_AGO);
    c = waits_fd(w_thread("other"), WAIT_READ, 5,
                 "unix"); /* the process is to leave, and it stays */
    w_judge();
    ck_assert_uint_eq(js.n_cycles, 0);
    is_verdict(a, VERDICT_LEAKED_BLOCKED);
    is_verdict(c, VERDICT_LEAKED_BLOCKED);
    waits(c, WAIT_EPOLL); /* nobody holds a lock while he waits for events */
    w_judge();
    is_verdict(a, VERDICT_DEADLOCK);
    is_verdict(b, VERDICT_DEADLOCK);
}
END_TEST

START_TEST(a_writer_alone_in_the_queue_is_not_a_circle)
{
    struct thread_facts *a, *b;

    a_reader_twice(&a, &b);
    (void)snprintf(a->object_note, sizeof(a->object_note), "wants to write");
    w_judge();
    no_leaks();
}
END_TEST

START_TEST(who_holds_a_lock_and_waits_for_those_who_want_it_is_a_deadlock)
{
    struct thread_facts *stop, *task;

    w_begin();
    w_asked(LONG_AGO);
    w_main(WAIT_SIGNAL, true);
    stop = cancelled(w_thread("stop"), LONG_AGO); /* on the condition that all tasks are done */
    task = cancelled(w_thread("task"), LONG_AGO);
    waits_lock(task, stop);
    w_judge();
    is_verdict(stop, VERDICT_DEADLOCK);
    is_verdict(task, VERDICT_DEADLOCK);
    ck_assert_uint_eq(js.n_cycles, 1);
    ck_assert(js.cycles[0].concluded);
}
END_TEST

START_TEST(somebody_who_could_still_wake_it_makes_it_no_deadlock)
{
    struct thread_facts *stop, *task;

    w_begin();
    w_asked(LONG_AGO);
    w_main(WAIT_SIGNAL, true);
    stop = cancelled(w_thread("stop"), LONG_AGO);
    task = cancelled(w_thread("task"), LONG_AGO);
    waits_lock(task, stop);
    (void)waits_fd(cancelled(w_thread("net"), LONG_AGO), WAIT_READ, 5, "tcp 10.0.0.1:5432");
    w_judge();
    is_verdict(stop, VERDICT_LEAKED_BLOCKED);
    is_cause(stop);
    is_verdict(task, VERDICT_LEAKED_BLOCKED);
    is_not_cause(task);
    ck_assert_uint_eq(of(task)->waits_for, (size_t)(stop - w_threads));
}
END_TEST

START_TEST(who_waits_for_the_cause_is_not_the_cause)
{
    struct thread_facts *a, *b, *c;

    w_begin();
    w_main(WAIT_SIGNAL, true);
    a = cancelled(w_thread("a"), LONG_AGO);
    b = cancelled(w_thread("b"), LONG_AGO);
    c = cancelled(w_thread("c"), LONG_AGO);
    joins(a, b);
    joins(b, c);
    spins(c);
    w_judge();
    is_not_cause(a);
    is_not_cause(b);
    is_cause(c);
    is_verdict(c, VERDICT_LEAKED_SPINNING);
    ck_assert_str_eq(judge_name(&w, js.of[js.groups[0].first].thread), "c");
}
END_TEST

START_TEST(whoever_holds_what_a_late_one_waits_for_is_shown)
{
    struct thread_facts *late, *holder;

    w_begin();
    w_main(WAIT_SIGNAL, true);
    late = cancelled(w_thread("late"), LONG_AGO);
    holder = registered(w_thread("holder"));
    waits_lock(late, holder);
    waits(holder, WAIT_EPOLL);
    w_judge();
    is_verdict(late, VERDICT_LEAKED_BLOCKED);
    is_not_cause(late);
    is_verdict(holder, VERDICT_CLEAN);
    is_cause(holder);
    (void)tell(holder);
    is_said("it holds the lock that `late` waits for");
}
END_TEST

START_TEST(who_says_that_it_waits_for_a_scope_waits_for_its_threads)
{
    struct thread_facts *closer, *member;

    w_begin();
    w_main(WAIT_SIGNAL, true);
    w.n_scopes = 2;
    closer = cancelled(w_thread("closer"), LONG_AGO);
    member = cancelled(w_thread("member"), LONG_AGO);
    waits(closer, WAIT_FUTEX);
    closer->claim.awaits_scope = 2;
    member->claim.scope_index = 1;
    waits_lock(member, closer);
    w_judge();
    is_verdict(closer, VERDICT_DEADLOCK);
    is_verdict(member, VERDICT_DEADLOCK);
    ck_assert(!js.cycles[0].concluded);
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {
        two_that_hold_what_the_other_wants_are_a_deadlock_whatever_they_were_asked,
        one_glimpse_of_a_circle_is_none,
        who_locks_again_what_it_holds_waits_for_itself,
        a_join_and_a_lock_make_a_circle,
        the_first_thread_may_be_in_a_circle_too,
        a_lock_whose_holder_is_gone_is_an_orphan,
        a_holder_that_may_live_elsewhere_is_not_gone,
        a_newcomer_that_was_quicker_has_the_lock,
        a_reader_behind_a_writer_that_waits_for_it_is_a_deadlock,
        another_reader_may_still_give_the_lock_back,
        a_reader_that_is_blocked_under_the_lock_is_why,
        a_writer_alone_in_the_queue_is_not_a_circle,
        who_holds_a_lock_and_waits_for_those_who_want_it_is_a_deadlock,
        somebody_who_could_still_wake_it_makes_it_no_deadlock,
        who_waits_for_the_cause_is_not_the_cause,
        whoever_holds_what_a_late_one_waits_for_is_shown,
        who_says_that_it_waits_for_a_scope_waits_for_its_threads,
    };

    return unit_main(w_suite("probe: who waits for whom", tests, ARRAY_LEN(tests)));
}
