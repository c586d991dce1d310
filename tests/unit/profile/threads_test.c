/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/units.h"
#include "supervisor/profile/kinds.h"
#include "tests/unit/profile/fixture.h"

/* The threads of a living process, a generation of a program that leaks some, as pprof sees them. */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static sem_t never;
static int silent[2];

void *keeps_accounts(void *arg);
void *flushes_for_ever(void *arg);
void *waits_its_turn(void *arg);

__attribute__((noinline)) void *
keeps_accounts(void *arg)
{
    (void)prctl(PR_SET_NAME, "accounts");
    while (sem_wait(&never) < 0)
        continue;
    return arg;
}

__attribute__((noinline)) void *
flushes_for_ever(void *arg)
{
    char byte;

    (void)prctl(PR_SET_NAME, "flush");
    while (read(silent[0], &byte, 1) < 0)
        continue;
    return arg;
}

__attribute__((noinline)) void *
waits_its_turn(void *arg)
{
    (void)prctl(PR_SET_NAME, "turn");
    (void)pthread_mutex_lock(&held);
    return arg;
}

static void
start(void *(*what)(void *), unsigned n)
{
    pthread_t thread;

    for (unsigned i = 0; i < n; i++)
        if (pthread_create(&thread, NULL, what, NULL) != 0)
            abort();
}

/* A process with @accounts threads that are there for good, and @flush that should not be. */
static pid_t
a_process(unsigned accounts, unsigned flush)
{
    int ready[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pipe(silent) < 0 || sem_init(&never, 0, 0) < 0)
            abort();
        (void)pthread_mutex_lock(&held);
        start(keeps_accounts, accounts);
        start(flushes_for_ever, flush);
        start(waits_its_turn, 1);
        if (write(ready[1], "", 1) != 1)
            abort();
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return pid;
}

static void
end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void
on_progress(void *env, unsigned percent)
{
    *(unsigned *)env = percent;
}

/* Once all of them are where they will stay. */
static struct profile *
look_at(pid_t pid, uint64_t generation, int64_t threads)
{
    const struct profile_target t = {.pid = pid,
                                     .service = "web",
                                     .generation = generation,
                                     .registry_fd = -1,
                                     .channel_fd = -1};
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;
    unsigned told = 0;
    struct profile *p;
    bool still;

    do {
        struct profile_wish w = {
            .until_us = mono_now_us() + 5 * US_PER_S, .progress = on_progress, .env = &told};
        struct profile_label l;

        ck_assert_int_lt(mono_now_us(), deadline_us);
        p = NULL;
        ck_assert_int_eq(profile_for(PROFILE_THREADS, &p), 0);
        ck_assert_msg(profile_take(PROFILE_THREADS, p, &t, &w, &why) == 0, "%s", why.text);
        still = profile_total(p, 0) == threads;
        for (size_t i = 0; still && i < profile_samples(p); i++)
            still = profile_label_of(p, i, "state", &l) && strcmp(l.text, "running") != 0;
        if (!still)
            profile_free(p);
    } while (!still);
    ck_assert_uint_eq(told, 100);
    return p;
}

START_TEST(each_thread_counts_one_at_its_stack)
{
    pid_t pid = a_process(3, 0);
    auto_profile struct profile *p = look_at(pid, 7, 5);
    auto_text struct text said = TEXT_INIT;

    pprof("-traces", p, NULL, &said);
    has(&said, "keeps_accounts");
    has(&said, "waits_its_turn");
    pprof("-top", p, NULL, &said);
    has(&said, "Type: threads");
    has(&said, "60.00%  keeps_accounts");
    has(&said, "20.00%  waits_its_turn");
    pprof("-tags", p, NULL, &said);
    has(&said, "state: Total 5");
    has(&said, "(60.00%): sem");
    has(&said, "(20.00%): mutex");
    has(&said, "thread: Total 5");
    has(&said, "(60.00%): accounts");
    has(&said, "wait_object: Total");
    has(&said, "generation: Total 5");
    has(&said, "verdict: Total 5");
    end(pid);
}
END_TEST

START_TEST(two_generations_differ_in_the_leaked_group_alone)
{
    pid_t before = a_process(3, 0), now = a_process(3, 4);
    auto_profile struct profile *old = look_at(before, 6, 5), *young = look_at(now, 7, 9);
    auto_text struct text said = TEXT_INIT;

    pprof("-top", young, old, &said);
    has(&said, "flushes_for_ever");
    has_not(&said, "keeps_accounts");
    has_not(&said, "waits_its_turn");
    ck_assert_int_eq(profile_merge(young, old, -1), 0);
    ck_assert_int_eq(profile_forget(young, profile_identity), 0);
    pprof("-traces", young, NULL, &said);
    has(&said, "flushes_for_ever");
    has_not(&said, "keeps_accounts");
    ck_assert_int_eq(profile_total(young, 0), 4);
    end(before);
    end(now);
}
END_TEST

START_TEST(a_process_that_is_gone_is_an_error)
{
    pid_t pid = a_process(1, 0);
    const struct profile_target t = {.pid = pid, .registry_fd = -1, .channel_fd = -1};
    const struct profile_wish w = {.until_us = mono_now_us() + US_PER_S};
    auto_profile struct profile *p = NULL;

    end(pid);
    ck_assert_int_eq(profile_for(PROFILE_THREADS, &p), 0);
    ck_assert_int_eq(profile_take(PROFILE_THREADS, p, &t, &w, &why), -ESRCH);
    ck_assert_uint_eq(profile_samples(p), 0);
}
END_TEST

START_TEST(kinds_have_names)
{
    ck_assert_int_eq(profile_kind_named("threads"), PROFILE_THREADS);
    ck_assert_int_eq(profile_kind_named("heap"), PROFILE_HEAP);
    ck_assert_int_eq(profile_kind_named("threadz"), PROFILE_KIND_COUNT);
    ck_assert_str_eq(profile_kind_name(PROFILE_CPU), "cpu");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("threads");
    TCase *t = tcase_create("threads");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_thread_counts_one_at_its_stack);
    tcase_add_test(t, two_generations_differ_in_the_leaked_group_alone);
    tcase_add_test(t, a_process_that_is_gone_is_an_error);
    tcase_add_test(t, kinds_have_names);
    suite_add_tcase(s, t);
    return unit_main(s);
}
