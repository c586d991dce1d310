/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker-api/state.h"

static const uint8_t nothing[16];

bool
stn_trace_is(const struct trace *trace)
{
    return memcmp(trace->trace_id, nothing, sizeof(trace->trace_id)) != 0;
}

void
stn_hex(char *to, const uint8_t *id, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes; i++) {
        *to++ = digits[id[i] >> 4];
        *to++ = digits[id[i] & 15];
    }
    *to = '\0';
}

/* Exactly @bytes of them in lower case, and not all zero unless that is @allowed. */
static bool
read_hex(uint8_t *to, size_t bytes, const char *digits, bool allowed)
{
    unsigned any = allowed;

    for (size_t i = 0; i < bytes; i++) {
        unsigned value = 0;

        for (int j = 0; j < 2; j++, digits++) {
            if ((*digits < '0' || *digits > '9') && (*digits < 'a' || *digits > 'f'))
                return false;
            value = value * 16 + (unsigned)(*digits <= '9' ? *digits - '0' : *digits - 'a' + 10);
        }
        to[i] = (uint8_t)value;
        any |= value;
    }
    return any != 0;
}

/* Of a version we do not know the part that we do is read. Flags are bits: those without a meaning are zeroed. */
bool
stn_trace_parse(const char *text, size_t n, struct trace *ret)
{
    struct trace trace = {0};
    uint8_t version;

    if (n < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-' ||
        !read_hex(&version, 1, text, true) || version == 0xff || (version == 0 && n != 55) ||
        (n > 55 && text[55] != '-'))
        return false;
    if (!read_hex(trace.trace_id, sizeof(trace.trace_id), text + 3, false) ||
        !read_hex(trace.span_id, sizeof(trace.span_id), text + 36, false) ||
        !read_hex(&trace.flags, 1, text + 53, true))
        return false;
    trace.flags &= TRACE_SAMPLED | TRACE_RANDOM;
    *ret = trace;
    return true;
}

void
stn_trace_enter(struct trace *trace)
{
    memcpy(trace->parent_id, trace->span_id, sizeof(trace->parent_id));
    stn_id_make(trace->span_id, sizeof(trace->span_id));
    trace->begin_ns = stn_span_begin(trace);
}

void
stn_trace_begin(struct trace *trace)
{
    *trace = (struct trace){.flags = TRACE_SAMPLED | TRACE_RANDOM};
    stn_id_make(trace->trace_id, sizeof(trace->trace_id));
    stn_id_make(trace->span_id, sizeof(trace->span_id));
    trace->begin_ns = stn_span_begin(trace);
}

int
stn_trace_give(struct token *token, struct trace *trace)
{
    int r = 0;

    stn_tree_take();
    if (token->owns_trace || token->child || token->threads || token->links)
        r = -EBUSY; /* somebody may have taken it over already */
    token->owns_trace = token->owns_trace || r == 0;
    if (r == 0)
        token->trace = trace;
    stn_tree_give();
    return r;
}

int
stn_trace_branch(struct token *token)
{
    struct trace *own;
    struct span span;

    if (!stn_trace_is(token->trace))
        return 0;
    own = malloc(sizeof(*own));
    if (!own)
        return -ENOMEM;
    *own = *token->trace; /* the text of `state` is of a token above, which lives longer */
    stn_span_make(&span, token->trace);
    memcpy(own->span_id, span.id, sizeof(own->span_id));
    memcpy(own->parent_id, span.parent, sizeof(own->parent_id));
    own->begin_ns = span.begin_ns;
    token->trace = own;
    token->owns_trace = true;
    token->told = true; /* by its scope, when that ends */
    return 0;
}

static bool
is_static(const struct token *token)
{
    return token == &stn_top || token == &stn_root;
}

int
stint_token_trace(struct stint_token *token, const char *traceparent)
{
    struct trace *trace = calloc(1, sizeof(*trace));
    struct token *t = token_of(token);
    int r = -EINVAL;

    if (!trace)
        return -ENOMEM;
    if (t && !is_static(t) && traceparent &&
        stn_trace_parse(traceparent, strlen(traceparent), trace)) {
        stn_trace_enter(trace);
        r = stn_trace_give(t, trace);
    }
    if (r < 0)
        free(trace);
    return r;
}

/* ---- Spans without a token of their own ------------------------------------------------------- */

const uint8_t *
stn_span_of(const struct stint_thread *thread)
{
    const struct span *open = stn_span_open_of(thread);

    return open ? open->id : thread->task ? thread->task->span.id : thread->span.id;
}

/* Of the calling thread, which may have begun before the process had a trace. */
static const uint8_t *
own_span(void)
{
    struct span *span = stn_self->task ? &stn_self->task->span : &stn_self->span;
    const struct trace *trace = stn_token_trace(stn_self->token);
    const struct span *open = stn_span_open_of(stn_self);

    if (open)
        return open->id;
    if (memcmp(span->id, nothing, sizeof(span->id)) == 0) {
        memcpy(span->parent, trace->span_id, sizeof(span->parent));
        stn_id_make(span->id, sizeof(span->id));
        span->begin_ns = stn_span_begin(trace);
    }
    return span->id;
}

static bool
is_mine(const struct trace *trace)
{
    const struct trace *mine = stn_self ? stn_token_trace(stn_self->token) : NULL;

    return mine &&
           (mine == trace || memcmp(mine->trace_id, trace->trace_id, sizeof(trace->trace_id)) == 0);
}

void
stn_span_make(struct span *span, const struct trace *trace)
{
    *span = (struct span){0};
    if (!stn_trace_is(trace))
        return;
    memcpy(span->parent, is_mine(trace) ? own_span() : trace->span_id, sizeof(span->parent));
    stn_id_make(span->id, sizeof(span->id));
    span->begin_ns = stn_span_begin(trace);
}

static void
descend(struct span *span)
{
    if (memcmp(span->id, nothing, sizeof(span->id)) == 0)
        return;
    memcpy(span->parent, span->id, sizeof(span->parent));
    stn_id_make(span->id, sizeof(span->id));
}

void
stn_spans_after_fork(struct stint_thread *self)
{
    descend(&self->span);
    stn_span_open_descend(self->open, descend);
    for (struct task *task = self->task; task; task = task->outer) {
        descend(&task->span);
        stn_span_open_descend(task->around, descend);
    }
}

/* A token of the very trace that the thread works for means its span: that is what is at work. */
const char *
stn_context(const struct token *token, struct context *ret)
{
    const struct trace *trace = token      ? token->trace
                                : stn_self ? stn_token_trace(stn_self->token)
                                           : NULL;

    if (!trace)
        return stn.initialised ? "unregistered" : "startup";
    if (!stn_trace_is(trace))
        return stn.initialised ? "no-traceparent" : "startup";
    ret->trace = trace;
    ret->span = stn_self && stn_token_trace(stn_self->token) == trace ? own_span() : trace->span_id;
    return NULL;
}

int
stint_trace_ids(struct stint_token *token, char trace_id[33], char span_id[17])
{
    struct context context;

    stn_here();
    trace_id[0] = span_id[0] = '\0';
    if (stn_context(token_of(token), &context))
        return 0;
    stn_hex(trace_id, context.trace->trace_id, sizeof(context.trace->trace_id));
    stn_hex(span_id, context.span, 8);
    return 1;
}
