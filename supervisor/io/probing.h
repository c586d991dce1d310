/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_PROBING_H
#define STINT_IO_PROBING_H

/*
 * Looks at the threads of workers, each in a short-lived helper process: stacks and symbols take
 * time, and what a worker claims of itself is not to be trusted. Some run at once, the others
 * wait in line, those that somebody's end waits for in front, the nearest deadline first. Whatever
 * happens, each request is answered by its deadline: with what was seen, or why so little is known.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/io/held.h"

struct ev_loop;
struct history;
struct probing;
struct probing_look;
struct service_spec;

/*
 * A look is a pause of 100 ms between two short samples: what runs at once costs memory, a few hundred
 * KiB each, and hardly a processor. With four, a hundred that do not leave took three seconds.
 */
#define PROBING_AT_ONCE 16
#define PROBING_PATIENT_AT_ONCE \
    4 /* … of those that nobody waits for: there is room for the others */
#define PROBING_PATIENT_MAX 64   /* … that wait; the core asks again */
#define PROBING_WAITING_MAX 4096 /* more are answered at once, with little */
#define PROBING_KNOWN       32   /* workers of one cgroup that are told apart */
/* Of a look, beyond what the master has: 5,000 threads took 14 MiB, and 16,384 are looked at at most. */
#define PROBING_MEMORY ((uint64_t)256 << 20)
#define PROBING_BYTES  ((size_t)1 << 20) /* of one report; beyond that its threads are left out */

/* Valid for the length of the call. */
struct probing_answer {
    bool seen;       /* it was looked at; else `summary` says why not, and what is known anyway */
    unsigned leaked; /* threads that should be gone; without having seen it, 0 */
    unsigned over;   /* limits of its leak_budget that are not kept */
    bool registry;   /* it has one that is believed … */
    unsigned known;  /* … with so many of its threads */
    const char *summary; /* one line for people; never NULL */
    const char *budget;  /* another, of the limits; "" = they are kept */
    json_t *report;      /* borrowed; NULL: no memory */
};

struct probing_request {
    pid_t pid;                 /* a child that is not reaped before probing_forget() */
    int registry_fd;           /* borrowed until then; -1 = it has none */
    int64_t cancelled_us;      /* when it was asked to leave, CLOCK_MONOTONIC; 0 = it was not */
    int64_t grace_us;          /* how long it had for that */
    int64_t deadline_us;       /* CLOCK_MONOTONIC; answered by then */
    bool urgent;               /* before those that are not */
    bool all;                  /* each thread in the report, not groups only */
    bool patient;              /* nobody waits: it gives way to everybody else */
    struct service_spec *spec; /* for its leak_budget; borrowed; NULL = it has none */
    const struct history
        *book; /* what is known of it; borrowed, and read when the look begins; NULL = nothing */
    struct held held[HELD_MAX]; /* inode 0: no more of them */
    uint64_t memory;            /* bytes it may take; 0 = PROBING_MEMORY */
    const char *leaf;           /* directory of its cgroup; borrowed until then; NULL = none */
    pid_t known[PROBING_KNOWN]; /* workers that live in it, too; 0: no more of them */
    pid_t top[2];               /* master and keeper */
    /* Once, from the loop or from within probing_ask(); the look is gone after it. */
    void (*on_done)(void *env, const struct probing_answer *answer);
    void *env; /* borrowed until then */
};

/* probing_create - NULL: no memory. @loop: borrowed. */
struct probing *probing_create(struct ev_loop *loop);
void probing_destroy(struct probing *p); /* nobody is answered; NULL is fine */

/**
 * probing_ask - look at a process. Never fails: on_done is called in any case.
 * @ret: NULL allowed; for probing_cancel(); NULL is in it as soon as on_done is called or the look
 *       cancelled, so it has to stay where it is until then
 */
void probing_ask(struct probing *p, const struct probing_request *rq, struct probing_look **ret);
void probing_cancel(struct probing_look *look); /* on_done is not called; NULL is fine */

/* probing_forget - it is about to be reaped: whoever asked about it hears that it is gone. */
void probing_forget(struct probing *p, pid_t pid);

/* Looks made so far, and those that came to nothing: for the counters. */
void probing_count(const struct probing *p, uint64_t *ret_made, uint64_t *ret_failed);

/* ---- probing_work.c ------------------------------------------------------------------------- */

/* probing_work - in the helper: look at @pid and write the answer to @out. Return: all was told. */
bool probing_work(const struct probing_request *rq, int registry_fd, int out);

/* ---- probing_read.c ------------------------------------------------------------------------- */

/* probing_tell_little - answer @rq without a look, and say why. */
void probing_tell_little(const struct probing_request *rq, const char *why);

/**
 * probing_read - what a helper told.
 * @ret: seen is false where it could not look, and then summary says why; its report is the caller's
 * @ret_bytes: to be freed; the lines are in it
 * Return: false: it did not tell all, or what makes no sense
 */
bool probing_read(int out, struct probing_answer *ret, char **ret_bytes);

/* What a helper tells: the head, the two lines, the report as JSON. */
struct probing_told {
    uint32_t magic;
    uint32_t leaked;
    int32_t error; /* negative errno: it could not be looked at, and the summary says why */
    uint32_t over;
    uint32_t registry, known;
    uint32_t summary_bytes, budget_bytes, report_bytes; /* the first two with their NUL */
};
#define PROBING_TOLD_MAGIC UINT32_C(0x50524f42)
#define PROBING_SUMMARY    1024 /* with the NUL */

#endif
