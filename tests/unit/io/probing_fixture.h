/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_PROBING_FIXTURE_H
#define STINT_TESTS_UNIT_IO_PROBING_FIXTURE_H

/* A child that only sits there, who looks at it, and what was answered. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "supervisor/io/probing.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/unit.h"

#define PATIENCE_US (20 * US_PER_S)
enum { MANY = 3 * PROBING_AT_ONCE };

static struct {
    struct ev_loop *loop;
    struct probing *probing;
    pid_t child;
    unsigned answers, seen, crowded, died, late, most_helpers;
    char summary[PROBING_SUMMARY];
    long long total;
    int order[MANY];
} at;

static inline void
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

static inline bool
is_other(void *env, pid_t pid)
{
    (void)env;
    return pid == at.child;
}

/* Every child but the one that is looked at is a helper. */
static inline bool
count_helper(void *env, const struct proc_stat *child)
{
    if (child->state != 'Z')
        ++*(unsigned *)env;
    return true;
}

static inline bool
kill_helper(void *env, const struct proc_stat *child)
{
    (void)env;
    (void)kill(child->pid, SIGKILL);
    return true;
}

static inline bool
answered(void *env)
{
    unsigned helpers = 0;

    ck_assert_int_ge(proc_children(getpid(), is_other, count_helper, &helpers), 0);
    if (helpers > at.most_helpers)
        at.most_helpers = helpers;
    return at.answers >= *(const unsigned *)env;
}

static inline void
await(unsigned n)
{
    ck_assert(loop_until(at.loop, answered, &n, PATIENCE_US));
    ck_assert_uint_eq(at.answers, n);
}

static inline struct probing_request
request(void)
{
    return (struct probing_request){.pid = at.child,
                                    .registry_fd = -1,
                                    .deadline_us = mono_now_us() + PATIENCE_US,
                                    .on_done = on_done};
}

static inline void
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

static inline void
tear_down(void)
{
    probing_destroy(at.probing);
    (void)kill(at.child, SIGKILL);
    ck_assert_int_eq(waitpid(at.child, NULL, 0), at.child);
    ev_loop_destroy(at.loop);
}

#endif
