/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_PROFILING_H
#define STINT_IO_PROFILING_H

/*
 * Profiles of workers, each made in a short-lived helper process that has a child for every worker but
 * an only one: the master samples nothing, and a worker that kills whoever looks at it costs its own
 * part of the profile.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/profile/kinds.h"

struct ev_loop;
struct profiling;

#define PROFILING_WORKERS_MAX 64
#define PROFILING_BYTES_MAX   PROFILE_BYTES_MAX /* of one that is told */
#define PROFILING_SECONDS_MAX 600
#define PROFILING_SECONDS     30
#define PROFILING_SLACK_S     60 /* beyond what it samples: for names */

/* Valid for the length of the call. */
struct profiling_answer {
    bool ok;
    const char *words; /* why there is none, or what is missing in it; "" = nothing is */
    int fd;            /* borrowed; the gzipped profile is in it … */
    off_t at;          /* … from here on … */
    size_t bytes;      /* … so long */
};

struct profiling_request {
    enum profile_kind kind;
    unsigned seconds;                     /* that cpu samples; the others look once */
    unsigned hz;                          /* of cpu; 0: as it likes */
    const char *service;                  /* borrowed for the call */
    const struct profile_target *targets; /* the same, and their descriptors */
    size_t n;                             /* 1 to PROFILING_WORKERS_MAX; 0: only what is kept */
    const char *remark;                   /* a comment more; NULL = none */
    /*
     * heaps.h: rather than of @targets, the newest that is kept of a generation between these two, which
     * is told as it is. state_dir NULL: no.
     */
    struct {
        const char *state_dir;
        uint64_t above, below;
    } kept;
    /* From the loop. Percent of all of them; NULL = nobody is told. */
    void (*on_progress)(void *env, unsigned percent);
    /* Once, from the loop; it is gone after it. */
    void (*on_done)(void *env, const struct profiling_answer *answer);
    void *env; /* borrowed until then */
};

/* profiling_start - Return: 0, or a negative errno; then on_done is not called. */
int profiling_start(struct ev_loop *loop, const struct profiling_request *rq,
                    struct profiling **ret);
void profiling_cancel(struct profiling *p); /* on_done is not called; NULL is fine */

/* ---- profiling_work.c: in the helper ------------------------------------------------------ */

#define PROFILING_WORDS 1024

/* What a helper tells first; the profile follows. */
struct profiling_told {
    uint32_t magic;
    int32_t error; /* negative errno: there is no profile */
    uint64_t bytes;
    char words[PROFILING_WORDS];
};
#define PROFILING_MAGIC UINT32_C(0x50524f46)

/* How far one of its children is; as one write of a pipe. */
struct profiling_tick {
    uint16_t target;
    uint16_t percent;
};

bool profiling_work(const struct profiling_request *rq, int ticks, int out);

#endif
