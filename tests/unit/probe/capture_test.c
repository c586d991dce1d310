/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two looks at a process that is not disturbed by them; and what may not be seen is said. */
#include "supervisor/probe/capture.h"

#include <errno.h>
#include <sched.h>
#include <sys/ptrace.h>

#include "supervisor/probe/proc.h"
#include "tests/unit/probe/capture_fixture.h"

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

static void *
locks(void *arg)
{
    (void)pthread_mutex_lock(&taken);
    return arg;
}

static void *
naps_often(void *arg)
{
    struct timespec t = {0, 1000000};

    for (;;)
        (void)nanosleep(&t, NULL);
    return arg;
}

static void *
spins(void *arg)
{
    for (volatile unsigned i = 0;; i++)
        ;
    return arg;
}

/* It is stopped by nobody, or the gap shows it. */
static void *
beats(void *arg)
{
    int64_t last_us = mono_now_us();

    for (;;) {
        int64_t now_us = mono_now_us(), gap_us = now_us - last_us;

        if (gap_us > stage->worst_gap_us)
            stage->worst_gap_us = gap_us;
        last_us = now_us;
        stage->beats++;
        (void)sched_yield();
    }
    return arg;
}

static void
three_lives(void)
{
    (void)pthread_mutex_lock(&taken);
    (void)start(1, locks);
    (void)start(2, naps_often);
    (void)start(3, spins);
}

START_TEST(two_samples_tell_who_stands_still_from_who_does_not)
{
    const struct thread_facts *blocked, *often, *spinning;

    actor_start(three_lives);
    (void)await(0, WAIT_SLEEP);
    (void)await(1, WAIT_MUTEX);
    (void)await(2, WAIT_SLEEP);
    (void)await(3, WAIT_RUNNING);
    ck_assert_int_eq(look(PROBE_BETWEEN_US), 0);
    blocked = player(1);
    often = player(2);
    spinning = player(3);
    ck_assert(blocked && often && spinning);
    ck_assert_int_ge(facts.between_us, PROBE_BETWEEN_US);
    ck_assert(blocked->still && blocked->cpu_delta_us == 0 && !blocked->fresh && !blocked->main);
    ck_assert(!often->still);
    ck_assert(!spinning->still && spinning->cpu_delta_us > 0 && spinning->cpu_us > 0);
    ck_assert(player(0)->main && player(0)->still);
    ck_assert_int_gt(blocked->started_us, mono_now_us() - 60 * US_PER_S);
    ck_assert_int_le(blocked->started_us, mono_now_us());
    ck_assert_uint_eq(facts.n_threads, 4);
    ck_assert_str_ne(facts.exe, "");
    look(0);
    ck_assert(!player(1)->still); /* one sample proves nothing */
}
END_TEST

START_TEST(where_it_waits_where_it_began_and_for_what_is_told_by_name)
{
    const struct thread_facts *t;

    actor_start(three_lives);
    (void)await(0, WAIT_SLEEP);
    (void)await(3, WAIT_RUNNING);
    t = await(1, WAIT_MUTEX);
    ck_assert_int_ge(t->business, 0);
    ck_assert_str_eq(t->frames[t->business].function, "locks");
    ck_assert_uint_gt(t->frames[t->business].line, 0);
    ck_assert_msg(strcmp(t->start.function, "role_begin") == 0, "'%s'", t->start.function);
    ck_assert_str_eq(t->object_place.function, "taken");
    t = player(0);
    ck_assert(t->business >= 0 && t->n_frames > 3);
    ck_assert_str_eq(t->frames[t->business].function, "rest");
}
END_TEST

static void *
comes_and_goes(void *arg)
{
    struct timespec t = {0, 2000000};

    (void)nanosleep(&t, NULL);
    return arg;
}

static void *
breeds(void *arg)
{
    for (;;)
        (void)pthread_join(start(2, comes_and_goes), NULL);
    return arg;
}

static void
a_life_of_change(void)
{
    (void)start(1, breeds);
}

START_TEST(who_was_born_between_the_samples_is_fresh_and_never_still)
{
    unsigned fresh = 0;
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    actor_start(a_life_of_change);
    while (fresh < 5) {
        ck_assert_int_eq(look(20 * US_PER_MS), 0);
        for (size_t i = 0; i < facts.n; i++) {
            const struct thread_facts *t = &facts.threads[i];

            ck_assert(!t->fresh || (!t->still && t->cpu_delta_us == 0));
            fresh += t->fresh && t->tid != stage->tids[1];
        }
        ck_assert_msg(mono_now_us() < deadline_us, "nobody is ever fresh");
    }
}
END_TEST

static void *
leaves(void *arg)
{
    while (!stage->go)
        (void)sched_yield();
    return arg;
}

static void *
stays(void *arg)
{
    rest();
    return arg;
}

static void
one_for_another(void)
{
    (void)pthread_join(start(1, leaves), NULL);
    (void)start(2, stays);
}

/* Once @arg, the thread that looks, sleeps between its samples, the actor may change. */
static void *
lets_go(void *arg)
{
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;
    struct proc_syscall now = {0};

    while (now.running || now.number != SYS_clock_nanosleep)
        if (proc_syscall_read(getpid(), *(pid_t *)arg, &now) < 0 || mono_now_us() > deadline_us)
            return NULL;
    stage->go = true;
    return arg;
}

START_TEST(one_who_left_and_one_who_came_are_no_thread_that_stayed)
{
    pid_t looks = (pid_t)syscall(SYS_gettid);
    pthread_t other;

    actor_start(one_for_another);
    while (stage->tids[1] == 0)
        (void)sched_yield();
    ck_assert_int_eq(pthread_create(&other, NULL, lets_go, &looks), 0);
    ck_assert_int_eq(look(US_PER_S), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert_msg(stage->go && stage->tids[2] != 0, "the one did not leave");
    ck_assert_ptr_null(player(1));
    ck_assert_ptr_nonnull(player(2));
    ck_assert(player(2)->fresh && !player(2)->still);
    ck_assert(!player(0)->fresh);
    ck_assert_uint_eq(facts.n, 2);
    ck_assert_uint_eq(facts.n_threads, 2);
    ck_assert_int_lt(facts.threads[0].tid, facts.threads[1].tid);
}
END_TEST

static void
the_first_leaves(void)
{
    (void)start(1, stays);
    pthread_exit(NULL);
}

START_TEST(a_process_whose_first_thread_left_is_looked_at_all_the_same)
{
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    actor_start(the_first_leaves);
    do {
        ck_assert_int_eq(look(0), 0);
        ck_assert_msg(mono_now_us() < deadline_us, "its first thread does not leave");
    } while (!facts.zombie_leader);
    ck_assert_uint_eq(facts.n, 1);
    ck_assert_uint_eq(facts.n_threads, 1);
    ck_assert_int_eq(await(1, WAIT_SLEEP)->tid, stage->tids[1]);
    ck_assert_int_ne(stage->tids[1], actor);
}
END_TEST

static void
no_life(void)
{
    _exit(0);
}

START_TEST(nobody_is_there)
{
    int r = 0;
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    actor_start(no_life);
    while (r == 0) { /* a zombie has nothing that waits */
        r = look(0);
        ck_assert_msg(mono_now_us() < deadline_us, "it does not end");
    }
    ck_assert_int_eq(r, -ESRCH);
    ck_assert_int_eq(waitpid(actor, NULL, 0), actor);
    ck_assert_int_eq(look(0), -ESRCH);
    actor = 0;
}
END_TEST

static void
a_thousand(void)
{
    (void)pthread_mutex_lock(&taken);
    (void)start(2, beats);
    for (unsigned i = 0; i < 1000; i++)
        (void)start(1, locks);
    stage->go = true;
}

START_TEST(a_thousand_are_seen_and_none_is_stopped)
{
    int64_t deadline_us = mono_now_us() + 60 * US_PER_S;
    uint64_t before;
    size_t waiting = 0, still = 0;

    actor_start(a_thousand);
    do {
        ck_assert_int_eq(look(0), 0);
        waiting = 0;
        for (size_t i = 0; i < facts.n; i++)
            waiting += facts.threads[i].wait == WAIT_MUTEX;
        ck_assert_msg(mono_now_us() < deadline_us, "%zu of a thousand wait", waiting);
    } while (waiting < 1000);
    before = stage->beats;
    ck_assert_int_eq(look(PROBE_BETWEEN_US), 0);
    ck_assert_uint_gt(stage->beats, before);
    for (size_t i = 0; i < facts.n; i++) {
        ck_assert_int_ne(facts.threads[i].state, 'T');
        still += facts.threads[i].still && facts.threads[i].owner == actor;
    }
    ck_assert_uint_eq(still, 1000);
    ck_assert_uint_eq(facts.n, 1002);
}
END_TEST

START_TEST(a_deadline_that_is_over_costs_details_and_says_so)
{
    struct probe_request req = {
        .registry_fd = -1, .between_us = 20 * US_PER_S, .deadline_us = mono_now_us() + 1};
    int64_t began_us = mono_now_us();

    actor_start(a_thousand);
    while (!stage->go)
        (void)sched_yield();
    req.pid = actor;
    ck_assert_int_eq(probe_capture(&req, &facts, NULL), 0);
    ck_assert_int_lt(mono_now_us() - began_us, 15 * US_PER_S);
    ck_assert_uint_lt(facts.n, facts.n_threads);
    ck_assert_ptr_nonnull(strstr(facts.note, "no time"));
}
END_TEST

static pid_t tracer;

static void
a_stopped_life(void)
{
    (void)start(1, stays);
}

START_TEST(who_is_traced_is_stopped_and_the_tracer_is_known)
{
    const struct thread_facts *t;
    int ready[2];
    char c;

    actor_start(a_stopped_life);
    (void)await(1, WAIT_SLEEP);
    ck_assert_int_eq(pipe(ready), 0);
    tracer = fork();
    ck_assert_int_ne(tracer, -1);
    if (tracer == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_ATTACH, actor, NULL, NULL) != 0 || waitpid(actor, NULL, __WALL) != actor)
            _exit(77);
        (void)!write(ready[1], "x", 1);
        rest();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    t = await(0, WAIT_STOPPED);
    ck_assert_int_eq(t->state, 't');
    ck_assert_int_eq(t->tracer, tracer);
    ck_assert_int_eq(player(1)->wait, WAIT_SLEEP); /* that one is not */
    ck_assert_int_eq(kill(tracer, SIGKILL), 0);
    ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture");
    TCase *t = tcase_create("capture");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 100);
    tcase_add_test(t, two_samples_tell_who_stands_still_from_who_does_not);
    tcase_add_test(t, where_it_waits_where_it_began_and_for_what_is_told_by_name);
    tcase_add_test(t, who_was_born_between_the_samples_is_fresh_and_never_still);
    tcase_add_test(t, one_who_left_and_one_who_came_are_no_thread_that_stayed);
    tcase_add_test(t, a_process_whose_first_thread_left_is_looked_at_all_the_same);
    tcase_add_test(t, nobody_is_there);
    tcase_add_test(t, a_thousand_are_seen_and_none_is_stopped);
    tcase_add_test(t, a_deadline_that_is_over_costs_details_and_says_so);
    tcase_add_test(t, who_is_traced_is_stopped_and_the_tracer_is_known);
    suite_add_tcase(s, t);
    return unit_main(s);
}
