/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_REGISTRY_H
#define STINT_PROBE_REGISTRY_H

/*
 * The registry of threads that a worker writes and the master reads from outside, without its help,
 * so it works on a dead-locked or stopped worker. Its content is the worker's and may be anything:
 * it is copied by pread(), never mapped, then checked; strings become plain text.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker-api/wire.h"

struct error;

/* A live thread as it described itself. A claim, not a proof: evidence.h asks the kernel. */
struct registry_thread {
    pid_t tid, creator_tid;
    uint64_t start_time;  /* clock ticks since boot, as in /proc */
    int64_t started_us;   /* CLOCK_MONOTONIC */
    int64_t cancelled_us; /* CLOCK_MONOTONIC; 0 = its token is live */
    int64_t deadline_us;  /* CLOCK_MONOTONIC; INT64_MAX = none */
    uint64_t beats;
    uint32_t cause; /* enum stint_cause; 0 = live */
    uint32_t line;
    bool exempt;
    /* NUL-terminated; control characters and what is not UTF-8 are replaced by '?' */
    char name[48], file[96], function[48], creator_name[48], token[48], wait_site[96];
    char trace_id[33], reason[64];
};

struct registry_view {
    struct registry_thread *threads; /* owned; live ones only, in slot order */
    size_t n;
    unsigned slots;    /* that the registry has */
    unsigned done;     /* threads that returned and whose slot was not needed since */
    unsigned torn;     /* slots that could not be read whole */
    unsigned overflow; /* threads that found no slot, by the worker's count */
};

void registry_view_finish(struct registry_view *v);

/* registry_create - an empty sealed memfd (no grow, shrink, further seal), CLOEXEC. Return: 0 or negative errno. */
int registry_create(int *ret_fd, struct error *reterr);

/**
 * registry_read - what is in it now.
 *
 * Bounded whatever the worker does: at most three tries for each slot.
 * Return: 0; -ENODATA: the worker has not written a header (yet); -EPROTO: not a registry we
 * understand; or another negative errno. Then @ret is untouched.
 */
int registry_read(int fd, struct registry_view *ret, struct error *reterr);

/**
 * registry_served - what the worker has counted by stint_served().
 *
 * Return: 0; -ENODATA: no header yet; -EOPNOTSUPP: its libstint counts nothing; or another negative errno.
 */
int registry_served(int fd, uint64_t *ret);

/* registry_parse - the same from one copy of the bytes. Pure; a slot with an odd seq is torn. */
int registry_parse(const void *bytes, size_t n, struct registry_view *ret, struct error *reterr);

#endif
