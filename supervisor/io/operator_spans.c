/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/operator_internal.h"
#include "supervisor/io/spans.h"

/* GET /v1/spans: the newest finished ones, and perhaps what comes. */

struct span_stream {
    struct list node; /* in desk.spans */
    struct spans_watch watch;
    struct desk *op;
    struct control_request *rq; /* borrowed: finish() comes before it dies */
    bool follow;
    char service[65], trace[33]; /* "" = all */
    uint64_t cursor;
    uint64_t
        until; /* who does not follow is given what there was: workers may end spans faster than he reads */
    struct text line;
    size_t sent;
};

static void
on_woken(struct spans_watch *w)
{
    control_stream_wake(container_of(w, struct span_stream, watch)->rq);
}

/* At most SPANS_MAX are looked at. False: nothing (yet). */
static bool
fill(struct span_stream *s)
{
    const struct span *span;
    uint64_t lost;

    while ((span = spans_next(s->op->options.spans, s->cursor, &lost)) != NULL &&
           span->seq <= s->until) {
        s->cursor = span->seq;
        if ((s->service[0] && strcmp(s->service, span->service) != 0) ||
            (s->trace[0] && strcmp(s->trace, span->trace) != 0))
            continue;
        text_clear(&s->line);
        s->sent = 0;
        span_json(span, &s->line);
        text_add(&s->line, "\n");
        return !s->line.failed;
    }
    return false;
}

static long
on_next(void *data, char *buf, size_t room)
{
    struct span_stream *s = data;
    size_t used = 0;

    while (used < room && (s->sent < s->line.bytes || fill(s))) {
        size_t left = s->line.bytes - s->sent, n = left < room - used ? left : room - used;

        memcpy(buf + used, s->line.data + s->sent, n);
        s->sent += n;
        used += n;
    }
    if (used > 0)
        return (long)used;
    return s->follow && !s->op->closing ? 0 : -1;
}

static void
on_finish(void *data)
{
    struct span_stream *s = data;

    spans_watch_remove(&s->watch);
    list_del(&s->node);
    text_finish(&s->line);
    free(s);
}

/* False: it was answered with what is wrong. */
static bool
read_query(struct span_stream *s)
{
    const char *service = control_query(s->rq, "service"), *trace = control_query(s->rq, "trace");

    if (service && !operator_service(s->op, s->rq, service))
        return false;
    if (service)
        memcpy(s->service, service, strlen(service) + 1); /* as long as a service's own name */
    if (trace && strlen(trace) != sizeof(s->trace) - 1) {
        control_answer_error(s->rq, 400, "bad-trace", "a trace is 32 digits of 0-9 and a-f");
        return false;
    }
    if (trace)
        memcpy(s->trace, trace, sizeof(s->trace));
    return operator_query_number(s->rq, "since", INT64_MAX, &s->cursor);
}

void
operator_spans(struct desk *op, struct control_request *rq)
{
    struct span_stream *s = op->options.spans ? calloc(1, sizeof(*s)) : NULL;

    if (!s) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    s->op = op;
    s->rq = rq;
    list_init(&s->watch.node);
    s->watch.woken = on_woken;
    s->follow = operator_query_flag(rq, "follow");
    s->until = s->follow ? UINT64_MAX : spans_last(op->options.spans);
    if (!read_query(s)) {
        free(s);
        return;
    }
    list_add(&op->spans, &s->node);
    spans_watch_add(op->options.spans, &s->watch);
    control_answer_stream(
        rq, &(struct control_stream){.next = on_next, .finish = on_finish, .data = s});
}

void
operator_end_spans(struct desk *op)
{
    list_for_each (pos, &op->spans)
        control_stream_wake(container_of(pos, struct span_stream, node)->rq);
}
