/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/registry.h"
#include "tests/unit/unit.h"
#include "worker-api/stint.h"

/* What libstint writes, as the master reads it: in a process of its own, alive and dead. */
static int registry = -1;
static int ready[2];
static pid_t worker;

static void
stay(void *arg)
{
    STINT_BLOCK("for the test", &registry)
    (void)stint_token_wait(arg, STINT_NEVER);
}

static void
join_it(void *arg)
{
    (void)stint_thread_join(arg, NULL, STINT_NEVER);
}

static void
nothing(void *arg)
{
    (void)arg;
}

static void
must(bool holds)
{
    if (!holds)
        _exit(99);
}

static void
life(void)
{
    struct stint_token *never = stint_token_new(NULL, "never");
    struct stint_scope *gen, *within;
    struct stint_thread *thread, *stuck;

    must(stint_init(NULL) == 0);
    gen = stint_generation_open("v1");
    within = stint_scope_open(gen, "watchers");
    must(stint_scope_spawn(within, "watcher", stay, never) == 0);
    must(stint_thread_spawn(&stuck, stint_root(), "stuck", stay, never) == 0);
    must(stint_thread_spawn(&thread, stint_root(), "joiner", join_it, stuck) == 0);
    must(stint_thread_spawn(&thread, stint_root(), "unjoined", nothing, NULL) == 0);
    must(stint_generation_retire(gen, 250000, "reloaded") == 1);
    must(write(ready[1], "x", 1) == 1);
    for (;;)
        (void)pause();
}

static void
setup(void)
{
    char number[16];

    ck_assert_int_eq(registry_create(&registry, NULL), 0);
    ck_assert_int_eq(pipe(ready), 0);
    worker = fork();
    ck_assert_int_ge(worker, 0);
    if (worker == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)snprintf(number, sizeof(number), "%d", dup(registry));
        (void)setenv("STINT_REGISTRY", number, 1);
        (void)snprintf(number, sizeof(number), "%d", (int)getpid());
        (void)setenv("LISTEN_PID", number, 1);
        life();
        _exit(0);
    }
    (void)close(ready[1]);
}

static void
teardown(void)
{
    if (worker > 0) {
        ck_assert_int_eq(kill(worker, SIGKILL), 0);
        ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
    }
    (void)fd_close(registry);
    (void)close(ready[0]);
}

static const struct registry_thread *
by_name(const struct registry_thread *threads, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(threads[i].claim.name, name) == 0)
            return &threads[i];
    return NULL;
}

/* All of it has happened: nobody is torn, the joiner waits, the other has ended. */
static struct registry_view
await(void)
{
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;
    char byte;

    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    for (;;) {
        struct registry_view v;
        const struct registry_thread *joiner, *watcher;

        ck_assert_int_eq(registry_read(registry, &v, NULL), 0);
        joiner = by_name(v.threads, v.n, "joiner");
        watcher = by_name(v.threads, v.n, "watcher");
        if (v.n == 4 && joiner && joiner->claim.awaits_tid && watcher && watcher->claim.wait_line &&
            by_name(v.ended, v.n_ended, "unjoined"))
            return v;
        registry_view_finish(&v);
        ck_assert_int_lt(mono_now_us(), deadline_us);
    }
}

static void
look(const struct registry_view *v)
{
    const struct registry_thread *t = by_name(v->threads, v->n, "watcher");

    ck_assert_int_eq(v->pid, worker);
    ck_assert_uint_eq(v->n, 4); /* and main */
    ck_assert(!v->untrusted);
    ck_assert_uint_eq(v->torn + v->torn_scopes + v->overflow, 0);
    ck_assert_str_eq(t->claim.scope, "root/v1/watchers");
    ck_assert_uint_eq(t->claim.generation, 1);
    ck_assert_int_eq(t->claim.grace_us, 250000);
    ck_assert_int_gt(t->claim.cancelled_us, 0);
    ck_assert_uint_eq(t->claim.cause, STINT_CAUSE_RETIRED);
    ck_assert_str_eq(t->claim.cause_text, "reloaded");
    ck_assert_str_eq(t->claim.cause_who, "main");
    ck_assert_str_eq(t->claim.creator_function, "life");
    ck_assert_ptr_nonnull(strstr(t->claim.creator_file, "registry_live_test.c"));
    ck_assert(t->claim.start_pc == (uintptr_t)stay); /* a fork: the same addresses */
    ck_assert_str_eq(t->claim.wait_text, "for the test");
    ck_assert(t->claim.wait_object == (uintptr_t)&registry);
    t = by_name(v->threads, v->n, "joiner");
    ck_assert_str_eq(t->claim.wait_text, "join of stuck");
    ck_assert_int_eq(t->claim.awaits_tid, by_name(v->threads, v->n, "stuck")->tid);
    ck_assert_int_eq(t->claim.cancelled_us, 0);
    ck_assert(by_name(v->threads, v->n, "main")->main);
    ck_assert(by_name(v->ended, v->n_ended, "unjoined")->joinable);
    ck_assert(v->scopes[by_name(v->threads, v->n, "watcher")->claim.scope_index].threads == 1);
}

START_TEST(every_thread_is_found_by_what_the_kernel_says_of_it)
{
    struct registry_view v = await();
    pid_t tids[16];
    size_t n = 0, all = 0, found = 0;

    look(&v);
    ck_assert_int_eq(proc_threads(worker, tids, 16, &n, &all), 0);
    for (size_t i = 0; i < n; i++) {
        struct proc_stat st;
        const struct registry_thread *t;

        ck_assert_int_eq(proc_thread_stat_read(worker, tids[i], &st), 0);
        t = registry_find(&v, st.pid, st.start_time);
        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(t->tid, tids[i]);
        ck_assert_ptr_null(
            registry_find(&v, st.pid, st.start_time + 100)); /* began a second later */
        found++;
    }
    ck_assert_uint_eq(found, v.n);
    registry_view_finish(&v);
}
END_TEST

START_TEST(a_worker_that_was_stopped_or_killed_is_read_as_it_was)
{
    struct registry_view v = await();

    registry_view_finish(&v);
    ck_assert_int_eq(kill(worker, SIGSTOP), 0);
    ck_assert_int_eq(registry_read(registry, &v, NULL), 0);
    look(&v);
    registry_view_finish(&v);
    ck_assert_int_eq(kill(worker, SIGKILL), 0);
    ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
    ck_assert_int_eq(registry_read(registry, &v, NULL), 0);
    look(&v);
    registry_view_finish(&v);
    worker = -1;
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("registry_live");
    TCase *t = tcase_create("registry_live");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_thread_is_found_by_what_the_kernel_says_of_it);
    tcase_add_test(t, a_worker_that_was_stopped_or_killed_is_read_as_it_was);
    suite_add_tcase(s, t);
    return unit_main(s);
}
