/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_HEAPS_H
#define STINT_IO_HEAPS_H

/*
 * Heap profiles of generations that are about to leave, so that the next can be compared with what was:
 * state_dir/heaps/SERVICE-GENERATION.pb.gz. A helper process takes one and writes it, beside its place,
 * and renames it when it is whole; it also throws the oldest away.
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/io/profiling.h"

struct error;
struct ev_loop;
struct heap_keep;

#define HEAPS_MAX   256
#define HEAPS_BYTES ((uint64_t)64 << 20)
#define HEAPS_EACH  3 /* of a service */
#define HEAPS_NAME  128

struct heap_keep_answer {
    int error; /* negative errno: it is not kept; -ENODATA: none is sampled in it */
    uint64_t bytes;
    const char *path;  /* NULL: it is not kept */
    const char *words; /* why not, or what is missing in it; "" = nothing is */
};

struct heap_keep_request {
    const char *state_dir; /* these are borrowed for the call */
    const char *service;
    uint64_t generation;
    const struct profile_target *targets;
    size_t n; /* 1 to PROFILING_WORKERS_MAX */
    /* Once, from the loop; it is gone after it. */
    void (*on_done)(void *env, const struct heap_keep_answer *answer);
    void *env; /* borrowed until then */
};

/* heap_keep_start - Return: 0, or a negative errno; then on_done is not called. */
int heap_keep_start(struct ev_loop *loop, const struct heap_keep_request *rq,
                    struct heap_keep **ret);
void heap_keep_cancel(struct heap_keep *k); /* on_done is not called; NULL is fine */

/* ---- heaps_work.c: in a helper -------------------------------------------------------------- */

struct heap_keep_told {
    uint32_t magic;
    int32_t error;
    uint64_t bytes;
    char name[HEAPS_NAME];
    char words[PROFILING_WORDS];
};
#define HEAP_KEEP_MAGIC UINT32_C(0x48454150)

bool heap_keep_work(const struct heap_keep_request *rq, int out);

/**
 * heaps_open - the newest that is kept of a generation of @service between @above and @below.
 * @ret_bytes: of it
 *
 * Return: a descriptor, owned by the caller; -ENOENT: there is none; another negative errno.
 */
int heaps_open(const char *state_dir, const char *service, uint64_t above, uint64_t below,
               uint64_t *ret_bytes);

#endif
