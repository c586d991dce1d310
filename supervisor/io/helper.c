/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/helper.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/child.h"
#include "supervisor/io/forget.h"

#define AFTER_OTHERS 5 /* its nice */

struct helper {
    struct list node;                                        /* in `helpers` */
    struct ev_loop *loop;                                    /* borrowed */
    void (*on_end)(void *env, enum helper_end how, int out); /* NULL: cancelled, or told */
    void *env;                                               /* borrowed */
    ev_io dead;                                              /* the pidfd is readable */
    ev_timer deadline;
    pid_t pid;
    int pidfd, out; /* owned; `out` is memory, so that no writer waits for a reader */
};

/* All, the cancelled ones too until they are reaped: one thread, so one plain list. */
static struct list helpers = LIST_INIT(helpers);

bool
helper_knows(pid_t pid)
{
    list_for_each (pos, &helpers)
        if (container_of(pos, struct helper, node)->pid == pid)
            return true;
    return false;
}

pid_t
helper_pid(const struct helper *h)
{
    return h->pid;
}

static void
helper_destroy(struct helper *h)
{
    ev_timer_stop(h->loop, &h->deadline);
    forget_io(h->loop, &h->dead);
    list_del(&h->node);
    (void)fd_close(h->pidfd);
    (void)fd_close(h->out);
    free(h);
}

static void
on_deadline(EV_P_ ev_timer *timer, int revents)
{
    struct helper *h = container_of(timer, struct helper, deadline);
    void (*on_end)(void *, enum helper_end, int) = steal(h->on_end);

    (void)loop; /* the helper knows it */
    (void)revents;
    (void)child_signal(h->pidfd, SIGKILL); /* on_dead() frees */
    on_end(h->env, HELPER_LATE, -1);
}

static void
on_dead(EV_P_ ev_io *io, int revents)
{
    struct helper *h = container_of(io, struct helper, dead);
    int status = -1;

    (void)loop; /* the helper knows it */
    (void)revents;
    if (child_reap(h->pidfd, &status, NULL) == -EAGAIN)
        return; /* a false alarm */
    list_del(&h->node);
    if (h->on_end)
        h->on_end(h->env, status == 0 ? HELPER_DONE : HELPER_DIED, h->out);
    helper_destroy(h);
}

/* Connections of others end when they end, not when a helper does. */
static int
by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void
close_all_but(int keep, int out, const struct helper_job *job)
{
    int open[HELPER_KEEPS_MAX + 2] = {keep, out};
    size_t n = 2;
    int next = 3; /* the first that may have to be closed */

    for (size_t i = 0; i < job->n_keeps && n < ARRAY_LEN(open); i++)
        open[n++] = job->keeps[i];
    qsort(open, n, sizeof(*open), by_number);
    for (size_t i = 0; i < n; i++) {
        if (open[i] > next)
            (void)close_range((unsigned)next, (unsigned)open[i] - 1, 0);
        if (open[i] >= next)
            next = open[i] + 1;
    }
    (void)close_range((unsigned)next, ~0U, 0);
}

static void
first_to_go(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? write(fd, "1000", 4) : -1;

    (void)n; /* not: it is as it was */
    (void)fd_close(fd);
}

/* Best effort, all of it. */
static void
give_way(const struct helper_job *job)
{
    static const struct sched_param no_priority = {0};
    static const struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    if (job->expendable)
        first_to_go();
    if (job->pace == HELPER_IDLE)
        (void)sched_setscheduler(0, SCHED_IDLE, &no_priority);
    else if (job->pace == HELPER_AFTER_OTHERS)
        (void)setpriority(PRIO_PROCESS, 0, AFTER_OTHERS);
}

static void __attribute__((noreturn)) help(const struct helper_job *job, int out)
{
    int keep = job->keep >= 0 ? fcntl(job->keep, F_DUPFD_CLOEXEC, 3) : -1;
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* best effort: without it the child ends by itself */
    (void)prctl(PR_SET_NAME, job->name);
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL); /* no handler of the master's may run here */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* so that it can be ended by hand */
    if (job->keep >= 0 && keep < 0)
        _exit(1); /* no descriptor is left */
    close_all_but(keep, out, job);
    give_way(job);
    _exit(job->work(job->task, keep, out) ? 0 : 1);
}

static int
helper_fork(struct helper *h, const struct helper_job *job)
{
    h->out = memfd_create(job->name, MFD_CLOEXEC);
    if (h->out == -1)
        return -errno;
    h->pid = fork();
    if (h->pid == -1)
        return -errno;
    if (h->pid == 0)
        help(job, h->out);
    h->pidfd = pidfd_open(h->pid, 0);
    if (h->pidfd == -1) {
        int r = -errno;

        (void)kill(h->pid, SIGKILL);
        (void)waitpid(h->pid, NULL, 0); /* killed at its beginning: it is gone in no time */
        return r;
    }
    return 0;
}

int
helper_start(struct ev_loop *loop, const struct helper_job *job, struct helper **ret)
{
    struct helper *h = calloc(1, sizeof(*h));
    int64_t left_us;
    int r;

    if (!h)
        return -ENOMEM;
    list_init(&h->node);
    h->loop = loop;
    h->on_end = job->on_end;
    h->env = job->env;
    h->pidfd = h->out = -1;
    ev_init(&h->dead, on_dead);
    ev_init(&h->deadline, on_deadline);
    r = helper_fork(h, job);
    if (r < 0) {
        helper_destroy(h);
        return r;
    }
    list_add(&helpers, &h->node);
    ev_io_set(&h->dead, h->pidfd, EV_READ);
    ev_io_start(loop, &h->dead);
    if (job->deadline_us != TIME_NEVER) {
        ev_now_update(loop); /* timers count from the loop's idea of now */
        left_us = job->deadline_us - mono_now_us();
        ev_timer_set(&h->deadline, left_us > 0 ? (double)left_us / US_PER_S : 0., 0.);
        ev_timer_start(loop, &h->deadline);
    }
    *ret = h;
    return 0;
}

void
helper_cancel(struct helper *h)
{
    if (!h)
        return;
    h->on_end = NULL;
    ev_timer_stop(h->loop, &h->deadline);
    (void)child_signal(h->pidfd, SIGKILL); /* on_dead() frees */
}
