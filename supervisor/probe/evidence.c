/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/evidence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/evidence_wait.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/registry.h"

/* started - clock ticks since boot, as CLOCK_MONOTONIC, which stands still while the machine sleeps. */
static int64_t
started(uint64_t ticks, int64_t now_us)
{
    struct timespec boot;
    long hz = sysconf(_SC_CLK_TCK);
    int64_t boot_us;

    (void)clock_gettime(CLOCK_BOOTTIME, &boot); /* cannot fail for this clock */
    boot_us = (int64_t)boot.tv_sec * 1000000 + boot.tv_nsec / 1000;
    return now_us - (boot_us - (int64_t)(ticks * 1000000 / (uint64_t)(hz > 0 ? hz : 100)));
}

#define COPY(to, from) (void)snprintf((to), sizeof(to), "%.*s", (int)sizeof(to) - 1, (from))

static void
join_wait(struct evidence_thread *t, const struct claim *c)
{
    const char *slash = strrchr(c->wait_file, '/');

    if (c->wait_file[0] == '\0')
        COPY(t->wait_site, c->wait_text);
    else
        (void)snprintf(t->wait_site, sizeof(t->wait_site), "%.50s at %.30s:%u", c->wait_text,
                       slash ? slash + 1 : c->wait_file, c->wait_line);
}

static void
join(struct evidence_thread *t, const struct claim *c)
{
    t->registered = true;
    t->exempt = c->exempt;
    COPY(t->name, c->name);
    COPY(t->file, c->creator_file);
    COPY(t->function, c->creator_function);
    COPY(t->creator_name, c->creator_name);
    COPY(t->token, c->token);
    COPY(t->trace_id, c->trace_id);
    COPY(t->reason, c->reason);
    join_wait(t, c);
    t->line = c->creator_line;
    t->creator_tid = c->creator_tid;
    t->cause = c->cause;
    t->started_us = c->started_us;
    t->cancelled_us = c->cancelled_us;
    t->deadline_us = c->deadline_us;
    t->beats = c->beats;
    t->straggler = c->cancelled_us != 0 && !c->exempt;
}

static void
add_thread(struct evidence *e, const struct proc_stat *st, const struct registry_view *v)
{
    struct evidence_thread *t = &e->threads[e->n++];
    const struct registry_thread *r = registry_find(v, st->pid, st->start_time);

    *t = (struct evidence_thread){.tid = st->pid,
                                  .main = st->pid == e->pid,
                                  .state = st->state,
                                  .deadline_us = INT64_MAX,
                                  .wait_class = ""};
    if (r) {
        join(t, &r->claim);
        e->n_registered++;
    } else {
        (void)snprintf(t->name, sizeof(t->name), "%.47s", st->comm);
        plain_text(t->name);
        t->started_us = started(st->start_time, e->at_us);
    }
}

/* The main thread waits for the others to end: it is blamed only when there is nobody else. */
static void
blame(struct evidence *e)
{
    struct evidence_thread *first = NULL;

    for (size_t i = 0; i < e->n; i++) {
        e->n_stragglers += e->threads[i].straggler;
        if (e->threads[i].straggler && e->threads[i].main)
            first = &e->threads[i];
    }
    if (first && (e->n_stragglers > 1 || e->n_registered < e->n)) {
        first->straggler = false;
        e->n_stragglers--;
    }
}

static int
by_guilt(const void *a, const void *b)
{
    const struct evidence_thread *x = a, *y = b;

    if (x->straggler != y->straggler)
        return x->straggler ? -1 : 1;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

static void
describe_waits(struct evidence *e)
{
    size_t left = EVIDENCE_WAITS_MAX;

    for (size_t i = 0; i < e->n; i++) {
        struct evidence_thread *t = &e->threads[i];

        if (t->main || left > 1) { /* one is kept for the main thread, wherever it is in the list */
            wait_describe(e, t);
            left -= left > 0;
        }
    }
}

/* Was a thread of that number told to leave? */
static bool
is_suspect(const struct registry_view *v, pid_t tid)
{
    const struct registry_thread *r = registry_find(v, tid, 0);

    return r && r->claim.cancelled_us != 0 && !r->claim.exempt;
}

/* Each costs a system call or three, and the loop waits: the suspects first, others while there is room. */
static void
read_stats(struct evidence *e, const struct registry_view *v, const pid_t *tids, size_t n,
           bool suspects)
{
    for (size_t i = 0; i < n && e->n < EVIDENCE_THREADS_MAX; i++) {
        struct proc_stat st;

        if (is_suspect(v, tids[i]) != suspects)
            continue;
        if (proc_thread_stat_read(e->pid, tids[i], &st) < 0 || st.state == 'Z' || st.state == 'X')
            e->n_threads--; /* it left a moment ago */
        else
            add_thread(e, &st, v);
    }
}

static int
read_threads(struct evidence *e, struct registry_view *v, struct error *reterr)
{
    auto_free pid_t *tids = calloc(EVIDENCE_TIDS_MAX, sizeof(*tids));
    size_t n = 0;
    int r = tids ? proc_threads(e->pid, tids, EVIDENCE_TIDS_MAX, &n, &e->n_threads) : -ENOMEM;

    if (r == 0) {
        e->threads =
            calloc(n < EVIDENCE_THREADS_MAX ? n : EVIDENCE_THREADS_MAX, sizeof(*e->threads));
        r = e->threads ? 0 : -ENOMEM;
    }
    if (r < 0)
        return error_set(reterr, r, "look at the threads of process %d", (int)e->pid);
    read_stats(e, v, tids, n, true);
    read_stats(e, v, tids, n, false);
    if (e->n == 0)
        return error_set(reterr, -ESRCH, "look at the threads of process %d", (int)e->pid);
    e->n_ghosts = v->n > e->n_registered && e->n_threads == e->n ? v->n - e->n_registered : 0;
    return 0;
}

int
evidence_collect(pid_t pid, int registry_fd, int64_t now_us, struct evidence **ret,
                 struct error *reterr)
{
    struct registry_view v = {0};
    struct evidence *e = calloc(1, sizeof(*e));
    struct error err;
    int r;

    if (!e)
        return error_set(reterr, -ENOMEM, "look at process %d", (int)pid);
    e->pid = pid;
    e->at_us = now_us;
    e->grade = EVIDENCE_PROC;
    if (registry_fd == -1)
        (void)snprintf(e->note, sizeof(e->note), "the worker has no registry");
    else if (registry_read(registry_fd, &v, &err) < 0)
        (void)snprintf(e->note, sizeof(e->note), "%.250s", err.text);
    else
        e->grade = EVIDENCE_REGISTRY;
    e->torn = v.torn;
    e->overflow = v.overflow;
    r = read_threads(e, &v, reterr);
    registry_view_finish(&v);
    if (r < 0) {
        evidence_destroy(e);
        return r;
    }
    blame(e);
    if (e->n > 1)
        qsort(e->threads, e->n, sizeof(*e->threads), by_guilt);
    describe_waits(e);
    *ret = e;
    return 0;
}

void
evidence_destroy(struct evidence *e)
{
    if (!e)
        return;
    free(e->threads);
    free(e);
}
