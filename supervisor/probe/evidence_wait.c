/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/evidence_wait.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/proc.h"

/* The system calls a thread can wait in for long. What is not here is told by its number. */
static const struct call {
    long number;
    const char *class, *name;
    bool fd; /* the first argument is a descriptor */
} calls[] = {
    {SYS_read,            "read",   "read",         true },
    {SYS_readv,           "read",   "readv",        true },
    {SYS_pread64,         "read",   "pread",        true },
    {SYS_recvfrom,        "read",   "recv",         true },
    {SYS_recvmsg,         "read",   "recvmsg",      true },
    {SYS_write,           "write",  "write",        true },
    {SYS_writev,          "write",  "writev",       true },
    {SYS_pwrite64,        "write",  "pwrite",       true },
    {SYS_sendto,          "write",  "send",         true },
    {SYS_sendmsg,         "write",  "sendmsg",      true },
    {SYS_sendfile,        "write",  "sendfile",     true },
    {SYS_fsync,           "write",  "fsync",        true },
    {SYS_fdatasync,       "write",  "fdatasync",    true },
    {SYS_accept,          "accept", "accept",       true },
    {SYS_accept4,         "accept", "accept4",      true },
    {SYS_connect,         "other",  "connect",      true },
    {SYS_ppoll,           "poll",   "ppoll",        false},
    {SYS_pselect6,        "poll",   "pselect",      false},
    {SYS_epoll_pwait,     "epoll",  "epoll_wait",   true },
    {SYS_nanosleep,       "sleep",  "nanosleep",    false},
    {SYS_clock_nanosleep, "sleep",  "nanosleep",    false},
    {SYS_wait4,           "wait",   "wait4",        false},
    {SYS_waitid,          "wait",   "waitid",       false},
    {SYS_rt_sigtimedwait, "wait",   "sigwait",      false},
    {SYS_rt_sigsuspend,   "wait",   "sigsuspend",   false},
    {SYS_flock,           "other",  "flock",        true },
    {SYS_fcntl,           "other",  "fcntl",        true },
    {SYS_io_getevents,    "other",  "io_getevents", false},
#ifdef SYS_poll
    {SYS_poll,            "poll",   "poll",         false},
    {SYS_select,          "poll",   "select",       false},
    {SYS_epoll_wait,      "epoll",  "epoll_wait",   true },
    {SYS_pause,           "wait",   "pause",        false},
#endif
};

static const struct evidence_thread *
thread_by_tid(const struct evidence *e, uint32_t tid)
{
    for (size_t i = 0; i < e->n; i++)
        if ((uint32_t)e->threads[i].tid == tid)
            return &e->threads[i];
    return NULL;
}

/*
 * As glibc uses it: a mutex waits for the value 2; pthread_join() for the tid of the other thread;
 * a condition variable and a semaphore cannot be told apart from here.
 */
static void
futex(const struct evidence *e, const struct proc_syscall *call, struct evidence_thread *t)
{
    uint32_t command = (uint32_t)call->args[1] & (uint32_t)FUTEX_CMD_MASK;
    uint32_t value = (uint32_t)call->args[2];
    bool shared = !(call->args[1] & FUTEX_PRIVATE_FLAG);
    const struct evidence_thread *other = shared ? thread_by_tid(e, value) : NULL;

    t->wait_class = "futex";
    if (command == FUTEX_WAIT_BITSET && other && other != t) {
        t->wait_class = "join";
        (void)snprintf(t->wait, sizeof(t->wait), "pthread_join(`%s`)", other->name);
    } else if (command == FUTEX_WAIT && value == 2) {
        (void)snprintf(t->wait, sizeof(t->wait), "a mutex at 0x%" PRIx64, call->args[0]);
    } else if (command == FUTEX_WAIT_BITSET) {
        (void)snprintf(t->wait, sizeof(t->wait), "a condition or semaphore at 0x%" PRIx64,
                       call->args[0]);
    } else {
        (void)snprintf(t->wait, sizeof(t->wait), "a futex at 0x%" PRIx64, call->args[0]);
    }
}

static void
named_call(const struct evidence *e, const struct call *c, const struct proc_syscall *call,
           struct evidence_thread *t)
{
    int fd = (int)call->args[0]; /* the kernel looks at the lower half only */
    char target[128];

    t->wait_class = c->class;
    if (!c->fd) {
        (void)snprintf(t->wait, sizeof(t->wait), "%s", c->name);
    } else if (proc_fd_target(e->pid, fd, target, sizeof(target)) == 0) {
        plain_text(target);
        (void)snprintf(t->wait, sizeof(t->wait), "%s(fd %d → %s)", c->name, fd, target);
    } else {
        (void)snprintf(t->wait, sizeof(t->wait), "%s(fd %d)", c->name, fd);
    }
}

/* in_kernel - no system call to be seen: at least the kernel's own word for the place. */
static void
in_kernel(const struct evidence *e, struct evidence_thread *t)
{
    char wchan[64];

    if (proc_wchan_read(e->pid, t->tid, wchan, sizeof(wchan)) == 0 && wchan[0] != '\0')
        (void)snprintf(t->wait, sizeof(t->wait), "%s in the kernel", wchan);
}

void
wait_describe(const struct evidence *e, struct evidence_thread *t)
{
    struct proc_syscall call;

    if (t->state == 'T' || t->state == 't') {
        t->wait_class = "stopped";
        return;
    }
    if (t->state == 'R') {
        t->wait_class = "running";
        return;
    }
    if (proc_syscall_read(e->pid, t->tid, &call) < 0) { /* we may not know, or it went on */
        in_kernel(e, t);
        return;
    }
    if (call.running || call.number < 0) {
        t->wait_class = call.running ? "running" : "kernel";
        if (!call.running)
            in_kernel(e, t);
        return;
    }
    if (call.number == SYS_futex) {
        futex(e, &call, t);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (calls[i].number == call.number) {
            named_call(e, &calls[i], &call, t);
            return;
        }
    }
    t->wait_class = "other";
    (void)snprintf(t->wait, sizeof(t->wait), "system call %ld", call.number);
}
