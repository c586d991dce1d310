/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/export_state.h"

/*
 * From where they are kept into the queue, as they come: a line that is in the journal's memory and not in the queue
 * yet when a master is killed is taken by the next one, which knows how far this one was.
 */

static void
put(struct exporter *x, enum otlp_signal signal, enum export_source source, uint64_t seq,
    const char *bytes, size_t n)
{
    struct lane *l = &x->lane[signal];

    if (!export_queue_put(&x->queue, signal, source, seq, bytes, n))
        l->full = true;
    export_came(l);
}

/* ---- lines ---------------------------------------------------------------------------------------- */

typedef bool next_fn(const struct journal *j, uint64_t after, struct journal_entry *ret);

static void
take_lines(struct exporter *x, enum export_source source, next_fn *next)
{
    export_u64 *seen = &x->queue.shared->seen[source];
    struct journal_entry e;
    uint64_t after;

    while (next(x->options.journal, after = atomic_load(seen), &e)) {
        if (e.seq > after + 1)
            export_queue_drop(&x->queue, OTLP_LOGS, EXPORT_MISSED, e.seq - after - 1);
        put(x, OTLP_LOGS, source, e.seq, e.json, e.bytes);
        EDGE("export-queued");
    }
}

static void
on_lines(struct journal_watch *w)
{
    struct exporter *x = container_of(w, struct exporter, lines);

    take_lines(x, EXPORT_EVENTS, journal_events_next);
    take_lines(x, EXPORT_OUTPUT, journal_recent_next);
}

/* ---- spans ---------------------------------------------------------------------------------------- */

static void
on_ends(struct spans_watch *w)
{
    struct exporter *x = container_of(w, struct exporter, ends);
    const struct span *span;
    uint64_t lost = 0;

    while ((span = spans_next(x->options.spans, x->spans_seen, &lost)) != NULL) {
        x->spans_seen = span->seq;
        if (lost > 0)
            export_queue_drop(&x->queue, OTLP_TRACES, EXPORT_MISSED, lost);
        if (span->of_worker ? !x->settings.spans : !x->settings.reloads)
            continue;
        text_clear(&x->span);
        span_json(span, &x->span);
        if (x->span.failed)
            export_queue_drop(&x->queue, OTLP_TRACES, EXPORT_MISSED, 1);
        else
            put(x, OTLP_TRACES, EXPORT_SPANS, span->seq, text_str(&x->span), x->span.bytes);
        EDGE("export-queued");
    }
    if (lost > 0) { /* behind the last one there is */
        export_queue_drop(&x->queue, OTLP_TRACES, EXPORT_MISSED, lost);
        x->spans_seen = spans_last(x->options.spans);
    }
    spans_taken(x->options.spans, x->spans_seen);
}

/* ---- on and off ------------------------------------------------------------------------------------ */

/* A journal that lost its memory counts anew, and what it has counted until now may not be wanted. */
static void
begin_behind(struct exporter *x, enum export_source source, uint64_t last, bool all)
{
    export_u64 *seen = &x->queue.shared->seen[source];

    if (!all || atomic_load(seen) > last)
        atomic_store(seen, last);
}

void
export_feed_begin(struct exporter *x, bool all)
{
    struct journal_counters c;

    export_feed_end(x);
    journal_counters(x->options.journal, &c);
    begin_behind(x, EXPORT_EVENTS, c.events, all);
    begin_behind(x, EXPORT_OUTPUT, c.output_lines, all);
    if (x->options.spans && !all)
        x->spans_seen = spans_last(x->options.spans);
    if (x->settings.logs) {
        x->lines.woken = on_lines;
        journal_watch_add(x->options.journal, &x->lines);
        on_lines(&x->lines);
    }
    if (x->options.spans) {
        x->ends.woken = on_ends;
        spans_watch_add(x->options.spans, &x->ends);
        on_ends(&x->ends);
    }
}

void
export_feed_end(struct exporter *x)
{
    journal_watch_remove(&x->lines);
    spans_watch_remove(&x->ends);
}
