/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sched.h>
#include <sys/resource.h>

#include "tests/unit/io/probing_fixture.h"

#define CROWD 200
#define TRIES 500

START_TEST(a_process_is_looked_at_beside_the_loop)
{
    struct probing_request rq = request();
    struct probing_look *look = NULL;

    probing_ask(at.probing, &rq, &look);
    ck_assert_ptr_nonnull(look);
    ck_assert_uint_eq(at.answers, 0);
    await(1);
    ck_assert_uint_eq(at.seen, 1);
    ck_assert_ptr_null(look); /* the handle is gone with the look */
    ck_assert_int_eq(at.total, 1);
    ck_assert_msg(strstr(at.summary, "1 thread") != NULL, "%s", at.summary);
}
END_TEST

START_TEST(a_few_run_at_once_and_the_urgent_are_first)
{
    int numbers[MANY];

    for (int i = 0; i < MANY; i++) {
        struct probing_request rq = request();

        numbers[i] = i;
        rq.env = &numbers[i];
        rq.urgent = i == MANY - 1;
        probing_ask(at.probing, &rq, NULL);
    }
    await(MANY);
    ck_assert_uint_eq(at.seen, MANY);
    ck_assert_uint_le(at.most_helpers, PROBING_AT_ONCE);
    ck_assert_uint_gt(at.most_helpers, PROBING_PATIENT_AT_ONCE);
    for (int i = MANY - PROBING_AT_ONCE; i < MANY; i++)
        ck_assert_int_ne(at.order[i], MANY - 1); /* it came last, and was answered before them */
}
END_TEST

/* As in a stop: who has to be killed first, and was asked about last, is not behind the whole line. */
START_TEST(of_the_urgent_the_nearest_deadline_is_first)
{
    int numbers[MANY];

    for (int i = 0; i < MANY; i++) {
        struct probing_request rq = request();

        numbers[i] = i;
        rq.env = &numbers[i];
        rq.urgent = true;
        if (i == MANY - 1)
            rq.deadline_us -= PATIENCE_US / 2;
        probing_ask(at.probing, &rq, NULL);
    }
    await(MANY);
    ck_assert_uint_eq(at.seen, MANY);
    for (int i = MANY - PROBING_AT_ONCE; i < MANY; i++)
        ck_assert_int_ne(at.order[i], MANY - 1);
}
END_TEST

/* … and who looks for nobody in particular leaves room. */
START_TEST(the_patient_leave_room_for_the_others)
{
    int number = MANY - 1;
    struct probing_request rq;
    unsigned one = 1;

    for (int i = 0; i < MANY - 1; i++) {
        rq = request();
        rq.patient = true;
        probing_ask(at.probing, &rq, NULL);
    }
    ck_assert(loop_until(at.loop, answered, &one, PATIENCE_US));
    ck_assert_uint_le(at.most_helpers, PROBING_PATIENT_AT_ONCE);
    rq = request();
    rq.env = &number;
    probing_ask(at.probing, &rq, NULL);
    await(MANY);
    ck_assert_uint_eq(at.seen, MANY);
    ck_assert_uint_le(at.most_helpers, PROBING_PATIENT_AT_ONCE + 1);
    for (int i = MANY - PROBING_AT_ONCE; i < MANY; i++)
        ck_assert_int_ne(at.order[i], number);
}
END_TEST

static bool
note_helper(void *env, const struct proc_stat *child)
{
    if (child->state != 'Z')
        *(pid_t *)env = child->pid;
    return true;
}

/* On a busy machine it would stay where it is: that is what the stop stands for. */
START_TEST(who_looks_on_idle_time_and_gets_none_is_followed_by_one_that_does_not)
{
    struct probing_request rq = request();
    pid_t helper = 0;

    rq.deadline_us = mono_now_us() + 2 * US_PER_S;
    rq.patient = true;
    probing_ask(at.probing, &rq, NULL);
    ck_assert_int_ge(proc_children(getpid(), is_other, note_helper, &helper), 0);
    ck_assert_int_gt(helper, 0);
    while (sched_getscheduler(helper) != SCHED_IDLE)
        ck_assert_int_lt(mono_now_us(), rq.deadline_us); /* it has not come that far */
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    await(1);
    ck_assert_uint_eq(at.seen, 1);
    ck_assert_msg(strstr(at.summary, "1 thread") != NULL, "%s", at.summary);
}
END_TEST

START_TEST(who_waits_too_long_hears_why_so_little_is_known)
{
    for (unsigned i = 0; i < CROWD; i++) {
        struct probing_request rq = request();

        rq.deadline_us = mono_now_us() + (i < PROBING_AT_ONCE ? PATIENCE_US : 0);
        probing_ask(at.probing, &rq, NULL);
    }
    await(CROWD);
    ck_assert_uint_gt(at.crowded, 0);
    ck_assert_uint_ge(at.crowded + at.seen, CROWD - PROBING_AT_ONCE);
}
END_TEST

/* Often enough the look is over before it can be killed. */
START_TEST(who_asked_hears_that_the_helper_died)
{
    for (unsigned i = 1; i <= TRIES && at.died == 0; i++) {
        struct probing_request rq = request();

        probing_ask(at.probing, &rq, NULL);
        ck_assert_int_eq(proc_children(getpid(), is_other, kill_helper, NULL), 0);
        await(i);
    }
    ck_assert_uint_gt(at.died, 0);
}
END_TEST

START_TEST(a_look_that_takes_too_long_is_ended)
{
    for (unsigned i = 1; i <= TRIES && at.late == 0; i++) {
        struct probing_request rq = request();

        rq.deadline_us = mono_now_us() + 50;
        probing_ask(at.probing, &rq, NULL);
        await(i);
    }
    ck_assert_uint_gt(at.late, 0);
}
END_TEST

START_TEST(without_descriptors_the_answer_is_honest_and_at_once)
{
    struct probing_request rq = request();
    struct probing_look *look = NULL;
    struct rlimit old, low;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 3; /* what is open stays open */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    probing_ask(at.probing, &rq, &look);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_uint_eq(at.answers, 1);
    ck_assert_uint_eq(at.seen, 0);
    ck_assert_ptr_null(look);
    ck_assert_msg(strstr(at.summary, "Too many open files") != NULL, "%s", at.summary);
}
END_TEST

START_TEST(who_is_gone_is_told_to_those_who_asked)
{
    struct probing_look *one = NULL, *two = NULL;
    struct probing_request rq = request();

    probing_ask(at.probing, &rq, &one);
    probing_ask(at.probing, &rq, &two);
    probing_cancel(one);
    ck_assert_ptr_null(one);
    probing_forget(at.probing, at.child);
    ck_assert_uint_eq(at.answers, 1);
    ck_assert_ptr_null(two);
    ck_assert_str_eq(at.summary, "no evidence: it is gone");
    probing_ask(at.probing, &rq, NULL); /* and the line goes on */
    await(2);
    ck_assert_uint_eq(at.seen, 1);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("probing");
    TCase *t = tcase_create("probing");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_process_is_looked_at_beside_the_loop);
    tcase_add_test(t, a_few_run_at_once_and_the_urgent_are_first);
    tcase_add_test(t, of_the_urgent_the_nearest_deadline_is_first);
    tcase_add_test(t, the_patient_leave_room_for_the_others);
    tcase_add_test(t, who_looks_on_idle_time_and_gets_none_is_followed_by_one_that_does_not);
    tcase_add_test(t, who_waits_too_long_hears_why_so_little_is_known);
    tcase_add_test(t, who_asked_hears_that_the_helper_died);
    tcase_add_test(t, a_look_that_takes_too_long_is_ended);
    tcase_add_test(t, without_descriptors_the_answer_is_honest_and_at_once);
    tcase_add_test(t, who_is_gone_is_told_to_those_who_asked);
    suite_add_tcase(s, t);
    return unit_main(s);
}
