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

START_TEST(who_is_busy_is_the_cause_with_the_idle_one_that_is_joined)
{
    struct thread_facts *m = stays(WAIT_JOIN), *idle = w_thread("worker"), *busy, *loop;

    busy = waits_fd(w_thread("worker"), WAIT_READ, 7, "unix");
    loop = waits_fd(w_thread("worker"), WAIT_EPOLL, 8, "epoll");
    joins(m, idle);
    w_judge();
    is_cause(idle);
    is_cause(busy);
    is_not_cause(loop);

    joins(m, busy); /* then those that are idle may wait for it */
    w_judge();
    is_cause(busy);
    is_not_cause(idle);
}
END_TEST

START_TEST(where_only_newborns_move_each_starts_the_next)
{
    struct thread_facts *m = stays(WAIT_SEM), *t = sleeps_each(w_thread("relay"), 40000), *other;

    t->fresh = true;
    t->started_us = NOW_US - 20 * US_PER_MS;
    w_judge();
    is_verdict(t, VERDICT_LEAKED_SLEEPING);
    is_cause(t);
    is_verdict(m, VERDICT_DRAINING);
    (void)tell(t);
    is_said("is alive 10.0 s after the process was asked to leave");

    other = sleeps_each(w_thread("starter"), 40000); /* then it may have been this one */
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    is_verdict(other, VERDICT_LEAKED_SLEEPING);
}
END_TEST

START_TEST(within_the_grace_a_newborn_is_nobodys_fault)
{
    struct thread_facts *t;

    w_begin();
    w_asked(GRACE / 2);
    w_main(WAIT_SEM, false);
    t = sleeps_each(w_thread("relay"), 40000);
    t->fresh = true;
    w_judge();
    is_verdict(t, VERDICT_DRAINING);
    no_leaks();
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {
        who_is_busy_is_the_cause_with_the_idle_one_that_is_joined,
        where_only_newborns_move_each_starts_the_next,
        within_the_grace_a_newborn_is_nobodys_fault,
    };

    return unit_main(w_suite("probe: pools and newborns", tests, ARRAY_LEN(tests)));
}
