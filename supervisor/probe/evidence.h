/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_EVIDENCE_H
#define STINT_PROBE_EVIDENCE_H

/*
 * Who has not left, and what is it waiting for? The registry's claims joined with the kernel's list
 * of threads (tid and start time), from outside, without stopping the worker.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/facts.h"

struct error;
struct text;

#define EVIDENCE_THREADS_MAX 1024  /* more are counted, not listed; who has to leave comes first */
#define EVIDENCE_TIDS_MAX    16384 /* … and beyond that many nobody is looked for */
#define EVIDENCE_WAITS_MAX   256   /* threads whose system call is read, stragglers first */

struct evidence_thread {
    pid_t tid;
    bool main;       /* the first thread of the process */
    bool registered; /* known by the worker's registry; else the members marked (r) are empty */
    bool straggler;  /* registered, its token is cancelled, not exempt: it should be gone */
    bool exempt;     /* (r) declared to outlive its token: see reason */
    char state;      /* the kernel's: 'R', 'S', 'D', 'T' … */
    char name[48];   /* (r) name, else the kernel's comm */
    char file[96], function[48], creator_name[48]; /* (r) who started it, and where */
    uint32_t line;                                 /* (r) of file */
    pid_t creator_tid;                             /* (r) */
    char token[48];                                /* (r) */
    uint32_t cause;                                /* (r) enum stint_cause; 0 = live */
    int64_t started_us;                            /* CLOCK_MONOTONIC */
    int64_t cancelled_us;                          /* (r) CLOCK_MONOTONIC; 0 = its token is live */
    int64_t deadline_us;                           /* (r) CLOCK_MONOTONIC; INT64_MAX = none */
    uint64_t beats;                                /* (r) progress */
    char wait_site[96];                            /* (r) where it said it waits, or "" */
    char trace_id[33];                             /* (r) or "" */
    char reason[64];                               /* (r) of the exemption */
    const char *
        wait_class; /* static: "futex", "join", "sleep", "poll", "epoll", "read", "write", "accept",
                               "wait", "running", "stopped", "kernel", "other", or "" when not known */
    char wait[160]; /* "read(fd 9 → pipe:[123])", or "" */
};

struct evidence {
    pid_t pid;
    int64_t at_us; /* CLOCK_MONOTONIC */
    enum evidence_grade grade;
    struct evidence_thread *threads; /* owned; stragglers first, then by tid */
    size_t n;
    size_t n_threads;    /* the kernel's count; n_threads - n are not listed */
    size_t n_registered; /* alive by both lists */
    size_t n_stragglers;
    size_t n_ghosts;   /* registered as live, but not in the kernel's list */
    unsigned torn;     /* registry slots that could not be read whole */
    unsigned overflow; /* threads that found no slot */
    char note[256];    /* why the grade is low, or "" */
};

/**
 * evidence_collect - look at @pid from outside.
 * @registry_fd: -1 when the worker has none
 * @now_us:      CLOCK_MONOTONIC
 *
 * Bounded: about 15 µs for each thread. Return: 0; -ESRCH: no such process (or a zombie); -ENOMEM.
 */
int evidence_collect(pid_t pid, int registry_fd, int64_t now_us, struct evidence **ret,
                     struct error *reterr);
void evidence_destroy(struct evidence *e); /* NULL is fine */

/* How many would not leave: the stragglers; without a registry every thread, at least 1. */
unsigned evidence_stragglers(const struct evidence *e);

/**
 * evidence_summary - append one line for people, the first few threads in full:
 * "thread `flush-2`, started at cache.c:88 (cache_start_flusher) by `main`, ignored its cancelled
 * token for 31 s, blocked in read(fd 9 → pipe:[123]); and 2 more: …".
 */
void evidence_summary(const struct evidence *e, struct text *out);

#endif
