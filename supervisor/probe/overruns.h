/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_OVERRUNS_H
#define STINT_PROBE_OVERRUNS_H

/*
 * Who of a worker goes on, or went on, past the deadline of a request, and who calls it with which
 * timeouts: from its registry, so also of a worker that hangs. Its content is the worker's and may be
 * anything; strings become plain text.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/probe/registry.h"

/* One that is over its deadline now, or, of those that were, the last of one thread, place and scope. */
struct overrun {
    bool live;        /* it is at work now */
    pid_t tid;        /* 0 = not known */
    uint64_t count;   /* 1 for a live one */
    int64_t over_us;  /* so long after the deadline: the last, or until now */
    int64_t most_us;  /* the longest */
    int64_t last_us;  /* CLOCK_MONOTONIC: when the last ended; of a live one: now */
    int64_t since_us; /* of a live one: its deadline */
    char thread[48], creator[160], task[48],
        scope[128];    /* creator: "pool.c:41 in start (by main)" */
    char trace_id[33]; /* "" = none */
};

struct overrun_caller {
    char name[48]; /* "" = not known */
    uint64_t calls, without, malformed, expired, cut, overruns;
    int64_t least_us, most_us; /* of the timeouts that were said; 0 = none was */
};

struct overruns {
    struct overrun *of; /* owned; live ones first */
    size_t n, n_live;
    struct overrun_caller *callers; /* owned */
    size_t n_callers;
    uint64_t total;          /* that have ended, also those that no row has */
    uint64_t unseen_callers; /* calls of those for whom there was no row */
};

/**
 * overruns_look - is there anything to be told? Cheap: for every second.
 * @copy:         of the registry, taken with this; its memory is used again next time
 * @ret_live:     threads that are past a deadline, and neither exempt nor shielded
 * @ret_total:    overruns that have ended
 *
 * Return: 0, or as registry_copy_take().
 */
int overruns_look(int registry_fd, struct registry_copy *copy, int64_t now_us, int64_t tolerance_us,
                  unsigned *ret_live, uint64_t *ret_total);

/* overruns_any - was anything counted, a call or an overrun? A read of the header. */
bool overruns_any(int registry_fd);

/* overruns_read - all that is known. Return: 0, as registry_copy_take(), -ENOMEM; then @ret is untouched. */
int overruns_read(int registry_fd, int64_t now_us, int64_t tolerance_us, struct overruns *ret,
                  struct error *reterr);
void overruns_finish(struct overruns *o);

#endif
