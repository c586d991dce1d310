/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/operator_internal.h"

#define SKIP_MAX  4096 /* lines about other services looked at in one turn: all there can be */
#define LINES_MAX 100000
/* Of what is kept of a thousand services, looked through for a trace: about a millisecond. */
#define TURN_BYTES ((size_t)1 << 20)

/* GET /v1/events and /v1/logs: what is kept of them, and perhaps what comes. */
struct stream {
    struct line_reader base; /* cursor: the last line taken */
    struct journal_watch watch;
    struct journal_reader all; /* logs of all services */
    size_t budget;             /* … of this turn */
    bool output;               /* logs; else events */
};

static void
on_woken(struct journal_watch *w)
{
    control_stream_wake(container_of(w, struct stream, watch)->base.rq);
}

static bool
next_kept(const struct stream *s, struct journal_entry *ret)
{
    const struct journal *j = s->base.op->options.journal;

    return s->output ? journal_output_next(j, s->base.service, s->base.cursor, ret)
                     : journal_events_next(j, s->base.cursor, ret);
}

/* Its own, or one that its text names: a line that is stamped has it in its JSON, too. */
static bool
wanted(const struct stream *s, const struct journal_entry *e)
{
    return (s->output || !s->base.service[0] || strcmp(e->service, s->base.service) == 0) &&
           (!s->base.trace[0] || memmem(e->json, e->bytes, s->base.trace, strlen(s->base.trace)));
}

static bool
next_of_all(struct stream *s, struct journal_entry *ret)
{
    const struct journal_search search = {.trace = s->base.trace[0] ? s->base.trace : NULL,
                                          .cursor = &s->base.cursor,
                                          .budget = &s->budget};

    switch (journal_reader_next(s->base.op->options.journal, &s->all, &search, ret)) {
    case JOURNAL_FOUND:
        return true;
    case JOURNAL_LATER:
        s->base.later = true;
        return false;
    case JOURNAL_NOTHING:
    default:
        return false;
    }
}

static bool
next_entry(struct stream *s, struct journal_entry *ret)
{
    if (s->output && !s->base.service[0])
        return next_of_all(s, ret);
    for (int i = 0; i < SKIP_MAX; i++) {
        if (!next_kept(s, ret))
            return false;
        if (wanted(s, ret))
            return true;
        s->base.cursor = ret->seq;
    }
    return false;
}

static bool
fill(struct line_reader *r)
{
    struct stream *s = container_of(r, struct stream, base);
    struct journal_entry e;
    uint64_t since = r->cursor;

    if (!next_entry(s, &e))
        return false;
    if (e.lost > 0 && since > 0 &&
        !r->trace[0]) /* a reader slower than the ring, not one that asked for all */
        text_addf(&r->line, "{\"event\":\"lost\",\"lost\":%" PRIu64 "}\n", e.lost);
    text_addn(&r->line, e.json, e.bytes);
    text_add(&r->line, "\n");
    r->cursor = e.seq;
    return true;
}

static void
turn(struct line_reader *r)
{
    container_of(r, struct stream, base)->budget = TURN_BYTES;
}

static void
on_finish(struct line_reader *r)
{
    struct stream *s = container_of(r, struct stream, base);

    journal_watch_remove(&s->watch);
    journal_reader_finish(&s->all);
    free(s);
}

/* False: the request was answered with what is wrong. */
static bool
read_query(struct stream *s, struct desk *op, struct control_request *rq)
{
    const struct journal *j = op->options.journal;
    struct line_reader *r = &s->base;
    const char *name;
    uint64_t lines = LINES_MAX, tail;

    if (!line_reader_asks(r, op, rq) || !operator_query_number(rq, "lines", LINES_MAX, &lines))
        return false;
    name = r->service[0] ? r->service : NULL;
    if (!control_query(rq, "lines"))
        return true;
    tail = s->output ? journal_output_tail(j, name, (size_t)lines)
                     : journal_events_tail(j, name, (size_t)lines);
    if (tail > r->cursor) /* both: the last of what came after it */
        r->cursor = tail;
    return true;
}

static void
stream_begin(struct desk *op, struct control_request *rq, bool output)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (!s) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    s->base.fill = fill;
    s->base.finish = on_finish;
    s->base.turn = turn;
    s->output = output;
    s->watch.woken = on_woken;
    if (!read_query(s, op, rq)) {
        free(s);
        return;
    }
    journal_watch_add(op->options.journal, &s->watch);
    line_reader_begin(&s->base);
}

void
operator_events(struct desk *op, struct control_request *rq)
{
    stream_begin(op, rq, false);
}

void
operator_logs(struct desk *op, struct control_request *rq)
{
    stream_begin(op, rq, true);
}
