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
#include "supervisor/probe/capture_parts.h"

#define RESTS     20     /* ms that are waited for one thread … */
#define RESTS_MAX 64     /* … and for all of them */
#define FILES_MAX 8192UL /* kept open between the samples; others are opened again */
#define FILES_OWN 64UL   /* descriptors left for all the rest */

/* The kernel's PF_IO_WORKER, PF_USER_WORKER and PF_KTHREAD (linux/sched.h): not in any header for us. */
#define FLAG_IO_WORKER   0x00000010U
#define FLAG_USER_WORKER 0x00004000U
#define FLAG_KTHREAD     0x00200000U

static int
file_open(const struct capture *c, pid_t tid, const char *name)
{
    char path[48];
    int fd;

    (void)snprintf(path, sizeof(path), "%d/%s", (int)tid, name);
    fd = openat(c->task_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd == -1 ? -errno : fd;
}

/* text_read - a file of /proc whole, made anew for each read at its beginning. */
static int
text_read(int fd, char *buf, size_t room)
{
    ssize_t n;

    do
        n = pread(fd, buf, room - 1, 0);
    while (n == -1 && errno == EINTR);
    if (n <= 0)
        return n == 0 ? -ESRCH : -errno;
    buf[n] = '\0';
    return (int)n;
}

/* refused - that kind of answer is the same for all threads: nobody asks 16,000 times. */
static bool
refused(int r)
{
    return r == -EACCES || r == -EPERM || r == -ENOSYS;
}

/* is_there - so what is missing is the file, in this kernel, and not the thread. */
static bool
is_there(const struct capture *c, pid_t tid)
{
    char path[48];

    (void)snprintf(path, sizeof(path), "%d", (int)tid);
    return faccessat(c->task_fd, path, F_OK, 0) == 0;
}

/* is_zombie - a first thread that ended: it has no memory, so an ordinary user is refused its call. */
static bool
is_zombie(const struct capture *c, pid_t tid)
{
    struct proc_stat st;

    return tid == c->req->pid && proc_thread_stat_read(tid, tid, &st) == 0 && st.state == 'Z';
}

static void
call_look(struct capture *c, struct look *l)
{
    char text[512];
    int r = 0;

    l->called = false;
    if (c->calls_refused)
        return;
    if (l->call_fd < 0)
        l->call_fd = r = file_open(c, l->tid, "syscall");
    if (r >= 0)
        r = text_read(l->call_fd, text, sizeof(text));
    if (r >= 0)
        r = proc_syscall_parse(text, &l->call);
    l->called = r >= 0;
    c->calls_seen |= l->called;
    if (!c->calls_seen && (refused(r) || (r == -ENOENT && is_there(c, l->tid))) &&
        !is_zombie(c, l->tid))
        c->calls_refused = r;
}

static void
time_look(const struct capture *c, struct look *l)
{
    char text[128], *end;

    l->timed = false;
    if (l->sched_fd < 0)
        l->sched_fd = file_open(c, l->tid, "schedstat");
    if (l->sched_fd < 0 || text_read(l->sched_fd, text, sizeof(text)) < 0)
        return;
    l->cpu_ns = strtoull(text, &end, 10);
    (void)strtoull(end, &end, 10); /* how long it waited for a CPU */
    l->turns = strtoull(end, NULL, 10);
    l->timed = l->cpu_ns != 0 || l->turns != 0; /* zeros: a kernel that does not count */
}

static void
look_close(struct look *l)
{
    l->call_fd = fd_close(l->call_fd);
    l->sched_fd = fd_close(l->sched_fd);
}

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

        *l = (struct look){.tid = tids[c->n_first], .call_fd = -1, .sched_fd = -1};
        if (capture_late(c))
            continue;
        time_look(c, l);
        call_look(c, l);
        if (c->files_left < 2)
            look_close(l);
        else
            c->files_left -= 2;
    }
    return 0;
}

static int64_t
started_us(const struct capture *c, uint64_t ticks)
{
    long hz = sysconf(_SC_CLK_TCK);

    return (int64_t)(ticks * 1000000 / (uint64_t)(hz > 0 ? hz : 100)) - c->boot_offset_us;
}

static void
tracer_read(const struct capture *c, struct thread_facts *t)
{
    auto_fd int fd = file_open(c, t->tid, "status");
    char text[2048];
    const char *at;

    if (fd < 0 || text_read(fd, text, sizeof(text)) < 0)
        return;
    at = strstr(text, "\nTracerPid:");
    if (at)
        t->tracer = (pid_t)strtol(at + strlen("\nTracerPid:"), NULL, 10);
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
    t->tid = st->pid;
    t->start_time = st->start_time;
    t->state = st->state;
    t->kernel = (st->flags & (FLAG_IO_WORKER | FLAG_USER_WORKER | FLAG_KTHREAD)) != 0;
    t->call = -1;
    t->timeout_us = INT64_MAX;
    t->fd = -1;
    t->business = -1;
    (void)snprintf(t->comm, sizeof(t->comm), "%.47s", st->comm);
    plain_text(t->comm);
}

/*
 * waited - all the time between two looks? It was put on no CPU in between and used none, so it is
 * where it was: in the same call, with the same arguments.
 */
static bool
waited(const struct look *a, const struct look *b)
{
    return a->timed && b->timed && a->cpu_ns == b->cpu_ns && a->turns == b->turns && a->called &&
           !a->call.running;
}

static void
look_again(struct capture *c, struct look *l, struct look **before)
{
    time_look(c, l);
    if (*before && waited(*before, l)) {
        l->call = (*before)->call;
        l->called = true;
        return;
    }
    call_look(c, l);
    if (!l->called && *before && c->calls_seen) { /* its number went to another since */
        look_close(l);
        *before = NULL;
        time_look(c, l);
        call_look(c, l);
    }
}

/*
 * One that sleeps and works in turns may be at work just now. Where it is most of the time says more,
 * so it is waited for a moment; not for long, and not for a crowd.
 */
static void
look_for_rest(struct capture *c, struct look *l, const struct look *before)
{
    struct timespec moment = {.tv_nsec = 1000000};

    if (!before || !before->timed || !l->timed ||
        (int64_t)(l->cpu_ns - before->cpu_ns) / 1000 > c->facts->between_us / 4)
        return;
    for (int i = 0; i < RESTS && l->called && l->call.running && c->rests < RESTS_MAX; i++) {
        c->rests++;
        (void)nanosleep(&moment, NULL);
        call_look(c, l);
    }
}

/* thread_look - the second look at @tid. Return: false: it is gone. */
static bool
thread_look(struct capture *c, pid_t tid, struct look *before)
{
    struct process_facts *f = c->facts;
    struct thread_facts *t = &f->threads[f->n];
    struct look *l = &c->second[f->n];
    struct proc_stat st;
    char text[1024];
    auto_fd int fd = file_open(c, tid, "stat");

    if (fd < 0 || text_read(fd, text, sizeof(text)) < 0 || proc_stat_parse(text, &st) < 0)
        return false;
    if (tid == f->pid)
        (void)snprintf(f->comm, sizeof(f->comm), "%.47s", st.comm);
    if (st.state == 'Z' || st.state == 'X' || st.state == 'x') {
        f->zombie_leader |= tid == f->pid;
        return false;
    }
    *l = (struct look){.tid = tid, .call_fd = -1, .sched_fd = -1};
    if (before) { /* the same files: another thread of that number cannot be behind them */
        l->call_fd = steal_fd(before->call_fd);
        l->sched_fd = steal_fd(before->sched_fd);
    }
    look_again(c, l, &before);
    look_for_rest(c, l, before);
    look_close(l);
    if (st.state == 'R' && l->called && !l->call.running)
        st.state = 'S'; /* since then */
    thread_fill(t, &st);
    t->main = tid == f->pid;
    t->started_us = started_us(c, st.start_time);
    t->cpu_us = (int64_t)(l->timed ? l->cpu_ns / 1000
                                   : st.cpu_ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    t->fresh = c->first && (!before || t->started_us > c->first_us);
    if (before && before->timed && l->timed && !t->fresh && l->cpu_ns >= before->cpu_ns)
        t->cpu_delta_us = (int64_t)((l->cpu_ns - before->cpu_ns) / 1000);
    t->still = before && !t->fresh && st.state != 'R' && waited(before, l);
    if (st.state == 't')
        tracer_read(c, t);
    if (t->fresh)
        capture_stack_early(c, l);
    f->n++;
    return true;
}

/* threads_alloc - in large pages when they are many: a page fault for each small one takes longer than the rest. */
static struct thread_facts *
threads_alloc(size_t n)
{
    const size_t large = (size_t)2 << 20;
    size_t bytes = n * sizeof(struct thread_facts), room = (bytes + large - 1) / large * large;
    void *block;

    if (bytes < 2 * large || posix_memalign(&block, large, room) != 0)
        return calloc(n, sizeof(struct thread_facts));
    (void)madvise(block, room, MADV_HUGEPAGE); /* else they are small */
    memset(block, 0, bytes);
    return block;
}

int
capture_sample_second(struct capture *c)
{
    struct process_facts *f = c->facts;
    auto_free pid_t *tids = NULL;
    size_t n = 0, pos = 0;
    int r = list(c, &tids, &n, &f->n_threads);

    if (r < 0 || !tids)
        return r;
    f->threads = threads_alloc(n + 1);
    c->second = calloc(n + 1, sizeof(*c->second));
    if (!f->threads || !c->second)
        return -ENOMEM;
    for (size_t i = 0; i < n && !capture_late(c); i++)
        if (!thread_look(c, tids[i], first_look(c, tids[i], &pos)))
            f->n_threads--;
    plain_text(f->comm);
    f->zombie_leader &= f->n > 0;
    return f->n == 0 && !c->late ? -ESRCH : 0;
}
