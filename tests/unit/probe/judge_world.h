/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_PROBE_JUDGE_WORLD_H
#define STINT_TESTS_UNIT_PROBE_JUDGE_WORLD_H

/*
 * A process in few words: w_begin(), threads by w_thread(), what they do by waits_*() and spins(),
 * what they claim by registered() and cancelled(); then w_judge() and what is asked of the verdicts.
 * It is 100 s by its clock; samples are 100 ms apart; the grace is 500 ms.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/probe/judge.h"
#include "tests/unit/unit.h"

#define W_MAX    5200
#define NOW_US   (100 * US_PER_S)
#define GRACE    (500 * US_PER_MS)
#define LONG_AGO (10 * US_PER_S)
#define NOBODY   SIZE_MAX

static struct thread_facts w_threads[W_MAX];
static struct place w_places[W_MAX][FACTS_FRAMES_MAX];
static struct dead_facts w_dead[8];
static struct scope_facts w_scopes[8];
static struct process_facts w;
static struct judgements js;
static struct text told;

__attribute__((unused)) static void
w_begin(void)
{
    judgements_finish(&js);
    text_clear(&told);
    memset(w_dead, 0, sizeof(w_dead));
    memset(w_scopes, 0, sizeof(w_scopes));
    w = (struct process_facts){.pid = 1000,
                               .exe = "/usr/bin/app",
                               .comm = "app",
                               .at_us = NOW_US,
                               .between_us = 100 * US_PER_MS,
                               .grace_us = GRACE,
                               .grade = EVIDENCE_REGISTRY,
                               .threads = w_threads,
                               .dead = w_dead,
                               .scopes = w_scopes,
                               .n_scopes = 1};
    (void)snprintf(w_scopes[0].path, sizeof(w_scopes[0].path), "root");
    w_scopes[0].grace_us = INT64_MAX;
}

/* The process was asked to leave so long ago. */
__attribute__((unused)) static void
w_asked(int64_t ago_us)
{
    w.cancelled_us = NOW_US - ago_us;
}

__attribute__((unused)) static void
at_function(struct place *p, const char *function)
{
    (void)snprintf(p->function, sizeof(p->function), "%s", function);
    (void)snprintf(p->module, sizeof(p->module), "app");
    p->pc = 5381;
    for (const char *c = function; *c != '\0'; c++)
        p->pc = (p->pc * 33 + (unsigned char)*c) & 0xffffff;
    p->business = true;
}

/* One that waits on a condition, in NAME_run(). */
__attribute__((unused)) static struct thread_facts *
w_thread(const char *name)
{
    struct thread_facts *t = &w_threads[w.n++];
    char function[80];

    w.n_threads = w.n;
    memset(w_places[w.n - 1], 0, sizeof(w_places[0]));
    *t = (struct thread_facts){.tid = 1000 + (pid_t)w.n - 1,
                               .start_time = 5000 + w.n,
                               .state = 'S',
                               .started_us = 10 * US_PER_S + (int64_t)w.n,
                               .still = true,
                               .wait = WAIT_COND,
                               .call = 202,
                               .object = 0x5000 + 64 * w.n,
                               .timeout_us = INT64_MAX,
                               .fd = -1,
                               .frames = w_places[w.n - 1],
                               .n_frames = 1};
    (void)snprintf(t->comm, sizeof(t->comm), "%.15s", name);
    (void)snprintf(function, sizeof(function), "%.40s_run", name);
    for (char *s = function; *s != '\0'; s++)
        if (*s == '-')
            *s = '_';
    at_function(&t->frames[0], function);
    at_function(&t->start, function);
    return t;
}

/* ---- what it does ---------------------------------------------------------------------------- */

__attribute__((unused)) static struct thread_facts *
waits(struct thread_facts *t, enum wait_class wait)
{
    t->wait = wait;
    return t;
}

__attribute__((unused)) static struct thread_facts *
waits_fd(struct thread_facts *t, enum wait_class wait, int fd, const char *target)
{
    t->wait = wait;
    t->fd = fd;
    t->object = 0;
    (void)snprintf(t->fd_target, sizeof(t->fd_target), "%s", target);
    return t;
}

__attribute__((unused)) static struct thread_facts *
waits_lock(struct thread_facts *t, const struct thread_facts *holder)
{
    t->wait = WAIT_MUTEX;
    t->owner = holder->tid;
    t->object = 0x9000 + (uint64_t)holder->tid;
    return t;
}

__attribute__((unused)) static struct thread_facts *
joins(struct thread_facts *t, const struct thread_facts *other)
{
    t->wait = WAIT_JOIN;
    t->owner = other->tid;
    t->object = 0;
    return t;
}

__attribute__((unused)) static struct thread_facts *
spins(struct thread_facts *t)
{
    t->wait = WAIT_RUNNING;
    t->state = 'R';
    t->still = false;
    t->cpu_delta_us = 99 * US_PER_MS;
    t->object = 0;
    return t;
}

__attribute__((unused)) static struct thread_facts *
sleeps_each(struct thread_facts *t, int64_t period_us)
{
    t->wait = WAIT_SLEEP;
    t->timeout_us = period_us;
    t->still = period_us > 100 * US_PER_MS;
    t->object = 0;
    return t;
}

/* ---- what it claims -------------------------------------------------------------------------- */

__attribute__((unused)) static struct thread_facts *
registered(struct thread_facts *t)
{
    t->claimed = true;
    t->claim = (struct claim){.started_us = t->started_us,
                              .deadline_us = INT64_MAX,
                              .grace_us = INT64_MAX,
                              .vital_every_us = -1,
                              .creator_tid = 1000,
                              .creator_line = 88};
    (void)snprintf(t->claim.name, sizeof(t->claim.name), "%s", t->comm);
    (void)snprintf(t->claim.creator_name, sizeof(t->claim.creator_name), "main");
    (void)snprintf(t->claim.creator_file, sizeof(t->claim.creator_file), "src/cache.c");
    (void)snprintf(t->claim.creator_function, sizeof(t->claim.creator_function), "start_%.30s",
                   t->comm);
    (void)snprintf(t->claim.token, sizeof(t->claim.token), "root/%.30s", t->comm);
    (void)snprintf(t->claim.scope, sizeof(t->claim.scope), "root");
    return t;
}

__attribute__((unused)) static struct thread_facts *
cancelled(struct thread_facts *t, int64_t ago_us)
{
    if (!t->claimed)
        registered(t);
    t->claim.cancelled_us = NOW_US - ago_us;
    t->claim.cause = 2;
    return t;
}

/* The first thread; registered, and told to leave with the process, when the process was. */
__attribute__((unused)) static struct thread_facts *
w_main(enum wait_class wait, bool with_registry)
{
    struct thread_facts *t = w_thread("main");

    t->main = true;
    t->start = (struct place){0};
    t->object = 0;
    t->wait = wait;
    if (with_registry) {
        registered(t);
        t->claim.creator_name[0] = t->claim.creator_function[0] = t->claim.creator_file[0] = '\0';
        t->claim.cancelled_us = w.cancelled_us;
    } else {
        w.grade = EVIDENCE_PROC;
    }
    return t;
}

__attribute__((unused)) static Suite *
w_suite(const char *name, const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(name);
    TCase *c = tcase_create("judge");

    for (size_t i = 0; i < n; i++)
        tcase_add_test(c, tests[i]);
    tcase_set_timeout(c, 60); /* with sanitizers, on a busy machine */
    suite_add_tcase(s, c);
    return s;
}

/* ---- the verdicts ------------------------------------------------------------------------------- */

__attribute__((unused)) static void
w_judge(void)
{
    judgements_finish(&js);
    ck_assert_int_eq(judge(&w, &js), 0);
    ck_assert_uint_ge(js.n, w.n);
    text_clear(&told);
    judge_summary(&w, &js, &told);
    ck_assert(!told.failed);
}

__attribute__((unused)) static const struct judgement *
of(const struct thread_facts *t)
{
    return &js.of[t - w_threads];
}

__attribute__((unused)) static const char *
tell(const struct thread_facts *t)
{
    text_clear(&told);
    judge_tell(&w, &js, of(t)->group, &told);
    return text_str(&told);
}

#define is_verdict(t, v) ck_assert_str_eq(verdict_name(of(t)->verdict), verdict_name(v))

#define is_cause(t)      ck_assert_msg(of(t)->culprit, "%s is the cause", (t)->comm)
#define is_not_cause(t)  ck_assert_msg(!of(t)->culprit, "%s is not the cause", (t)->comm)

#define is_said(words)                                                                     \
    ck_assert_msg(strstr(text_str(&told), (words)) != NULL, "'%s' is not in: %s", (words), \
                  text_str(&told))
#define is_unsaid(words)                                                               \
    ck_assert_msg(strstr(text_str(&told), (words)) == NULL, "'%s' is in: %s", (words), \
                  text_str(&told))

#define no_leaks() ck_assert_msg(js.n_leaked == 0, "%zu leaks: %s", js.n_leaked, text_str(&told))

#endif
