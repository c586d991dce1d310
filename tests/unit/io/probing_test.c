/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/probing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/unit.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifdef SANITIZED
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true /* there is no limit then */
#else
#define SANITIZED false
#endif

#define PATIENCE_US (20 * US_PER_S)
enum { MANY = 3 * PROBING_AT_ONCE };
#define CROWD 200
#define TRIES 500

static struct {
    struct ev_loop *loop;
    struct probing *probing;
    pid_t child;
    unsigned answers, seen, crowded, died, late, most_helpers;
    char summary[PROBING_SUMMARY];
    long long total;
    int order[MANY];
} at;

static void
on_done(void *env, const struct probing_answer *a)
{
    ck_assert_ptr_nonnull(a->summary);
    if (env)
        at.order[at.answers % MANY] = *(const int *)env;
    at.answers++;
    at.seen += a->seen;
    at.crowded += strstr(a->summary, "1 thread: too many others were looked at first") != NULL;
    at.late += strstr(a->summary, "1 thread: the look took too long") != NULL;
    at.died += strstr(a->summary, "1 thread: the process that looked died") != NULL;
    (void)snprintf(at.summary, sizeof(at.summary), "%s", a->summary);
    at.total = json_integer_value(json_object_get(a->report, "total"));
}

static bool
is_other(void *env, pid_t pid)
{
    (void)env;
    return pid == at.child;
}

/* Every child but the one that is looked at is a helper. */
static bool
count_helper(void *env, const struct proc_stat *child)
{
    if (child->state != 'Z')
        ++*(unsigned *)env;
    return true;
}

static bool
kill_helper(void *env, const struct proc_stat *child)
{
    (void)env;
    (void)kill(child->pid, SIGKILL);
    return true;
}

static bool
answered(void *env)
{
    unsigned helpers = 0;

    ck_assert_int_ge(proc_children(getpid(), is_other, count_helper, &helpers), 0);
    if (helpers > at.most_helpers)
        at.most_helpers = helpers;
    return at.answers >= *(const unsigned *)env;
}

static void
await(unsigned n)
{
    ck_assert(loop_until(at.loop, answered, &n, PATIENCE_US));
    ck_assert_uint_eq(at.answers, n);
}

static struct probing_request
request(void)
{
    return (struct probing_request){.pid = at.child,
                                    .registry_fd = -1,
                                    .deadline_us = mono_now_us() + PATIENCE_US,
                                    .on_done = on_done};
}

static void
set_up(void)
{
    memset(&at, 0, sizeof(at));
    at.loop = ev_loop_new(EVFLAG_NOENV);
    at.probing = probing_create(at.loop);
    ck_assert_ptr_nonnull(at.probing);
    at.child = fork();
    if (at.child == 0) {
        (void)pause();
        _exit(0);
    }
}

static void
tear_down(void)
{
    probing_destroy(at.probing);
    (void)kill(at.child, SIGKILL);
    ck_assert_int_eq(waitpid(at.child, NULL, 0), at.child);
    ev_loop_destroy(at.loop);
}

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

static void *
sit(void *arg)
{
    (void)arg;
    (void)pause();
    return NULL;
}

/* A worker of a thousand threads, as its first thread tells through the pipe. */
static pid_t
fat(void)
{
    int ends[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        pthread_attr_t attr;
        pthread_t t;

        (void)pthread_attr_init(&attr);
        (void)pthread_attr_setstacksize(&attr, (size_t)64 << 10);
        for (int i = 0; i < 1000; i++)
            if (pthread_create(&t, &attr, sit, NULL) != 0)
                _exit(1);
        (void)!write(ends[1], "!", 1);
        (void)pause();
        _exit(0);
    }
    (void)close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    (void)close(ends[0]);
    return pid;
}

START_TEST(who_makes_the_helper_fat_is_told_to_be_and_the_next_look_goes_on)
{
    struct probing_request rq = request();

    (void)kill(at.child, SIGKILL);
    ck_assert_int_eq(waitpid(at.child, NULL, 0), at.child);
    at.child = rq.pid = fat();
    rq.memory = (uint64_t)1 << 20;
    probing_ask(at.probing, &rq, NULL);
    await(1);
    if (!SANITIZED) {
        ck_assert_uint_eq(at.seen, 0);
        ck_assert_msg(
            strstr(at.summary, "it has 1001 threads: the look would take more than 1 MiB"), "%s",
            at.summary);
    }
    rq.memory = 0;
    probing_ask(at.probing, &rq, NULL);
    await(2);
    ck_assert_int_eq(at.total, 1001);
    ck_assert_uint_eq(at.seen, SANITIZED ? 2 : 1);
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
    tcase_add_test(t, who_waits_too_long_hears_why_so_little_is_known);
    tcase_add_test(t, who_asked_hears_that_the_helper_died);
    tcase_add_test(t, a_look_that_takes_too_long_is_ended);
    tcase_add_test(t, without_descriptors_the_answer_is_honest_and_at_once);
    tcase_add_test(t, who_makes_the_helper_fat_is_told_to_be_and_the_next_look_goes_on);
    tcase_add_test(t, who_is_gone_is_told_to_those_who_asked);
    suite_add_tcase(s, t);
    return unit_main(s);
}
