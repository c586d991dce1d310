/* SPDX-License-Identifier: MIT */
#ifndef STINT_TRACE_INSIDE_H
#define STINT_TRACE_INSIDE_H

/* Trace contexts and their spans. Part of state.h. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_SAMPLED    1u
#define TRACE_RANDOM     2u /* its last seven bytes are random; passed on as it came */
#define TRACESTATE_TEXTS 32 /* members of a list */

struct token;
struct stint_thread;

/* A W3C trace context. Tokens share it; the process's own is written before there are threads. */
struct trace {
    uint8_t trace_id[16], span_id[8]; /* all zero = none */
    uint8_t parent_id[8];             /* of the span above it; all zero = none */
    uint8_t flags;                    /* TRACE_* */
    int64_t begin_ns;                 /* of its own span; 0 = nobody wants to know */
    const char *state;                /* tracestate, NULL = none; lives as long as this one */
};

/* A span that has no token of its own. All zero = none yet. */
struct span {
    uint8_t id[8], parent[8];
    int64_t begin_ns; /* CLOCK_MONOTONIC; 0 = nobody wants to know */
};

/* trace_ids.c: random ids, anew in a forked child, whoever forked. AS-safe. */
void stn_id_make(uint8_t *id, size_t bytes); /* 8 or 16, never all zero */
void stn_ids_forget(void);                   /* in a forked child */

/* trace.c */
bool stn_trace_is(const struct trace *trace); /* is there one */
bool stn_trace_parse(const char *text, size_t n,
                     struct trace *ret);   /* W3C; a bad one is as none: false */
void stn_trace_enter(struct trace *trace); /* what came in: a span of its own below that */
void stn_trace_begin(struct trace *trace); /* a new trace */
int stn_trace_branch(
    struct token *token); /* a span of its own, before others know it; 0, -ENOMEM */
int stn_trace_give(struct token *token, struct trace *trace); /* takes it when it returns 0 */
void stn_traceparent_put(const struct trace *trace, const uint8_t *span, char *to);
void stn_hex(char *to, const uint8_t *id, size_t bytes); /* and a NUL */
/* A child of what the calling thread does, where that is of this trace; else of @trace's own span. */
void stn_span_make(struct span *span, const struct trace *trace);
void stn_spans_after_fork(struct stint_thread *self); /* each is the child of what it was */
const uint8_t *stn_span_of(const struct stint_thread *thread); /* of the innermost task */

struct context {
    const struct trace *trace;
    const uint8_t *span; /* 8 bytes */
};

/* What a line is about. @token NULL = the calling thread's. NULL, else the reason why there is none. AS-safe. */
const char *stn_context(const struct token *token, struct context *ret);

/* trace_state.c */
struct tracestate {
    struct {
        const char *at; /* borrowed from a header */
        size_t n;
    } of[TRACESTATE_TEXTS];
    size_t members;
    bool bad;
};
void stn_tracestate_add(struct tracestate *list, const char *value, size_t n); /* a header of it */
size_t stn_tracestate_bytes(const struct tracestate *list); /* with commas and a NUL; 0 = none */
void stn_tracestate_put(const struct tracestate *list, char *to);
void stn_tracestate_fit(const char *state, char *to, size_t size); /* whole members that fit */

#endif
