/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SPANS_MEMORY_H
#define STINT_IO_SPANS_MEMORY_H

/*
 * The supervisor's own finished spans, and those that have begun and are held, in a memfd that somebody keeps who lives
 * longer than the master. A span is in there as a whole or not at all. Those of workers are not: they are in memory of
 * the workers' own. Part of spans.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/io/journal_shared.h"
#include "supervisor/io/spans.h"

struct spans_kept {
    char magic[8];
    uint32_t version, span_bytes;
    shared_u64 last;    /* number given */
    shared_u64 settled; /* … when the last step was over: what comes behind may be told again */
    shared_u64 n;       /* of `own`, ever put */
    shared_u64 n_held;  /* … of `held` */
    struct span held[SPANS_HELD]; /* of generation 0: none */
    struct span own[SPANS_MAX];   /* of number 0: none */
};

struct error;

/* New memory; @ret_fd: owned, -1: it ends with the process. NULL: no memory. */
struct spans_kept *spans_memory_create(int *ret_fd);
/* @fd is taken over when this succeeds. NULL: with the sentence. What makes no sense in it is forgotten. */
struct spans_kept *spans_memory_adopt(int fd, struct error *reterr);
void spans_memory_close(struct spans_kept *kept); /* NULL is fine */

#endif
