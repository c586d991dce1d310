/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that are not like others: that run, that the kernel made, that the C library made. */
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>

#include "tests/unit/probe/capture_fixture.h"

static void *
spins(void *arg)
{
    for (volatile unsigned i = 0;; i++)
        ;
    return arg;
}

static void
one_spins(void)
{
    (void)start(1, spins);
}

/* Where perf events are permitted: the kernel notes where it is at a tick. */
START_TEST(who_runs_is_told_by_name_too_and_goes_on_running)
{
    const struct thread_facts *t = NULL;
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_SW_CPU_CLOCK,
                                   .exclude_kernel = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

    actor_start(one_spins);
    if (fd == -1)
        return;
    (void)close(fd);
    do { /* it has to get a CPU */
        t = await(1, WAIT_RUNNING);
        ck_assert_msg(mono_now_us() < deadline_us, "it is never seen");
    } while (t->business < 0);
    ck_assert_str_eq(t->frames[t->business].function, "spins");
    ck_assert_int_eq(t->state, 'R');
}
END_TEST

static void
rings(void)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 3600000};

    stage->fds[0] = (int)syscall(SYS_io_uring_setup, 4, &p);
    stage->go = true;
}

START_TEST(a_thread_that_the_kernel_made_is_not_taken_for_somebodys)
{
    unsigned made = 0;

    actor_start(rings);
    while (!stage->go)
        (void)sched_yield();
    if (stage->fds[0] < 0) /* not permitted everywhere */
        return;
    ck_assert_int_eq(look(0), 0);
    for (size_t i = 0; i < facts.n; i++) {
        made += facts.threads[i].kernel;
        ck_assert(facts.threads[i].kernel != facts.threads[i].main); /* whatever their names */
        ck_assert(!facts.threads[i].kernel || facts.threads[i].n_frames == 0);
    }
    ck_assert_uint_eq(made, 1);
}
END_TEST

static void
on_timer(union sigval value)
{
    (void)value;
}

static void
has_a_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer};
    timer_t timer;

    (void)timer_create(CLOCK_MONOTONIC, &event, &timer);
    stage->go = true;
}

/* It is born with the timer, and has to get to its wait first: who runs may not have begun yet. */
static bool
helper_waits(void)
{
    for (size_t i = 0; i < facts.n; i++)
        if (!facts.threads[i].main && facts.threads[i].wait == WAIT_SIGNAL)
            return true;
    return false;
}

START_TEST(a_helper_of_the_c_library_begins_there_and_does_nobodys_business)
{
    actor_start(has_a_timer);
    while (!stage->go)
        (void)sched_yield();
    (void)await(0, WAIT_SLEEP);
    for (int64_t limit_us = mono_now_us() + 20 * US_PER_S; !helper_waits();) {
        ck_assert_int_lt(mono_now_us(), limit_us);
        ck_assert_int_eq(look(0), 0);
    }
    ck_assert_uint_eq(facts.n, 2);
    for (size_t i = 0; i < facts.n; i++) {
        const struct thread_facts *t = &facts.threads[i];

        ck_assert(t->main || (!t->kernel && !t->start.business && t->business == -1));
        ck_assert_msg(t->main || strncmp(t->start.module, "libc.so", 7) == 0, "'%s'",
                      t->start.module);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture_kinds");
    TCase *t = tcase_create("capture_kinds");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, who_runs_is_told_by_name_too_and_goes_on_running);
    tcase_add_test(t, a_thread_that_the_kernel_made_is_not_taken_for_somebodys);
    tcase_add_test(t, a_helper_of_the_c_library_begins_there_and_does_nobodys_business);
    suite_add_tcase(s, t);
    return unit_main(s);
}
