/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_PARTS_H
#define STINT_PROBE_CAPTURE_PARTS_H

/* What the parts of the capture (capture*.c) share. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/capture.h"
#include "supervisor/probe/facts.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/remote.h"

struct ends;
struct inner;
struct names;
struct registry_view;

/* One thread at one moment. */
struct look {
    pid_t tid;
    int sched_fd; /* of its schedstat, kept open from the first sample to the second; -1 = not. It
                     cannot turn into another thread's, as its number can. */
    bool seen;    /* `stat` is known */
    bool called;  /* `call` is known */
    bool timed;   /* cpu_ns and turns are known */
    struct proc_stat stat;
    struct proc_syscall call;
    uint64_t cpu_ns, turns; /* on a CPU: how long, and how often it was put there */
    void *stack;            /* owned: of a newborn, from `call.sp` on; NULL = not copied */
    size_t stack_n;
};

struct capture {
    const struct probe_request *req;
    struct process_facts *facts;
    int task_fd;         /* /proc/PID/task */
    struct look *first;  /* by tid */
    struct look *second; /* in the order of facts->threads */
    size_t n_first;
    size_t files_left;      /* descriptors that may still be kept open */
    int64_t first_us;       /* CLOCK_MONOTONIC, when the first sample began */
    int64_t boot_offset_us; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC */
    struct remote memory;
    bool calls_seen; /* some thread's system call was read, so one that is not is its own affair */
    int calls_refused; /* negative errno: the system calls may not be read */
    int fds_refused;   /* … nor where its descriptors lead */
    bool foreign_abi;  /* a 32-bit program under a 64-bit kernel: the numbers mean something else */
    bool glibc;        /* it has the C library whose locks we know mapped … */
    uint64_t libc_begin, libc_end; /* … with its code there */
    struct names *names; /* owned; its maps; NULL: they, or its system calls, are not to be had */
    uint64_t *waiters;   /* at which address each of those in a futex waits; sorted, for counting */
    size_t n_waiters;
    bool mutex_known;    /* the last that was read */
    struct ends *ends;   /* owned */
    struct inner *inner; /* owned; NULL: it knows its threads by the numbers that we know */
    size_t n_inner;
    struct registry_view *early; /* owned; NULL: there was no first sample of it */
    bool registered;             /* its registry could be read */
    char claims_note[128];       /* why not, or "" */
    char names_note[200];        /* why names are missing, or "" */
    unsigned rests;              /* ms for which those at work were waited for */
    unsigned n_early;            /* stacks that were copied at the look itself */
    bool late;                   /* the deadline came: no further details */
};

/* capture_late - is the time over? Sets c->late; asks the clock now and then only. */
bool capture_late(struct capture *c);

/* capture_thread - the living thread @tid, or NULL. */
const struct thread_facts *capture_thread(const struct capture *c, uint64_t tid);

/* capture_inner.c: the numbers it knows its threads by, and ours for them; 0 = no such thread. */
int capture_inner_read(struct capture *c); /* 0 or -ENOMEM */
pid_t capture_outer(const struct capture *c, pid_t tid);
pid_t capture_inner(const struct capture *c, pid_t tid);

/* capture_static.c: the C library of a program that has it inside. */
void capture_static_libc(struct capture *c);

/* capture_sample.c */
int capture_sample_first(struct capture *c);
int capture_sample_second(struct capture *c);
void capture_looks_close(struct capture *c);

/* capture_calls.c: wait class, call name, descriptor and timeout of thread @i. */
void capture_classify(struct capture *c, size_t i);

/* capture_futex.c */
int capture_futex_prepare(struct capture *c); /* who waits where; 0 or -ENOMEM */
void capture_futex(struct capture *c, size_t i);
/* capture_owner - @t waits for the thread with that number, as the process's memory says; @word: where, or 0. */
void capture_owner(struct capture *c, struct thread_facts *t, uint32_t tid, uint64_t word);

/* capture_wants.c: what several descriptors it waits for, in poll, select and epoll. */
void capture_polled(struct capture *c, struct thread_facts *t);

/* capture_fds.c: thread's `fd` → fd_target. */
void capture_fd_target(struct capture *c, int fd, char *buf, size_t room);

/* capture_peers.c: its pipes and sockets; then, when it is known who waits for which of them, the other
 * ends, and whom it serves. 0 or -ENOMEM. */
int capture_ends_read(struct capture *c);
int capture_peers(struct capture *c);
void capture_ends_free(struct capture *c);
const char *capture_socket_text(const struct capture *c, uint64_t inode); /* "" = not known */

/* capture_claims.c: what it says of itself; early: at the first sample, for its progress since. 0 or -ENOMEM. */
int capture_claims_early(struct capture *c);
int capture_claims(struct capture *c);
void capture_claims_free(struct capture *c);

/* capture_stacks.c: where each is in its source, and what holds the object it waits for. 0 or -ENOMEM. */
int capture_stacks(struct capture *c);
/* capture_stack_early - at the look @l itself: who was born a moment ago may be gone in another. */
void capture_stack_early(struct capture *c, struct look *l);

/* capture_permit.c: the grade, and what is missing from the best, in words. */
void capture_grade(struct capture *c);

#endif
