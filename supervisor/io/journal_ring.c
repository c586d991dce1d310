/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Make the memory real. By memset() gcc would make it a calloc(), whose pages are promises. */
static void
touch_pages(void *memory, size_t bytes)
{
    volatile char *at = memory;

    for (size_t i = 0; i < bytes; i += 4096)
        at[i] = 0;
}

int
journal_ring_init(struct journal_ring *r, unsigned lines, size_t bytes, bool touch)
{
    *r = (struct journal_ring){.room = bytes, .max = lines};
    r->data = malloc(bytes);
    r->slots = calloc(lines, sizeof(*r->slots));
    if (!r->data || !r->slots) {
        journal_ring_finish(r);
        return -ENOMEM;
    }
    if (touch) {
        touch_pages(r->data, bytes);
        touch_pages(r->slots, lines * sizeof(*r->slots));
    }
    return 0;
}

void
journal_ring_finish(struct journal_ring *r)
{
    free(r->data);
    free(r->slots);
    *r = (struct journal_ring){0};
}

const struct journal_slot *
journal_ring_at(const struct journal_ring *r, unsigned i)
{
    return &r->slots[(r->first + i) % r->max];
}

static void
evict(struct journal_ring *r)
{
    r->evicted = r->slots[r->first].seq;
    r->first = (r->first + 1) % r->max;
    r->n--;
}

static bool
overlaps(const struct journal_ring *r, size_t from, size_t to)
{
    const struct journal_slot *s = &r->slots[r->first];
    size_t end = (size_t)s->at + s->service + s->json + 2;

    return s->at < to && from < end;
}

/* Lines lie in order around the block, so the oldest are the only ones that can be in the way. */
static size_t
make_place(struct journal_ring *r, size_t bytes)
{
    size_t at = r->head;

    if (at + bytes > r->room) {
        while (r->n > 0 && r->slots[r->first].at >= at)
            evict(r);
        at = 0;
    }
    while (r->n > 0 && (r->n == r->max || overlaps(r, at, at + bytes)))
        evict(r);
    return at;
}

bool
journal_ring_add(struct journal_ring *r, const struct journal_slot *slot, const char *service,
                 const char *json, size_t json_bytes)
{
    size_t service_bytes = strlen(service);
    size_t bytes = service_bytes + json_bytes + 2;
    struct journal_slot *s;
    size_t at;

    if (bytes > r->room)
        return false;
    at = make_place(r, bytes);
    s = &r->slots[(r->first + r->n) % r->max];
    *s = *slot;
    s->at = (uint32_t)at;
    s->service = (uint32_t)service_bytes;
    s->json = (uint32_t)json_bytes;
    memcpy(r->data + at, service, service_bytes + 1);
    memcpy(r->data + at + service_bytes + 1, json, json_bytes);
    r->data[at + bytes - 1] = '\0';
    r->head = at + bytes;
    r->n++;
    return true;
}

const struct journal_slot *
journal_ring_after(const struct journal_ring *r, uint64_t after)
{
    unsigned low = 0, high = r->n; /* numbers increase, so halve */

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (journal_ring_at(r, middle)->seq > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low < r->n ? journal_ring_at(r, low) : NULL;
}
