/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thread at one moment, by its files in /proc/PID/task. */
#include "supervisor/probe/capture_look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/probe/capture_parts.h"

#define RESTS     20 /* ms that are waited for one thread … */
#define RESTS_MAX 64 /* … and for all of them */

/* file_open - "TID/NAME" beside the others. Written by hand: it is done three times for each thread. */
static int
file_open(const struct capture *c, pid_t tid, const char *name)
{
    char path[48], *at = path + sizeof(path);
    size_t n = strlen(name) + 1; /* with its end */
    unsigned left = (unsigned)tid;
    int fd;

    at -= n;
    memcpy(at, name, n);
    *--at = '/';
    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    fd = openat(c->task_fd, at, O_RDONLY | O_CLOEXEC | O_NOCTTY);
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
look_call(struct capture *c, struct look *l)
{
    char text[512];
    int r;

    l->called = false;
    if (c->calls_refused)
        return;
    auto_fd int fd = file_open(c, l->tid, "syscall");

    r = fd < 0 ? fd : text_read(fd, text, sizeof(text));
    if (r >= 0)
        r = proc_syscall_parse(text, &l->call);
    l->called = r >= 0;
    c->calls_seen |= l->called;
    if (!c->calls_seen && (refused(r) || (r == -ENOENT && is_there(c, l->tid))) &&
        !is_zombie(c, l->tid))
        c->calls_refused = r;
}

void
look_time(const struct capture *c, struct look *l)
{
    char text[128];

    l->timed = false;
    if (l->sched_fd < 0)
        l->sched_fd = file_open(c, l->tid, "schedstat");
    if (l->sched_fd < 0 || text_read(l->sched_fd, text, sizeof(text)) < 0 ||
        proc_schedstat_parse(text, &l->cpu_ns, &l->turns) < 0)
        return;
    l->timed = l->cpu_ns != 0 || l->turns != 0; /* zeros: a kernel that does not count */
}

bool
look_stat(const struct capture *c, pid_t tid, struct proc_stat *ret)
{
    char text[1024];
    auto_fd int fd = file_open(c, tid, "stat");

    return fd >= 0 && text_read(fd, text, sizeof(text)) >= 0 && proc_stat_parse(text, ret) == 0;
}

void
look_close(struct look *l)
{
    l->sched_fd = fd_close(l->sched_fd);
}

void
look_tracer(const struct capture *c, struct thread_facts *t)
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

void
look_first(struct capture *c, struct look *l)
{
    look_time(c, l);
    l->seen = look_stat(c, l->tid, &l->stat);
    look_call(c, l);
}

bool
look_waited(const struct look *a, const struct look *b)
{
    return a->timed && b->timed && a->cpu_ns == b->cpu_ns && a->turns == b->turns && b->called &&
           !b->call.running;
}

/*
 * What was read at the first sample, behind its time, is true as long as that is: to leave its call, to
 * be stopped or to end, a thread has to be put on a CPU.
 */
bool
look_stayed(const struct capture *c, const struct look *before, struct look *l)
{
    if (!before->timed || !before->seen || !before->called || look_ended(&before->stat))
        return false;
    look_time(c, l);
    l->called = true;
    l->call = before->call;
    l->stat = before->stat;
    return look_waited(before, l);
}

bool
look_waits_on(const struct capture *c, const struct look *l)
{
    struct look now = {.tid = l->tid, .sched_fd = -1};

    if (!l->timed)
        return true;
    look_time(c, &now);
    look_close(&now);
    return now.timed && now.cpu_ns == l->cpu_ns && now.turns == l->turns;
}

void
look_again(struct capture *c, struct look *l, struct look **before)
{
    look_call(c, l);
    look_time(c, l);
    if (*before && (*before)->timed && !l->timed) { /* its number went to another since */
        look_close(l);
        *before = NULL;
        look_call(c, l);
        look_time(c, l);
    }
}

/*
 * One that sleeps and works in turns may be at work just now. Where it is most of the time says more,
 * so it is waited for a moment; not for long, and not for a crowd.
 */
void
look_for_rest(struct capture *c, struct look *l, const struct look *before)
{
    struct timespec moment = {.tv_nsec = 1000000};

    if (!before || !before->timed || !l->timed ||
        (int64_t)(l->cpu_ns - before->cpu_ns) / 1000 > c->facts->between_us / 4)
        return;
    for (int i = 0; i < RESTS && l->called && l->call.running && c->rests < RESTS_MAX; i++) {
        c->rests++;
        (void)nanosleep(&moment, NULL);
        look_call(c, l);
        look_time(c, l); /* it was at work, so this is no wait from the first sample on */
    }
}
