/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/journal_kept.h"
#include "supervisor/io/journal_state.h"

struct output *
journal_output_find(const struct journal *j, const char *service)
{
    for (struct table_node *n = table_find(&j->outputs_by_name, table_key(service)); n;
         n = table_next(n)) {
        struct output *o = container_of(n, struct output, by_name);

        if (strcmp(o->service, service) == 0)
            return o;
    }
    return NULL;
}

static struct journal_entry
entry_of(const struct journal_ring *ring, const struct journal_slot *s)
{
    return (struct journal_entry){
        .seq = s->seq,
        .service = journal_ring_service(ring, s),
        .json = journal_ring_json(ring, s),
        .bytes = s->json,
        .generation = s->generation,
        .pid = s->pid,
    };
}

bool
journal_events_next(const struct journal *j, uint64_t after, struct journal_entry *ret)
{
    const struct journal_slot *s = journal_ring_after(&j->events, after);

    if (!s)
        return false;
    *ret = entry_of(&j->events, s);
    ret->generation = 0;
    ret->lost = s->seq - after - 1; /* events are numbered without gaps */
    return true;
}

uint64_t
journal_events_tail(const struct journal *j, const char *service, size_t lines)
{
    uint64_t after = j->last_event;

    for (unsigned i = j->events.n; i > 0 && lines > 0; i--) {
        const struct journal_slot *s = journal_ring_at(&j->events, i - 1);

        if (service && strcmp(journal_ring_service(&j->events, s), service) != 0)
            continue;
        after = s->seq - 1;
        lines--;
    }
    return after;
}

struct journal_entry
journal_show(const struct journal *j, const struct journal_ring *ring, const struct journal_slot *s)
{
    struct journal_entry e = entry_of(ring, s);

    if (kept_is_raw(e.json, e.bytes)) {
        e.text = e.json + sizeof(struct kept_head);
        e.text_bytes = e.bytes - sizeof(struct kept_head);
    }
    text_clear(j->shown);
    kept_show(s, e.service, e.json, j->shown);
    if (j->shown->failed)
        text_clear(j->shown);
    e.json = text_str(j->shown);
    e.bytes = j->shown->bytes;
    return e;
}

bool
journal_output_next(const struct journal *j, const char *service, uint64_t after,
                    struct journal_entry *ret)
{
    const struct journal_slot *best = NULL;
    const struct output *of = NULL;

    journal_settle(j);
    list_for_each (pos, &j->outputs) {
        const struct output *o = container_of(pos, struct output, node);
        const struct journal_slot *s;

        if (service && strcmp(o->service, service) != 0)
            continue;
        s = journal_ring_after(&o->ring, after);
        if (s && (!best || s->seq < best->seq)) {
            best = s;
            of = o;
        }
    }
    if (!best)
        return false;
    *ret = journal_show(j, &of->ring, best);
    ret->lost = of->ring.evicted > after ? 1 : 0;
    return true;
}

bool
journal_recent_next(const struct journal *j, uint64_t after, struct journal_entry *ret)
{
    const struct journal_slot *s = journal_ring_after(&j->recent, after);

    while (s && s->json == 0) /* a service was forgotten here */
        s = journal_ring_after(&j->recent, s->seq);
    if (!s)
        return false;
    *ret = journal_show(j, &j->recent, s);
    ret->lost = s->seq - after - 1; /* output is numbered without gaps, too */
    return true;
}

/* How many lines @service (NULL: all) has kept with a number above @after; @most + 1: more than @most. */
static size_t
count_after(const struct journal *j, const char *service, uint64_t after, size_t most)
{
    size_t n = 0;

    list_for_each (pos, &j->outputs) {
        const struct output *o = container_of(pos, struct output, node);

        if (service && strcmp(o->service, service) != 0)
            continue;
        for (unsigned i = o->ring.n; i > 0 && journal_ring_at(&o->ring, i - 1)->seq > after; i--)
            if (n++ == most)
                return n;
    }
    return n;
}

uint64_t
journal_output_tail(const struct journal *j, const char *service, size_t lines)
{
    uint64_t low = 0, high = j->last_output;

    journal_settle(j);
    while (low < high) { /* the smallest cursor with at most @lines behind it */
        uint64_t middle = low + (high - low) / 2;

        if (count_after(j, service, middle, lines) <= lines)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void
add_message(struct text *out, const char *json, size_t bytes)
{
    json_t *line = json_loadb(json, bytes, JSON_ALLOW_NUL, NULL);
    const char *msg = json_string_value(json_object_get(line, "msg"));

    if (msg && out->bytes > 0)
        text_add(out, "\n");
    if (msg)
        text_add(out, msg);
    json_decref(line);
}

static bool
wanted(const struct journal_slot *s, const struct journal_query *q)
{
    return (q->generation == 0 || s->generation == q->generation) &&
           (q->pid == 0 || s->pid == q->pid);
}

void
journal_last_lines(const struct journal *j, const struct journal_query *q, struct text *out)
{
    const struct output *o = journal_output_find(j, q->service);
    unsigned from;

    journal_settle(j);
    from = o ? o->ring.n : 0;
    for (size_t found = 0; from > 0 && found < q->max; from--)
        if (wanted(journal_ring_at(&o->ring, from - 1), q))
            found++;
    for (unsigned i = from; o && i < o->ring.n; i++) {
        const struct journal_slot *s = journal_ring_at(&o->ring, i);
        struct journal_entry e;

        if (!wanted(s, q))
            continue;
        e = journal_show(j, &o->ring, s);
        add_message(out, e.json, e.bytes);
    }
}

void
journal_watch_add(struct journal *j, struct journal_watch *w)
{
    list_add(&j->watches, &w->node);
}

void
journal_watch_remove(struct journal_watch *w)
{
    list_del(&w->node);
}

void
journal_counters(const struct journal *j, struct journal_counters *ret)
{
    *ret = (struct journal_counters){
        .written_lines = j->sink.written_lines,
        .dropped_lines = j->sink.dropped_lines,
        .events = j->last_event,
        .output_lines = j->last_output,
        .buffered_bytes = journal_queue_bytes(&j->sink.queue),
        .broken = j->sink.broken,
    };
}
