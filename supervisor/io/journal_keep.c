/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "supervisor/io/journal_kept.h"
#include "supervisor/io/journal_state.h"

#define OUTPUTS_MAX 1024 /* services whose output is kept */

static void
output_free(struct journal *j, struct output *o)
{
    j->changes++;
    list_del(&o->node);
    table_remove(&j->outputs_by_name, &o->by_name);
    if (j->newest == o)
        j->newest = NULL;
    journal_ring_finish(&o->ring);
    free(o);
    j->n_outputs--;
}

static struct output *
output_get(struct journal *j, const char *service)
{
    struct output *o = j->newest;

    if (!o || strcmp(o->service, service) != 0)
        o = j->newest = journal_output_find(j, service);
    if (o || j->n_outputs == OUTPUTS_MAX)
        return o;
    o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    if (journal_ring_init(&o->ring, JOURNAL_OUTPUT_LINES, JOURNAL_OUTPUT_BYTES) < 0) {
        free(o);
        return NULL;
    }
    o->ring.raw = true;
    (void)snprintf(o->service, sizeof(o->service), "%s", service); /* names are at most 64 bytes */
    table_add(&j->outputs_by_name, &o->by_name, table_key(o->service));
    list_add(&j->outputs, &o->node);
    j->n_outputs++;
    j->changes++;
    return o;
}

/* The output of each service, from the last lines of all. One without JSON is a service forgotten. */
static void
fill_outputs(struct journal *j)
{
    for (unsigned i = 0; i < j->recent.n; i++) {
        const struct journal_slot *s = journal_ring_at(&j->recent, i);
        const char *service = journal_ring_service(&j->recent, s);
        struct output *o = s->json > 0 ? output_get(j, service) : journal_output_find(j, service);

        if (!o)
            continue;
        if (s->json == 0) {
            output_free(j, o);
            continue;
        }
        if (kept_has_gap(journal_ring_json(&j->recent, s), s->json))
            journal_ring_pass(&o->ring, s->seq - 1);
        if (o->ring.evicted < j->recent.evicted) /* any of them may have been of this service */
            o->ring.evicted = j->recent.evicted;
        (void)journal_ring_add(&o->ring, s, service, journal_ring_json(&j->recent, s),
                               s->json); /* a line larger than the ring is not kept */
    }
}

/* The last number given: the slot is filled before it is written down. */
static uint64_t
last_number(shared_u64 *kept, const struct journal_ring *ring)
{
    uint64_t last = shared_load(kept);
    uint64_t newest = ring->n > 0 ? journal_ring_at(ring, ring->n - 1)->seq : 0;

    if (last > SHARED_MAX || last < newest)
        last = newest;
    return last;
}

int
journal_keep_attach(struct journal *j)
{
    struct journal_memory *m = &j->memory;
    const struct journal_ring_area event_area = {
        .shared = &m->header->events,
        .slots = m->event_slots,
        .data = m->event_data,
        .bytes = MEMORY_EVENT_BYTES,
        .lines = JOURNAL_EVENTS_MAX,
    };
    const struct journal_ring_area output_area = {
        .shared = &m->header->outputs,
        .slots = m->output_slots,
        .data = m->output_data,
        .bytes = MEMORY_OUTPUT_BYTES,
        .lines = MEMORY_OUTPUT_LINES,
        .raw = true,
    };
    int events = journal_ring_attach(&j->events, &event_area);
    int outputs = journal_ring_attach(&j->recent, &output_area);

    j->last_event = last_number(&m->header->last_event, &j->events);
    j->last_output = last_number(&m->header->last_output, &j->recent);
    fill_outputs(j);
    j->changes++;
    return events < 0 ? events : outputs;
}

void
journal_keep_finish(struct journal *j)
{
    list_for_each_safe (pos, &j->outputs)
        output_free(j, container_of(pos, struct output, node));
    table_finish(&j->outputs_by_name);
    journal_ring_finish(&j->events);
    journal_ring_finish(&j->recent);
}

void
journal_keep_event(struct journal *j, const struct journal_line *l)
{
    struct journal_slot slot = {
        .seq = j->last_event + 1, .generation = l->generation, .pid = l->pid};

    (void)journal_ring_add(&j->events, &slot, l->service ? l->service : "", j->record.data,
                           j->record.bytes); /* a line larger than the ring shows up as lost */
    j->last_event = slot.seq;
    shared_store(&j->memory.header->last_event, j->last_event);
}

static struct kept_head
head_of(const struct journal_origin *from, const struct journal_text *line, int64_t wall_us)
{
    struct kept_head head = {.form = KEPT_RAW, .slot = from->slot, .wall_us = wall_us};
    const char *trace = line->trace ? line->trace : from->trace;

    head.flags = (uint8_t)((line->flags & JOURNAL_OUTPUT_CUT ? KEPT_CUT : 0) |
                           (line->flags & JOURNAL_OUTPUT_LAST ? KEPT_LAST : 0) |
                           (line->flags & JOURNAL_OUTPUT_AGAIN ? KEPT_AGAIN : 0));
    if (strcmp(from->stream, "stderr") == 0)
        head.flags |= KEPT_STDERR;
    if (trace)
        memcpy(head.trace, trace, strnlen(trace, sizeof(head.trace)));
    return head;
}

/* The first of those that will have a place in @r when all of them are in: the ones before it had theirs. */
static size_t
first_that_stays(const struct journal_ring *r, const char *service,
                 const struct journal_text *lines, size_t n)
{
    const size_t each = strlen(service) + 2 + sizeof(struct kept_head);
    size_t bytes = 0, first = n;

    while (first > 0 && n - first < r->max) {
        bytes += each + lines[first - 1].n;
        if (bytes > r->room)
            break;
        first--;
    }
    return first;
}

void
journal_keep_output(struct journal *j, const struct journal_origin *from,
                    const struct journal_text *lines, size_t n)
{
    struct output *o = output_get(j, from->service);
    size_t recent = first_that_stays(&j->recent, from->service, lines, n);
    size_t own = o ? first_that_stays(&o->ring, from->service, lines, n) : n;
    size_t first = o && own > recent ? own : recent; /* of the ones before nobody would find them */
    struct journal_slot slot = {.generation = from->generation, .pid = from->pid};
    int64_t wall_us = wall_now_us();

    if (recent > 0)
        journal_ring_pass(&j->recent, j->last_output + recent);
    if (o && own > 0)
        journal_ring_pass(&o->ring, j->last_output + own);
    for (size_t i = first < own ? first : own; i < n; i++) {
        struct kept_head head = head_of(from, &lines[i], wall_us);
        const struct iovec parts[2] = {
            {&head,                             sizeof(head)},
            {(void *)(uintptr_t)lines[i].bytes, lines[i].n  },
        };

        if (i > 0 && i == first)
            head.flags |= KEPT_GAP;
        slot.seq = j->last_output + 1 + i;
        if (i >= first) /* a line larger than a ring shows up as lost */
            (void)journal_ring_add_parts(&j->recent, &slot, from->service, parts);
        if (o && i >= own)
            (void)journal_ring_add_parts(&o->ring, &slot, from->service, parts);
    }
    j->last_output += n;
    j->changes++;
    shared_store(&j->memory.header->last_output, j->last_output);
}

size_t
journal_keep_portion(const struct journal_text *lines, size_t n)
{
    size_t bytes = 0, i = 0;

    do
        bytes += lines[i++].n;
    while (i < n && i < JOURNAL_OUTPUT_LINES / 2 && bytes < JOURNAL_OUTPUT_BYTES / 4);
    return i;
}

void
journal_forget(struct journal *j, const char *service)
{
    const struct journal_slot slot = {.seq = j->last_output};
    struct output *o = journal_output_find(j, service);

    if (!o)
        return;
    output_free(j, o);
    (void)journal_ring_add(&j->recent, &slot, service, "", 0); /* it always fits */
    j->changes++;
}
