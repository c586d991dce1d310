/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/operator_internal.h"
#include "supervisor/io/spans.h"

/* GET /v1/spans: the newest finished ones, and perhaps what comes. */

struct span_stream {
    struct line_reader base; /* cursor: the last one taken */
    struct spans_watch watch;
    uint64_t
        until; /* who does not follow is given what there was: workers may end spans faster than he reads */
};

static void
on_woken(struct spans_watch *w)
{
    control_stream_wake(container_of(w, struct span_stream, watch)->base.rq);
}

/* At most SPANS_MAX are looked at. */
static bool
fill(struct line_reader *r)
{
    struct span_stream *s = container_of(r, struct span_stream, base);
    const struct span *span;
    uint64_t lost;

    while ((span = spans_next(r->op->options.spans, r->cursor, &lost)) != NULL &&
           span->seq <= s->until) {
        r->cursor = span->seq;
        if ((r->service[0] && strcmp(r->service, span->service) != 0) ||
            (r->trace[0] && strcmp(r->trace, span->trace) != 0))
            continue;
        span_json(span, &r->line);
        text_add(&r->line, "\n");
        return true;
    }
    return false;
}

static void
on_finish(struct line_reader *r)
{
    struct span_stream *s = container_of(r, struct span_stream, base);

    spans_watch_remove(&s->watch);
    free(s);
}

void
operator_spans(struct desk *op, struct control_request *rq)
{
    struct span_stream *s = op->options.spans ? calloc(1, sizeof(*s)) : NULL;

    if (!s) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    s->base.fill = fill;
    s->base.finish = on_finish;
    s->watch.woken = on_woken;
    if (!line_reader_asks(&s->base, op, rq)) {
        free(s);
        return;
    }
    s->until = s->base.follow ? UINT64_MAX : spans_last(op->options.spans);
    spans_watch_add(op->options.spans, &s->watch);
    line_reader_begin(&s->base);
}
