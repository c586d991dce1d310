/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LINT_H
#define STINT_IO_LINT_H

/*
 * The trace context of what the workers of one service print: looked at line by line, counted, and what is
 * wrong told by the thread that printed it. Bounded in memory and, for each line, in work; one thread: the
 * master's. What is counted may be in memory that outlives it: then a master that was killed has lost none of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/io/lint_line.h"

#define LINT_THREADS 64 /* findings kept; further ones are counted in total only */

enum lint_fault {
    LINT_LOST,         /* the thread has a trace, its line has none */
    LINT_SPAN_ALONE,   /* a span without a trace */
    LINT_ALL_ZERO,     /* an id of zeroes */
    LINT_MALFORMED,    /* … that is none */
    LINT_TRACE_CHANGED /* a span that was of another trace before */
};
#define LINT_FAULTS 5

/* By the thread that printed it, as far as its line says who that was. */
struct lint_finding {
    enum lint_fault fault;
    char thread[48];   /* "" = the line does not say */
    char creator[160]; /* "serve at web.c:88", "main"; "" = not known */
    char line[160];    /* the first one, plain text */
    uint64_t generation, count;
};

struct lint_counts {
    uint64_t lines;         /* looked at */
    uint64_t stamped;       /* … with a trace of their own */
    uint64_t explained;     /* … that say why they have none */
    uint64_t without_trace; /* … that just have none */
    uint64_t faults[LINT_FAULTS];
    uint64_t untold; /* of those, without a place among the findings */
};

struct lint;
struct lint_place;

/*
 * lint_create - NULL: no memory. @found: borrowed for the call; told once for each finding, before it is one: who is
 * killed in between tells it again.
 */
struct lint *lint_create(void (*found)(void *env, const struct lint_finding *f), void *env);
void lint_destroy(struct lint *l); /* NULL is fine */

/* lint_count_in - what is counted from now on is counted there, with what was before. */
void lint_count_in(struct lint *l, const struct lint_place *place);

/* lint_configure - copies. Findings and counts stay. */
void lint_configure(struct lint *l, const struct lint_keys *keys);

struct lint_origin {
    uint64_t generation;
    pid_t pid;
    int registry_fd; /* of a worker with libstint; else -1 */
};

/* lint_line - look at a line. Return: the 32 digits of its own trace, within it; NULL: it has none. */
const char *lint_line(struct lint *l, const struct lint_origin *from, const char *bytes, size_t n);

const struct lint_counts *lint_counts(const struct lint *l);
const struct lint_finding *lint_findings(const struct lint *l, size_t *ret_n);
const char *lint_fault_name(enum lint_fault fault);

#endif
