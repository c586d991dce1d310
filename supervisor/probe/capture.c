/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/capture.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/capture_look.h"
#include "supervisor/probe/capture_parts.h"
#include "supervisor/probe/names.h"
#include "supervisor/probe/registry.h"

#define BEAT_MAX_US (2 * INT64_C(1000000)) /* who beats less often is for the looks of the master */

#define LATE_EVERY  16 /* calls of capture_late() for one look at the clock */

bool
capture_late(struct capture *c)
{
    static unsigned asked; /* one thread, and it only paces */

    if (!c->late && c->req->deadline_us != 0 && ++asked % LATE_EVERY == 0)
        c->late = mono_now_us() >= c->req->deadline_us;
    return c->late;
}

const struct thread_facts *
capture_thread(const struct capture *c, uint64_t tid)
{
    size_t low = 0, high = c->facts->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if ((uint64_t)c->facts->threads[mid].tid < tid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->facts->n && (uint64_t)c->facts->threads[low].tid == tid
               ? &c->facts->threads[low]
               : NULL;
}

/* What program it is: name, and whether its system calls are numbered as ours are. */
static void
program_read(struct capture *c)
{
    char path[64];
    unsigned char ident[EI_NIDENT] = {0};
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)c->req->pid);
    n = readlink(path, c->facts->exe, sizeof(c->facts->exe) - 1);
    c->facts->exe[n > 0 ? n : 0] = '\0';
    plain_text(c->facts->exe);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd != -1 && read(fd, ident, sizeof(ident)) == (ssize_t)sizeof(ident) &&
        memcmp(ident, ELFMAG, SELFMAG) == 0)
        c->foreign_abi = ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32);
}

/*
 * maps_read - what lies where in it. The code of the C library, too: a lock is only believed to be one of
 * its when it waits in there.
 */
static int
maps_read(struct capture *c)
{
    struct error err = {0};
    int r;

    if (c->calls_refused || c->foreign_abi)
        return 0; /* so nobody is told to wait anywhere; the note says why */
    r = names_open(c->req->pid, &c->names, &err);
    if (r < 0) {
        (void)snprintf(c->names_note, sizeof(c->names_note), "%s", err.text);
        return r == -ENOMEM ? r : 0;
    }
    c->glibc = names_libc(c->names, &c->libc_begin, &c->libc_end);
    if (!c->glibc)
        capture_static_libc(c);
    return 0;
}

static void
boot_offset(struct capture *c)
{
    struct timespec boot;

    (void)clock_gettime(CLOCK_BOOTTIME, &boot); /* cannot fail for this clock */
    c->boot_offset_us = (int64_t)boot.tv_sec * 1000000 + boot.tv_nsec / 1000 - mono_now_us();
}

/* How long the pause has to be for who has to beat to have had to: unless that is long. */
static int64_t
beat_us(const struct capture *c)
{
    int64_t most_us = 0;

    for (size_t i = 0; c->early && i < c->early->n; i++) {
        int64_t every_us = c->early->threads[i].claim.vital_every_us;

        if (every_us > most_us && every_us <= BEAT_MAX_US)
            most_us = every_us;
    }
    return most_us + most_us / 4;
}

static void
pause_between(const struct capture *c)
{
    int64_t beats_us = beat_us(c);
    int64_t until_us =
        c->first_us + (beats_us > c->req->between_us ? beats_us : c->req->between_us);
    int64_t least_us = mono_now_us() + c->req->between_us / 4 * 3;
    struct timespec at;

    /* The second sample is quicker: of many threads the last would be looked at twice in a moment. */
    if (until_us < least_us)
        until_us = least_us;
    if (c->req->deadline_us != 0 && until_us > c->req->deadline_us)
        until_us = c->req->deadline_us;
    at.tv_sec = (time_t)(until_us / 1000000);
    at.tv_nsec = (long)(until_us % 1000000) * 1000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static int
task_open(struct capture *c, struct error *reterr)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)c->req->pid);
    c->task_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->task_fd != -1)
        return 0;
    if (errno == ENOENT && proc_hidden(c->req->pid))
        return error_set(
            reterr, -EACCES,
            "process %d is not shown: /proc is mounted with hidepid, and we may not look "
            "at it; run stint as root, or leave it dumpable",
            (int)c->req->pid);
    return error_set(reterr, errno == ENOENT ? -ESRCH : -errno, "look at process %d",
                     (int)c->req->pid);
}

static int
samples(struct capture *c)
{
    int r = 0;

    c->first_us = mono_now_us();
    if (c->req->between_us > 0) {
        r = capture_sample_first(c);
        if (r == 0)
            r = capture_claims_early(c);
        if (r == 0)
            pause_between(c);
    }
    c->facts->at_us = mono_now_us();
    c->facts->between_us = c->req->between_us > 0 ? c->facts->at_us - c->first_us : 0;
    return r == 0 ? capture_sample_second(c) : r;
}

/*
 * Whose a lock is was read behind the looks, so a waiter may have got it by then: it would be held by itself. Who
 * is part of what may be a deadlock is asked once more whether he waits since he was looked at; then what was read
 * in between holds for all of that time.
 */
static void
locks_confirm(struct capture *c)
{
    struct process_facts *f = c->facts;

    for (size_t i = 0; i < f->n; i++) {
        struct thread_facts *t = &f->threads[i];
        const struct thread_facts *owner =
            t->owner > 0 ? capture_thread(c, (uint64_t)t->owner) : NULL;

        if (!owner || owner->owner == 0 || look_waits_on(c, &c->second[i]))
            continue;
        t->owner = 0;
        t->owner_gone = t->still = false;
    }
}

static int
capture(struct capture *c, struct error *reterr)
{
    int r = task_open(c, reterr);

    if (r < 0)
        return r;
    boot_offset(c);
    program_read(c);
    r = samples(c);
    if (r == 0) {
        /* a first thread that ended has no memory and no files any more, the others do */
        if (c->facts->zombie_leader)
            c->memory.pid = c->facts->threads[0].tid;
        r = maps_read(c);
    }
    if (r == 0)
        r = capture_futex_prepare(c);
    if (r == 0)
        r = capture_inner_read(c);
    if (r == 0)
        r = capture_claims(c);
    if (r == 0)
        r = capture_ends_read(c);
    if (r < 0)
        return error_set(reterr, r, "look at the threads of process %d", (int)c->req->pid);
    for (size_t i = 0; i < c->facts->n; i++)
        if (!capture_late(c))
            capture_classify(c, i);
    locks_confirm(c);
    r = capture_peers(c);
    if (r == 0)
        r = capture_stacks(c); /* last: that takes longest, and may be cut short */
    if (r < 0)
        return error_set(reterr, r, "look at the peers and stacks of process %d", (int)c->req->pid);
    capture_grade(c);
    return 0;
}

int
probe_capture(const struct probe_request *req, struct process_facts *ret, struct error *reterr)
{
    struct process_facts facts = {.pid = req->pid,
                                  .cancelled_us = req->cancelled_us,
                                  .grace_us = req->grace_us,
                                  .grade = EVIDENCE_PROC};
    struct capture c = {.req = req, .facts = &facts, .task_fd = -1, .memory = {.pid = req->pid}};
    int r = capture(&c, reterr);

    capture_looks_close(&c);
    capture_ends_free(&c);
    capture_claims_free(&c);
    names_close(c.names);
    free(c.waiters);
    free(c.inner);
    (void)fd_close(c.task_fd);
    if (r < 0)
        process_facts_finish(&facts);
    else
        *ret = facts;
    return r;
}
