/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/export_state.h"
#include "supervisor/io/lint_line.h"

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

/* Its own span, beside the trace that is known to be its own; by the usual keys alone. */
static void
add_span(struct exporter *x, struct journal_entry *e)
{
    static const struct lint_keys keys = {.format = TRACE_AUTO};
    char trace[48];
    struct lint_found found;

    if (!e->text)
        return;
    (void)lint_find_ids(&keys, e->text, e->text_bytes, &found);
    if (found.trace != LINT_GOOD || found.span != LINT_GOOD)
        return;
    (void)snprintf(trace, sizeof(trace), "\"trace\":\"%.32s\"", found.trace_id);
    if (!memmem(e->json, e->bytes, trace, strlen(trace)))
        return; /* quotes are escaped in what it says itself: this is the key */
    text_clear(&x->row);
    text_addn(&x->row, e->json, e->bytes - 1);
    text_addf(&x->row, ",\"span\":\"%.16s\"}", found.span_id);
    if (x->row.failed)
        return;
    e->json = text_str(&x->row);
    e->bytes = x->row.bytes;
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
        add_span(x, &e);
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
        text_clear(&x->row);
        span_json(span, &x->row);
        if (x->row.failed)
            export_queue_drop(&x->queue, OTLP_TRACES, EXPORT_MISSED, 1);
        else
            put(x, OTLP_TRACES, EXPORT_SPANS, span->seq, text_str(&x->row), x->row.bytes);
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
