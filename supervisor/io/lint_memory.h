/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LINT_MEMORY_H
#define STINT_IO_LINT_MEMORY_H

/*
 * What lint.c counts, in a memfd that somebody keeps who lives longer than the master: a place for each service,
 * with its name. A count is in there when the line was looked at, so a SIGKILL costs none.
 *
 *   header │ heads: names and counts │ findings of each │ spans of each
 *
 * Pages exist when they are used: a thousand services without a fault are a quarter of a mebibyte, and their spans.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/io/journal_shared.h"
#include "supervisor/io/lint.h"

#define LINT_PLACES 1024 /* what is counted of further services ends with the master */

/* Which trace a span was of: as many as there are requests at a time, of most programs. */
#define LINT_SPANS_BITS 9
#define LINT_SPANS      (1 << LINT_SPANS_BITS)

struct lint_span {
    uint64_t span; /* 0 = free */
    uint64_t trace;
};

struct lint_head {
    shared_u64 used; /* 0, or 1: the rest is of `service` */
    char service[72];
    struct lint_counts counts;
    shared_u64 n_findings; /* those before are whole */
    uint64_t has_spans;    /* some were noted */
};

/* Borrowed from the memory, or owned by a lint without one. */
struct lint_place {
    struct lint_head *head;
    struct lint_finding *findings; /* LINT_THREADS */
    struct lint_span *spans;       /* LINT_SPANS */
};

struct error;
struct lint_memory;

/* Return: 0 or negative errno with the sentence. */
int lint_memory_create(struct lint_memory **ret, struct error *reterr);

/**
 * lint_memory_adopt - what a master before us counted.
 * @fd: taken over in any case
 *
 * A place that makes no sense is forgotten. Return: 0; -EPROTO: of another version; or another negative errno.
 */
int lint_memory_adopt(int fd, struct lint_memory **ret, struct error *reterr);
void lint_memory_close(
    struct lint_memory *m); /* what is in it stays, for whoever keeps it; NULL is fine */
int lint_memory_fd(const struct lint_memory *m); /* borrowed */

/* The place of @service, good until it is forgotten. False: it has none; @make: there is no room for one. */
bool lint_memory_place(struct lint_memory *m, const char *service, bool make,
                       struct lint_place *ret);
void lint_memory_forget(struct lint_memory *m, const char *service); /* harmless without a place */

/* The service of the first place at or behind @at, which is set behind it; NULL: there is none. */
const char *lint_memory_next(const struct lint_memory *m, unsigned *at);

#endif
