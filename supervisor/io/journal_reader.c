/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/journal_kept.h"
#include "supervisor/io/journal_state.h"

/*
 * The output of all services in the order of its numbers: a heap of where each ring goes on, good until a line is
 * added. Looked through for a trace, the last lines of all are one ring more: of who prints much they are further back
 * than his own.
 */

#define LINE_COST 256 /* of a budget of bytes: what a line is, however short */

void
journal_reader_finish(struct journal_reader *r)
{
    free(r->heads);
    *r = (struct journal_reader){0};
}

static void
sink(struct journal_reader *r, size_t at)
{
    struct journal_head head = r->heads[at];
    size_t child;

    while ((child = at * 2 + 1) < r->n) {
        if (child + 1 < r->n && r->heads[child + 1].seq < r->heads[child].seq)
            child++;
        if (head.seq <= r->heads[child].seq)
            break;
        r->heads[at] = r->heads[child];
        at = child;
    }
    r->heads[at] = head;
}

static void
add(struct journal_reader *r, const struct journal_ring *ring, uint64_t after)
{
    const struct journal_slot *s = journal_ring_after(ring, after);
    unsigned i;

    if (!s)
        return;
    i = (unsigned)((size_t)(s - ring->slots) + ring->max - ring->taken % ring->max) % ring->max;
    r->heads[r->n++] = (struct journal_head){ring, s->seq, i};
}

/* False: no memory. */
static bool
begin(const struct journal *j, struct journal_reader *r, uint64_t after, bool recent)
{
    if (r->room < j->n_outputs + 1u) {
        struct journal_head *more = reallocarray(r->heads, j->n_outputs + 1u, sizeof(*more));

        if (!more)
            return false;
        r->heads = more;
        r->room = j->n_outputs + 1u;
    }
    r->n = 0;
    journal_settle(j);
    if (recent)
        add(r, &j->recent, after);
    if (!recent || after < j->recent.evicted) /* else all that came is there */
        list_for_each (pos, &j->outputs)
            add(r, &container_of(pos, struct output, node)->ring, after);
    for (size_t i = r->n / 2; i > 0; i--)
        sink(r, i - 1);
    r->as_of = j->changes;
    r->after = after;
    return true;
}

/* The first of all, which is no head any more. */
static struct journal_head
take(struct journal_reader *r)
{
    struct journal_head first = r->heads[0];

    if (first.i + 1 < first.ring->n) {
        r->heads[0].i++;
        r->heads[0].seq = journal_ring_at(first.ring, first.i + 1)->seq;
    } else {
        r->heads[0] = r->heads[--r->n];
    }
    if (r->n > 0)
        sink(r, 0);
    r->after = first.seq;
    return first;
}

/* As its own, or in its text. */
static bool
has_trace(const char *record, size_t n, const char *trace)
{
    const size_t digits = sizeof(((struct kept_head *)0)->trace);

    if (!kept_is_raw(record, n))
        return memmem(record, n, trace, digits) != NULL;
    return memcmp(record + offsetof(struct kept_head, trace), trace, digits) == 0 ||
           memmem(record + sizeof(struct kept_head), n - sizeof(struct kept_head), trace, digits);
}

enum journal_found
journal_reader_next(const struct journal *j, struct journal_reader *r,
                    const struct journal_search *search, struct journal_entry *ret)
{
    uint64_t since = *search->cursor;

    if (r->as_of != j->changes || r->after != since)
        if (!begin(j, r, since, search->trace != NULL))
            return JOURNAL_NOTHING;
    while (r->n > 0) {
        struct journal_head head = {0};
        const struct journal_slot *s;
        size_t cost;

        if (*search->budget == 0)
            return JOURNAL_LATER;
        head = take(r);
        s = journal_ring_at(head.ring, head.i);
        cost = LINE_COST + (search->trace ? s->json : 0u);
        *search->budget -= cost < *search->budget ? cost : *search->budget;
        if (head.seq == *search->cursor || s->json == 0) /* in two rings; a service was forgotten */
            continue;
        *search->cursor = head.seq;
        if (search->trace && !has_trace(journal_ring_json(head.ring, s), s->json, search->trace))
            continue;
        *ret = journal_show(j, head.ring, s);
        ret->lost = head.ring->evicted > since ? 1 : 0;
        return JOURNAL_FOUND;
    }
    return JOURNAL_NOTHING;
}
