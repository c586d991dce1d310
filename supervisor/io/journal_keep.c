/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (j->late.output == o)
        j->late.output = NULL;
    journal_ring_finish(&o->ring);
    free(o);
    j->n_outputs--;
}

struct output *
journal_output_make(struct journal *j, const char *service)
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
        struct output *o =
            s->json > 0 ? journal_output_make(j, service) : journal_output_find(j, service);

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

void
journal_forget(struct journal *j, const char *service)
{
    const struct journal_slot slot = {.seq = j->last_output};
    struct output *o = journal_output_find(j, service);

    if (!o)
        return;
    journal_settle(j);
    output_free(j, o);
    (void)journal_ring_add(&j->recent, &slot, service, "", 0); /* it always fits */
    j->changes++;
}
