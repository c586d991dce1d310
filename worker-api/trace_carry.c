/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker-api/state.h"

/* Trace context that comes in and goes out: headers, and the environment of children. */

static bool
is_named(const struct stint_header *header, const char *name)
{
    return header->name_bytes == strlen(name) &&
           strncasecmp(header->name, name, header->name_bytes) == 0;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One traceparent, and a good one. */
static bool
find_parent(const struct stint_header *headers, size_t n, struct trace *ret)
{
    const struct stint_header *found = NULL;
    const char *at;
    size_t bytes;

    for (size_t i = 0; i < n; i++) {
        if (!is_named(&headers[i], "traceparent"))
            continue;
        if (found)
            return false;
        found = &headers[i];
    }
    if (!found)
        return false;
    at = found->value;
    bytes = found->value_bytes;
    for (; bytes > 0 && is_blank(*at); bytes--)
        at++;
    while (bytes > 0 && is_blank(at[bytes - 1]))
        bytes--;
    return stn_trace_parse(at, bytes, ret);
}

static void
find_state(const struct stint_header *headers, size_t n, struct tracestate *list)
{
    for (size_t i = 0; i < n; i++)
        if (is_named(&headers[i], "tracestate"))
            stn_tracestate_add(list, headers[i].value, headers[i].value_bytes);
}

/* With the text of its tracestate behind it. NULL without memory. */
static struct trace *
trace_new(const struct trace *from, const struct tracestate *list)
{
    size_t bytes = stn_tracestate_bytes(list);
    struct trace *trace = malloc(sizeof(*trace) + bytes);

    if (!trace)
        return NULL;
    *trace = *from;
    trace->state = NULL;
    if (bytes > 0) {
        stn_tracestate_put(list, (char *)(trace + 1));
        trace->state = (const char *)(trace + 1);
    }
    return trace;
}

int
stint_trace_extract(struct stint_token *token, const struct stint_header *headers, size_t n)
{
    struct token *t = token_of(token);
    struct tracestate list = {.members = 0};
    struct trace trace = {0}, *own;
    bool goes_on;
    int r;

    if (!t || t == &stn_top || t == &stn_root)
        return -EINVAL;
    stn_here();
    goes_on = find_parent(headers, n, &trace);
    if (goes_on) {
        find_state(headers, n, &list);
        stn_trace_enter(&trace);
    } else {
        stn_trace_begin(&trace);
    }
    own = trace_new(&trace, &list);
    if (!own)
        return -ENOMEM;
    r = stn_trace_give(t, own);
    if (r < 0)
        free(own);
    return r < 0 ? r : goes_on;
}

/* "00-…-…-01" */
void
stn_traceparent_put(const struct trace *trace, const uint8_t *span, char *to)
{
    (void)stpcpy(to, "00-");
    stn_hex(to + 3, trace->trace_id, sizeof(trace->trace_id));
    to[35] = '-';
    stn_hex(to + 36, span, 8);
    to[52] = '-';
    stn_hex(to + 53, &trace->flags, 1);
}

/* Of a new span, whose beginning is all that we see of it. */
static void
put_parent(const struct context *context, char *to, const char *name)
{
    struct span span = {.begin_ns = stn_span_begin(context->trace)};

    stn_id_make(span.id, sizeof(span.id));
    memcpy(span.parent, context->span, sizeof(span.parent));
    stn_traceparent_put(context->trace, span.id, to);
    stn_span_of_call(context->trace, &span, name);
}

int
stint_trace_inject(struct stint_token *token, char traceparent[STINT_TRACEPARENT_MAX],
                   char *tracestate, size_t size)
{
    struct context context;

    stn_here();
    traceparent[0] = '\0';
    if (size > 0)
        tracestate[0] = '\0';
    if (stn_context(token_of(token), &context))
        return 0;
    put_parent(&context, traceparent, "call");
    stn_tracestate_fit(context.trace->state, tracestate, size);
    return 1;
}

static bool
is_ours(const char *entry)
{
    return strncmp(entry, "TRACEPARENT=", 12) == 0 || strncmp(entry, "TRACESTATE=", 11) == 0;
}

char **
stint_trace_environ(struct stint_token *token, char *const *envp)
{
    struct context context = {0};
    const char *state;
    size_t n = 0, used = 0, bytes;
    char **out, *text;

    stn_here();
    (void)stn_context(token_of(token), &context); /* without one there is nothing to say */
    state = context.trace ? context.trace->state : NULL;
    while (envp && envp[n])
        n++;
    bytes = (n + 3) * sizeof(*out) + sizeof("TRACEPARENT=") + STINT_TRACEPARENT_MAX +
            sizeof("TRACESTATE=") + (state ? strlen(state) : 0);
    out = malloc(bytes);
    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (!is_ours(envp[i]))
            out[used++] = envp[i];
    text = (char *)(out + n + 3);
    if (context.trace) {
        out[used++] = text;
        text = stpcpy(text, "TRACEPARENT=");
        put_parent(&context, text, "child process");
        text += STINT_TRACEPARENT_MAX;
    }
    if (state) {
        out[used++] = text;
        (void)stpcpy(stpcpy(text, "TRACESTATE="), state);
    }
    out[used] = NULL;
    return out;
}
