/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two samples: who is there, and whether each is where it was. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/capture_look.h"
#include "supervisor/probe/capture_parts.h"

#define FILES_MAX 8192UL /* kept open between the samples; others are opened again */
#define FILES_OWN 64UL   /* descriptors left for all the rest */

/* The kernel's PF_IO_WORKER, PF_USER_WORKER and PF_KTHREAD (linux/sched.h): not in any header for us. */
#define FLAG_IO_WORKER   0x00000010U
#define FLAG_USER_WORKER 0x00004000U
#define FLAG_KTHREAD     0x00200000U

void
capture_looks_close(struct capture *c)
{
    for (size_t i = 0; c->first && i < c->n_first; i++)
        look_close(&c->first[i]);
    for (size_t i = 0; c->second && i < c->facts->n; i++)
        free(c->second[i].stack);
    free(c->first);
    free(c->second);
    c->first = c->second = NULL;
}

/* A program of many threads has many files: this process is short-lived and may have as many as it may. */
static void
files_budget(struct capture *c)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < 2 * FILES_MAX) {
        limit.rlim_cur = limit.rlim_max < 2 * FILES_MAX ? limit.rlim_max : 2 * FILES_MAX;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then fewer are kept */
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur > FILES_OWN)
        c->files_left =
            limit.rlim_cur - FILES_OWN < FILES_MAX ? (size_t)limit.rlim_cur - FILES_OWN : FILES_MAX;
}

static int
list(const struct capture *c, pid_t **ret_tids, size_t *ret_n, size_t *ret_total)
{
    auto_free pid_t *tids = calloc(FACTS_THREADS_MAX, sizeof(*tids));
    int r = tids ? proc_threads(c->req->pid, tids, FACTS_THREADS_MAX, ret_n, ret_total) : -ENOMEM;

    if (r == 0)
        *ret_tids = steal(tids);
    return r;
}

int
capture_sample_first(struct capture *c)
{
    auto_free pid_t *tids = NULL;
    size_t n = 0, total = 0;
    int r = list(c, &tids, &n, &total);

    if (r < 0 || !tids)
        return r;
    files_budget(c);
    c->first = calloc(n + 1, sizeof(*c->first));
    if (!c->first)
        return -ENOMEM;
    for (c->n_first = 0; c->n_first < n; c->n_first++) {
        struct look *l = &c->first[c->n_first];

        *l = (struct look){.tid = tids[c->n_first], .sched_fd = -1};
        if (capture_late(c))
            continue;
        look_first(c, l);
        if (c->files_left < 1)
            look_close(l);
        else
            c->files_left--;
    }
    return 0;
}

static int64_t
started_us(const struct capture *c, uint64_t ticks)
{
    long hz = sysconf(_SC_CLK_TCK);

    return (int64_t)(ticks * 1000000 / (uint64_t)(hz > 0 ? hz : 100)) - c->boot_offset_us;
}

static struct look *
first_look(const struct capture *c, pid_t tid, size_t *pos)
{
    while (*pos < c->n_first && c->first[*pos].tid < tid)
        ++*pos;
    return *pos < c->n_first && c->first[*pos].tid == tid ? &c->first[*pos] : NULL;
}

static void
thread_fill(struct thread_facts *t, const struct proc_stat *st)
{
    *t = (struct thread_facts){.tid = st->pid};
    t->start_time = st->start_time;
    t->state = st->state;
    t->kernel = (st->flags & (FLAG_IO_WORKER | FLAG_USER_WORKER | FLAG_KTHREAD)) != 0;
    t->call = -1;
    t->timeout_us = INT64_MAX;
    t->fd = -1;
    t->business = -1;
    memcpy(t->comm, st->comm, sizeof(t->comm) - 1);
    plain_text(t->comm);
}

/* thread_see - how it is now. *@before: NULL afterwards when that was another thread. Return: false: it is gone. */
static bool
thread_see(struct capture *c, struct look *l, struct look **before)
{
    if (*before) { /* the same file: another thread of that number cannot be behind it */
        l->sched_fd = steal_fd((*before)->sched_fd);
        if (look_stayed(c, *before, l))
            return true;
    }
    if (!look_stat(c, l->tid, &l->stat))
        return false;
    if (look_ended(&l->stat)) {
        c->facts->zombie_leader |= l->tid == c->facts->pid;
        return false;
    }
    look_again(c, l, before);
    look_for_rest(c, l, *before);
    return true;
}

/* thread_look - the second look at @tid. Return: false: it is gone. */
static bool
thread_look(struct capture *c, pid_t tid, struct look *before)
{
    struct process_facts *f = c->facts;
    struct thread_facts *t = &f->threads[f->n];
    struct look *l = &c->second[f->n];
    bool there;

    *l = (struct look){.tid = tid, .sched_fd = -1};
    there = thread_see(c, l, &before);
    look_close(l);
    if (tid == f->pid && l->stat.pid == tid)
        (void)snprintf(f->comm, sizeof(f->comm), "%.47s", l->stat.comm);
    if (!there)
        return false;
    if (l->stat.state == 'R' && l->called && !l->call.running)
        l->stat.state = 'S'; /* since then */
    thread_fill(t, &l->stat);
    t->main = tid == f->pid;
    t->started_us = started_us(c, l->stat.start_time);
    t->cpu_us = (int64_t)(l->timed ? l->cpu_ns / 1000
                                   : l->stat.cpu_ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    t->fresh = c->first && (!before || t->started_us > c->first_us);
    if (before && before->timed && l->timed && !t->fresh && l->cpu_ns >= before->cpu_ns)
        t->cpu_delta_us = (int64_t)((l->cpu_ns - before->cpu_ns) / 1000);
    t->still = before && !t->fresh && l->stat.state != 'R' && look_waited(before, l);
    if (l->stat.state == 't')
        look_tracer(c, t);
    if (t->fresh)
        capture_stack_early(c, l);
    f->n++;
    return true;
}

/*
 * threads_alloc - not zeroed; all of it is needed, so its pages are asked for at once, the large ones that it fills
 * first: a fault for each small page takes longer than what is written there.
 */
static struct thread_facts *
threads_alloc(size_t n)
{
    const size_t large = (size_t)2 << 20, page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = n * sizeof(struct thread_facts);
    void *block;

    if (posix_memalign(&block, bytes < large ? page : large, bytes) != 0)
        return NULL;
    if (bytes >= large)
        (void)madvise(block, bytes / large * large, MADV_HUGEPAGE); /* else they are small */
    /* a kernel that cannot (before 5.14) takes the faults */
    (void)madvise(block, bytes, MADV_POPULATE_WRITE);
    return block;
}

/* Threads that were looked at, in order. */
struct seen {
    struct thread_facts *threads;
    struct look *looks;
    size_t n;
};

/* merge - them with those of @tids that were not there at the first sample. */
static void
merge(struct capture *c, const struct seen *seen, const pid_t *tids, size_t n_tids)
{
    struct process_facts *f = c->facts;
    size_t pos = 0, at = 0;

    f->n = 0;
    for (size_t i = 0; i <= n_tids; i++) {
        for (; at < seen->n && (i == n_tids || seen->threads[at].tid < tids[i]); at++) {
            f->threads[f->n] = seen->threads[at];
            c->second[f->n++] = seen->looks[at];
        }
        if (i < n_tids && !first_look(c, tids[i], &pos) && !capture_late(c))
            f->n_threads += thread_look(c, tids[i], NULL);
    }
}

/* newcomers_look - somebody is gone, so others may have come: as many as are there are not the same. */
static int
newcomers_look(struct capture *c)
{
    struct process_facts *f = c->facts;
    struct seen seen = {f->threads, c->second, f->n};
    auto_free struct thread_facts *threads = NULL;
    auto_free struct look *looks = NULL;
    auto_free pid_t *tids = NULL;
    size_t n = 0, total = 0;

    if (list(c, &tids, &n, &total) < 0 || !tids)
        return 0; /* all are going: whom we saw is told of */
    threads = threads_alloc(seen.n + n + 1);
    looks = calloc(seen.n + n + 1, sizeof(*looks));
    if (!threads || !looks)
        return -ENOMEM;
    f->threads = steal(threads);
    c->second = steal(looks);
    merge(c, &seen, tids, n);
    free(seen.threads);
    free(seen.looks); /* the stacks in there went along */
    return 0;
}

/*
 * as_before - are there as many as the first sample found? Then they are taken to be the same, until one
 * of them is gone; that spares a second list.
 */
static bool
as_before(const struct capture *c)
{
    struct proc_stat st;

    return c->n_first > 0 && look_stat(c, c->req->pid, &st) && st.threads == c->n_first;
}

static int
tids_before(const struct capture *c, pid_t **ret_tids, size_t *ret_n)
{
    pid_t *tids = calloc(c->n_first, sizeof(*tids));

    if (!tids)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_first; i++)
        tids[i] = c->first[i].tid;
    *ret_tids = tids;
    *ret_n = c->n_first;
    return 0;
}

int
capture_sample_second(struct capture *c)
{
    struct process_facts *f = c->facts;
    auto_free pid_t *tids = NULL;
    size_t n = 0, pos = 0, gone = 0;
    bool same = as_before(c);
    int r = same ? tids_before(c, &tids, &n) : list(c, &tids, &n, &f->n_threads);

    if (r < 0 || !tids)
        return r;
    if (same)
        f->n_threads = n;
    f->threads = threads_alloc(n + 1);
    c->second = calloc(n + 1, sizeof(*c->second));
    if (!f->threads || !c->second)
        return -ENOMEM;
    for (size_t i = 0; i < n && !capture_late(c); i++)
        gone += !thread_look(c, tids[i], first_look(c, tids[i], &pos));
    f->n_threads -= gone;
    if (same && gone > 0)
        r = newcomers_look(c);
    plain_text(f->comm);
    f->zombie_leader &= f->n > 0;
    return r == 0 && f->n == 0 && !c->late ? -ESRCH : r;
}
