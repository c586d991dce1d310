/* SPDX-License-Identifier: MIT */
#ifndef STINT_SPANS_INSIDE_H
#define STINT_SPANS_INSIDE_H

/*
 * What is told of spans when they have ended: a ring in the registry, when the supervisor wants it. Else all
 * of this costs one load for each span. Part of state.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker-api/trace.h"
#include "worker-api/wire.h"

struct stint_scope;
struct stint_span;
struct stint_thread;
struct token;

/* A span that has ended. All is borrowed for the call. */
struct span_end {
    const struct trace *trace;         /* whose it is, sampled */
    const struct span *span;           /* its begin is not 0 */
    const struct stint_thread *thread; /* that it was about; NULL = the calling one */
    const struct token *token;         /* of the work; NULL = none */
    const char *name, *scope;          /* NULL = "" */
    const char *text;                  /* why it failed; NULL = it did not */
    const char *attributes;            /* as on the wire, without the last NUL */
    size_t attributes_n;
    enum stint_span_of of;
    unsigned kind; /* enum stint_span_kind */
};

/* spans.c */
extern uint32_t *stn_spans_switch; /* never NULL; the word is the supervisor's */

static inline bool
stn_spans_wanted(void)
{
    const uint32_t *wanted = __atomic_load_n(&stn_spans_switch, __ATOMIC_ACQUIRE);

    return __atomic_load_n(wanted, __ATOMIC_RELAXED) != 0;
}

void stn_spans_open(struct stint_registry_header *header, size_t bytes); /* once, as mapped */
void stn_ring_after_fork(void); /* nothing of the parent's ring is written from now on */
int64_t stn_spans_now(void);    /* CLOCK_MONOTONIC, in ns */
/* When a span of that trace begins: now; or 0: nobody wants to know. */
int64_t stn_span_begin(const struct trace *trace);
void stn_span_ended(const struct span_end *end); /* no lock held; no system call */

/* What ends by itself. Each does nothing when the beginning was not noted. */
void stn_span_of_thread(const struct stint_thread *thread);
void stn_span_of_task(const struct stint_thread *thread); /* the innermost */
void stn_span_of_scope(const struct stint_scope *scope);
void stn_span_of_request(struct token *token); /* whose trace came in; once */
/* At this very moment: what goes out below @id. */
void stn_span_of_call(const struct trace *trace, const struct span *span, const char *name);
void stn_span_of_process(void); /* and of its first thread */

/* span.c */
const struct span *stn_span_open_of(const struct stint_thread *thread); /* NULL = none. AS-safe */
/* Those that the program has left open, down to @until, which goes on; NULL: all of the thread. */
void stn_spans_end(struct stint_thread *thread, const struct stint_span *until);
void stn_span_free_spare(struct stint_thread *thread);
void stn_span_open_descend(struct stint_span *open, void (*descend)(struct span *span));

#endif
