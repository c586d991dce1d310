/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker-api/state.h"

/*
 * Spans that the program begins and ends. Those of a thread lie in each other: what is inside ends with what is
 * around it, so one that was forgotten is no dangling one. None exists while nobody wants to know.
 */
struct stint_span {
    struct stint_span *outer;    /* of the same thread */
    struct stint_thread *thread; /* whose it is; NULL: of a token, and anybody ends it */
    struct token *token;         /* a reference; NULL = none */
    const struct trace *trace;   /* the token's, or the process's */
    struct span span;
    size_t attributes_n;
    unsigned kind;
    bool failed;
    char name[sizeof(((struct stint_registry_span *)0)->name)];
    char text[sizeof(((struct stint_registry_span *)0)->text)];
    char attributes[sizeof(((struct stint_registry_span *)0)->attributes)];
};

const struct span *
stn_span_open_of(const struct stint_thread *thread)
{
    const struct stint_span *open = __atomic_load_n(&thread->open, __ATOMIC_ACQUIRE);

    return open ? &open->span : NULL;
}

void
stn_span_open_descend(struct stint_span *open, void (*descend)(struct span *span))
{
    for (; open; open = open->outer)
        descend(&open->span);
}

static struct stint_span *
room_for(struct stint_thread *self)
{
    struct stint_span *span = self ? self->spare : NULL;

    if (!span)
        return malloc(sizeof(*span));
    self->spare = NULL;
    return span;
}

static void
put_away(struct stint_span *span)
{
    if (span->thread && !span->thread->spare)
        span->thread->spare = span;
    else
        free(span);
}

void
stn_span_free_spare(struct stint_thread *thread)
{
    free(thread->spare);
    thread->spare = NULL;
}

struct stint_span *
stint_span_start(struct stint_token *token, const char *name, enum stint_span_kind kind)
{
    struct stint_thread *self = token ? NULL : stn_self;
    struct stint_span *span;
    struct context context;

    if (!stn_spans_wanted())
        return NULL;
    stn_here();
    if ((!token && !self) || stn_context(token_of(token), &context) ||
        !(context.trace->flags & TRACE_SAMPLED) || !(span = room_for(self)))
        return NULL;
    span->thread = self;
    span->token = self ? self->token : token_of(token);
    (void)stint_token_ref(span->token ? &span->token->head : NULL);
    span->trace = context.trace;
    span->kind = kind;
    span->failed = false;
    span->text[0] = '\0';
    span->attributes_n = 0;
    stn_text_copy(span->name, sizeof(span->name), name);
    memcpy(span->span.parent, context.span, sizeof(span->span.parent));
    stn_id_make(span->span.id, sizeof(span->span.id));
    span->span.begin_ns = stn_spans_now();
    if (self) {
        span->outer = self->open;
        __atomic_store_n(&self->open, span, __ATOMIC_RELEASE); /* a signal handler may log now */
    }
    return span;
}

static void
finish(struct stint_span *span)
{
    struct token *token = span->token;
    const struct stint_scope *scope = span->thread ? span->thread->scope : stn_scope_of(token);

    stn_span_ended(&(struct span_end){.trace = span->trace,
                                      .span = &span->span,
                                      .thread = span->thread,
                                      .token = token,
                                      .name = span->name,
                                      .scope = scope->name,
                                      .text = span->failed ? span->text : NULL,
                                      .attributes = span->attributes,
                                      .attributes_n = span->attributes_n,
                                      .of = STINT_SPAN_OF_PROGRAM,
                                      .kind = span->kind});
    if (span->thread)
        __atomic_store_n(&span->thread->open, span->outer, __ATOMIC_RELEASE);
    put_away(span);
    if (token)
        stint_token_unref(&token->head);
}

void
stn_spans_end(struct stint_thread *thread, const struct stint_span *until)
{
    while (thread->open && thread->open != until)
        finish(thread->open);
}

void
stint_span_end(struct stint_span *span)
{
    const struct stint_span *open;

    if (!span)
        return;
    if (!span->thread) {
        finish(span);
        return;
    }
    for (open = stn_self ? stn_self->open : NULL; open && open != span; open = open->outer)
        ;
    if (!open)
        return; /* another thread's; or it has ended with a task that it began in */
    stn_spans_end(stn_self, span);
    finish(span);
}

/* ---- What it says ------------------------------------------------------------------------------- */

static void
drop(struct stint_span *span, const char *key)
{
    char *at = span->attributes, *end = at + span->attributes_n;

    while (at < end) {
        char *next = at + strlen(at) + 1;

        next += strlen(next) + 1;
        if (strcmp(at, key) == 0) {
            memmove(at, next, (size_t)(end - next));
            span->attributes_n -= (size_t)(next - at);
            return;
        }
        at = next;
    }
}

int
stint_span_attribute(struct stint_span *span, const char *key, const char *format, ...)
{
    const size_t most = sizeof(span->attributes) - 1; /* an empty key ends them */
    size_t bytes, left;
    va_list args;
    char *to;
    int n;

    if (!span)
        return 0;
    if (!key || !*key)
        return -EINVAL;
    drop(span, key);
    bytes = strlen(key) + 1;
    if (bytes >= most - span->attributes_n)
        return -ENOSPC;
    to = span->attributes + span->attributes_n;
    memcpy(to, key, bytes);
    left = most - span->attributes_n - bytes;
    va_start(args, format);
    n = vsnprintf(to + bytes, left, format, args);
    va_end(args);
    if (n < 0)
        return -EINVAL;
    if ((size_t)n >= left)
        return -ENOSPC;
    span->attributes_n += bytes + (size_t)n + 1;
    return 0;
}

void
stint_span_error(struct stint_span *span, const char *format, ...)
{
    va_list args;

    if (!span)
        return;
    span->failed = true;
    va_start(args, format);
    if (vsnprintf(span->text, sizeof(span->text), format, args) < 0)
        span->text[0] = '\0';
    va_end(args);
}

int
stint_span_inject(struct stint_span *span, char traceparent[STINT_TRACEPARENT_MAX],
                  char *tracestate, size_t size)
{
    if (!span)
        return stint_trace_inject(NULL, traceparent, tracestate, size);
    stn_here();
    stn_traceparent_put(span->trace, span->span.id, traceparent);
    if (size > 0)
        stn_tracestate_fit(span->trace->state, tracestate, size);
    return 1;
}
