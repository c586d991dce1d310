/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_BUNDLE_H
#define STINT_IO_BUNDLE_H

/*
 * What is kept of a worker that did not leave in time, before it is sent SIGKILL: profiles, the report on
 * its threads, its last lines. Each in a directory of its own in state_dir/bundles:
 *
 *   SERVICE-GENERATION.SLOT-PID/   threads.pb.gz  heap.pb.gz  cpu.pb.gz  report.json  log.txt
 *
 * A helper process writes it, beside its place, and renames it when it is whole; it also throws the oldest
 * away, so that there are BUNDLES_MAX at most, of BUNDLES_BYTES together. Only of services that opted
 * in to some kind of profile.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/profile/kinds.h"

struct ev_loop;
struct bundle;

#define BUNDLES_MAX   32
#define BUNDLES_BYTES ((uint64_t)64 << 20)
#define BUNDLE_CPU_US \
    INT64_C(1000000) /* so long is sampled, at most a quarter of the time there is */
#define BUNDLE_NAME 128

/* All that are there, the newest first. All zero: none. */
struct bundles {
    size_t n;
    struct bundle_entry {
        char name[BUNDLE_NAME]; /* of its directory */
        uint64_t bytes;
        int64_t at_wall_us;
    } of[BUNDLES_MAX];
};

struct bundle_request {
    const char *state_dir; /* these are borrowed for the call */
    struct profile_target target;
    const json_t *report;    /* NULL: there is none */
    const char *lines;       /* "" = none */
    bool threads, cpu, heap; /* which profiles are allowed */
    int64_t deadline_us;     /* CLOCK_MONOTONIC; on_done by then */
    /* Once, from the loop. @words: why there is none, or what is missing; @all: NULL when it failed. */
    void (*on_done)(void *env, const char *path, const char *words, const struct bundles *all);
    void *env; /* borrowed until then */
};

/* bundle_start - Return: 0, or a negative errno; then on_done is not called. */
int bundle_start(struct ev_loop *loop, const struct bundle_request *rq, struct bundle **ret);
void bundle_cancel(struct bundle *b); /* on_done is not called; NULL is fine */

/* bundles_read - what is in @state_dir; reads directories, so only at a start, or in a helper. */
void bundles_read(const char *state_dir, struct bundles *ret);

/* bundles_report - of @service, NULL: of all: a list for /v1/leaks. NULL: no memory. */
json_t *bundles_report(const struct bundles *all, const char *state_dir, const char *service);

/* ---- bundle_work.c: in the helper ---------------------------------------------------------- */

struct bundle_told {
    uint32_t magic;
    int32_t error;
    char name[BUNDLE_NAME];
    char words[512];
    struct bundles all;
};
#define BUNDLE_MAGIC UINT32_C(0x42554e44)

bool bundle_work(const struct bundle_request *rq, const char *report, int out);
/* The directory of @t below bundles/. */
void bundle_name(const struct profile_target *t, char ret[BUNDLE_NAME]);

#endif
