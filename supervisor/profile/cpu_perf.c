/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/cpu_perf.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/proc.h"
#include "supervisor/profile/cpu_perf_internal.h"

/*
 * Events are opened for each thread on each CPU, since only such may be inherited: what a watched
 * thread starts, thread or process, is watched from its first instruction on. A thread that was
 * started while we looked around is told from one that is inherited by the kernel's note of its birth.
 */
#define THREADS_MAX   16384
#define PROCESSES_MAX 1024
#define ROUNDS_MAX    6
#define BIRTH_NOTE    (2 * US_PER_MS)  /* in which the kernel has written it */
#define LOOK_EVERY    (50 * US_PER_MS) /* where there is nothing to wake up for */
#define FDS_KEPT      64               /* of the limit, for files */

/* ---- One event --------------------------------------------------------------------------- */

static int
event_open(const struct cpu_perf *perf, pid_t tid, int cpu)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_freq = perf->hz,
        .freq = 1,
        .sample_type =
            PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
        .sample_regs_user = PERF_REGISTERS,
        .sample_stack_user = CPU_STACK_COPY,
        .inherit = 1,
        .task = 1,
        .comm = 1,
        .comm_exec = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
        .exclude_hv = 1,
    };

    if (PERF_REGISTERS == 0)
        return -ENOSYS;
    if (perf->counts.kernel) {
        attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
        attr.exclude_callchain_user = 1;
    } else {
        attr.exclude_kernel = 1;
    }
    if (perf->prompt) {
        attr.wakeup_events = 1;
    } else {
        attr.watermark = 1;
        attr.wakeup_watermark = 4 * (uint32_t)CPU_STACK_COPY;
    }
    return (int)syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int
fd_keep(struct cpu_perf *perf, int fd)
{
    if (perf->n_fds == perf->fds_room) {
        size_t room = perf->fds_room ? perf->fds_room * 2 : 64;
        int *grown = reallocarray(perf->fds, room, sizeof(*grown));

        if (!grown) {
            (void)close(fd);
            return -ENOMEM;
        }
        perf->fds = grown;
        perf->fds_room = room;
    }
    perf->fds[perf->n_fds++] = fd;
    return 0;
}

static int
event_add(struct cpu_perf *perf, pid_t tid, struct perf_ring *ring)
{
    int fd = event_open(perf, tid, ring->cpu), r;

    if (fd < 0)
        return -errno;
    r = fd_keep(perf, fd);
    if (r < 0)
        return r;
    if (ring->fd == -1)
        return perf_ring_map(ring, fd);
    return ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) < 0 ? -errno : 0;
}

/* ---- Whom -------------------------------------------------------------------------------- */

bool
perf_known(struct cpu_perf *perf, pid_t tid)
{
    struct perf_thread *thread;

    if (table_find(&perf->known, (uint64_t)tid))
        return true;
    thread = malloc(sizeof(*thread));
    if (thread)
        table_add(&perf->known, &thread->node, (uint64_t)tid);
    return false;
}

static void
known_forget(struct table *t)
{
    for (size_t i = 0; i < (t->n_buckets ? t->n_buckets : 1); i++) {
        struct table_node *node = t->n_buckets ? t->buckets[i] : t->single;

        while (node) {
            struct perf_thread *thread = container_of(node, struct perf_thread, node);

            node = node->next;
            free(thread);
        }
    }
    table_finish(t);
}

/* thread_add - Return: 0, also if it has ended meanwhile; -EMFILE; what is not permitted; … */
static int
thread_add(struct cpu_perf *perf, pid_t tid)
{
    for (size_t i = 0; i < perf->n_rings; i++) {
        int r = event_add(perf, tid, &perf->rings[i]);

        if (r == -ESRCH)
            return 0;
        if (r == -EACCES && perf->counts.kernel && perf->n_fds == 0) {
            perf->counts.kernel = false; /* what is the program's own may still be permitted */
            r = event_add(perf, tid, &perf->rings[i]);
        }
        if (r == -ENODEV)
            continue; /* a CPU that went offline */
        if (r < 0)
            return r;
    }
    perf->counts.threads++;
    return 0;
}

struct family {
    pid_t pids[PROCESSES_MAX];
    size_t n;
};

static bool
on_child(void *env, const struct proc_stat *child)
{
    struct family *f = env;

    if (f->n < PROCESSES_MAX && child->state != 'Z')
        f->pids[f->n++] = child->pid;
    return f->n < PROCESSES_MAX;
}

/* process_add - the threads of @pid that are not known yet. Return: how many those were, or an error. */
static int
process_add(struct cpu_perf *perf, pid_t pid, pid_t *tids, bool first)
{
    size_t n = 0, total = 0;
    int added = 0;

    if (proc_threads(pid, tids, THREADS_MAX, &n, &total) < 0)
        return 0; /* it has gone */
    if (!first && BIRTH_NOTE > 0) {
        struct timespec nap = {.tv_nsec = BIRTH_NOTE * 1000};

        (void)nanosleep(&nap, NULL);
        for (size_t i = 0; i < perf->n_rings; i++)
            perf_ring_take(perf, &perf->rings[i], NULL);
    }
    for (size_t i = 0; i < n; i++) {
        int r = 0;

        if (perf_known(perf, tids[i]))
            continue;
        added++;
        if (!perf->exhausted)
            r = thread_add(perf, tids[i]);
        perf->exhausted |= r == -EMFILE;
        perf->counts.unwatched += perf->exhausted;
        if (r < 0 && r != -EMFILE)
            return r;
    }
    return added;
}

/* family_add - all of them, until a look finds nobody new. */
static int
family_add(struct cpu_perf *perf, pid_t pid)
{
    auto_free pid_t *tids = calloc(THREADS_MAX, sizeof(*tids));
    auto_free struct family *family = malloc(sizeof(*family));
    int added = 1;

    if (!tids || !family)
        return -ENOMEM;
    for (int round = 0; round < ROUNDS_MAX && added > 0; round++) {
        added = 0;
        family->pids[0] = pid;
        family->n = 1;
        for (size_t i = 0; i < family->n; i++) {
            int r = process_add(perf, family->pids[i], tids, round == 0);

            if (r < 0)
                return r;
            added += r;
            (void)proc_children(family->pids[i], NULL, on_child, family); /* it may have gone */
        }
        perf->counts.processes = (unsigned)family->n;
    }
    return perf->counts.threads > 0 ? 0 : -ESRCH;
}

/* ---- All --------------------------------------------------------------------------------- */

static int
rings_make(struct cpu_perf *perf)
{
    long n = sysconf(_SC_NPROCESSORS_CONF);

    if (n < 1 || n > PERF_CPUS_MAX)
        n = n < 1 ? 1 : PERF_CPUS_MAX;
    perf->rings = calloc((size_t)n, sizeof(*perf->rings));
    if (!perf->rings)
        return -ENOMEM;
    for (perf->n_rings = 0; perf->n_rings < (size_t)n; perf->n_rings++)
        perf->rings[perf->n_rings] = (struct perf_ring){.cpu = (int)perf->n_rings, .fd = -1};
    return 0;
}

/* A descriptor for each thread and CPU: all that we may have. */
static void
limit_raise(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max < FDS_KEPT)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files); /* else fewer threads are watched, and that is said */
}

int
cpu_perf_open(struct cpu_perf **ret, pid_t pid, unsigned hz, bool prompt, struct error *reterr)
{
    struct cpu_perf *perf = calloc(1, sizeof(*perf));
    int r;

    if (!perf)
        return error_set(reterr, -ENOMEM, "sample process %d", (int)pid);
    perf->hz = hz;
    perf->prompt = prompt;
    perf->counts.kernel = true;
    limit_raise();
    perf->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    r = perf->pidfd < 0 ? -errno : rings_make(perf);
    if (r == 0)
        r = family_add(perf, pid);
    if (r < 0) {
        cpu_perf_close(perf);
        return cpu_refused(r, pid, reterr);
    }
    *ret = perf;
    return 0;
}

void
cpu_perf_close(struct cpu_perf *perf)
{
    if (!perf)
        return;
    for (size_t i = 0; i < perf->n_rings; i++)
        perf_ring_unmap(&perf->rings[i]);
    for (size_t i = 0; i < perf->n_fds; i++)
        (void)close(perf->fds[i]);
    perf->pidfd = fd_close(perf->pidfd);
    known_forget(&perf->known);
    free(perf->rings);
    free(perf->fds);
    free(perf);
}

bool
cpu_perf_await(struct cpu_perf *perf, int64_t until_us)
{
    auto_free struct pollfd *fds = calloc(perf->n_rings + 1, sizeof(*fds));
    int64_t left_us = until_us - mono_now_us();

    if (!fds)
        return false;
    if (left_us > LOOK_EVERY)
        left_us = LOOK_EVERY;
    for (size_t i = 0; i < perf->n_rings; i++)
        fds[i] = (struct pollfd){.fd = perf->rings[i].finished ? -1 : perf->rings[i].fd,
                                 .events = POLLIN};
    fds[perf->n_rings] = (struct pollfd){.fd = perf->pidfd, .events = POLLIN};
    if (left_us <= 0 || poll(fds, perf->n_rings + 1, (int)(left_us / US_PER_MS) + 1) <= 0)
        return true;
    for (size_t i = 0; i < perf->n_rings; i++)
        perf->rings[i].finished |= (fds[i].revents & (POLLHUP | POLLERR)) != 0;
    return fds[perf->n_rings].revents == 0;
}

void
cpu_perf_take(struct cpu_perf *perf, const struct cpu_sink *sink)
{
    for (size_t i = 0; i < perf->n_rings; i++)
        perf_ring_take(perf, &perf->rings[i], sink);
}

const struct cpu_perf_counts *
cpu_perf_counts(const struct cpu_perf *perf)
{
    return &perf->counts;
}
