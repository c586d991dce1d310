/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/io/journal_kept.h"

#define SERVICE_BYTES 64 /* of a name, at most */

int
journal_ring_init(struct journal_ring *r, unsigned lines, size_t bytes)
{
    *r = (struct journal_ring){.room = bytes, .max = lines};
    r->data = malloc(bytes);
    r->slots = calloc(lines, sizeof(*r->slots));
    if (!r->data || !r->slots) {
        journal_ring_finish(r);
        return -ENOMEM;
    }
    return 0;
}

void
journal_ring_finish(struct journal_ring *r)
{
    if (!r->shared) {
        free(r->data);
        free(r->slots);
    }
    *r = (struct journal_ring){0};
}

const struct journal_slot *
journal_ring_at(const struct journal_ring *r, unsigned i)
{
    return &r->slots[(r->taken + i) % r->max];
}

static size_t
slot_end(const struct journal_slot *s)
{
    return (size_t)s->at + s->service + s->json + 2;
}

/* Two texts, each ended by its only NUL; one line of JSON has no newline in it. Raw ones hold any bytes. */
static bool
slot_is_sound(const struct journal_ring *r, const struct journal_slot *s)
{
    const char *json;

    if (s->service > SERVICE_BYTES || s->seq > SHARED_MAX || slot_end(s) > r->room)
        return false;
    if (strnlen(r->data + s->at, (size_t)s->service + 1) != s->service)
        return false;
    json = journal_ring_json(r, s);
    if (r->raw && kept_is_raw(json, s->json))
        return json[s->json] == '\0';
    for (uint32_t i = 0; i < s->json; i++)
        if ((unsigned char)json[i] < ' ')
            return false;
    return json[s->json] == '\0';
}

/* Lines lie one behind the other, and go back to the start of the block once at most. */
static bool
slots_are_sound(const struct journal_ring *r)
{
    const struct journal_slot *before = NULL;
    bool turned = false;

    for (unsigned i = 0; i < r->n; i++) {
        const struct journal_slot *s = journal_ring_at(r, i);

        if (!slot_is_sound(r, s))
            return false;
        if (before && s->seq < before->seq)
            return false;
        if (before && s->at != slot_end(before)) {
            if (turned || s->at != 0)
                return false;
            turned = true;
        }
        if (turned && slot_end(s) > journal_ring_at(r, 0)->at)
            return false;
        before = s;
    }
    return true;
}

int
journal_ring_attach(struct journal_ring *r, const struct journal_ring_area *area)
{
    struct journal_ring_shared *shared = area->shared;
    uint64_t put = shared_load(&shared->put), taken = shared_load(&shared->taken);
    uint64_t evicted = shared_load(&shared->evicted);

    *r = (struct journal_ring){.room = area->bytes,
                               .max = area->lines,
                               .data = area->data,
                               .slots = area->slots,
                               .raw = area->raw,
                               .shared = shared};
    if (put <= SHARED_MAX && taken <= put && put - taken <= area->lines && evicted <= SHARED_MAX) {
        r->n = (unsigned)(put - taken);
        r->taken = taken;
        r->evicted = evicted;
        if (slots_are_sound(r)) {
            r->head = r->n > 0 ? slot_end(journal_ring_at(r, r->n - 1)) : 0;
            return 0;
        }
    }
    r->n = 0;
    r->taken = r->evicted = 0;
    shared_store(&shared->taken, 0);
    shared_store(&shared->put, 0);
    shared_store(&shared->evicted, 0);
    return -EBADMSG;
}

/* The oldest @k. Said before their bytes are overwritten: the next process may see this instant. */
static void
evict(struct journal_ring *r, unsigned k)
{
    if (k == 0)
        return;
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): as in_the_way() did, of the same ring */
    r->evicted = r->slots[(r->taken + k - 1) % r->max].seq;
    r->taken += k;
    r->n -= k;
    if (!r->shared)
        return;
    shared_store(&r->shared->evicted, r->evicted);
    shared_store(&r->shared->taken, r->taken);
}

/* How many of the oldest stand in [@from, @to), or have to go since there are but @most places for lines. */
static unsigned
in_the_way(const struct journal_ring *r, size_t from, size_t to, unsigned most)
{
    unsigned k = r->n > most ? r->n - most : 0;
    unsigned i = (unsigned)((r->taken + k) % r->max);

    for (; k < r->n && r->slots[i].at < to && from < slot_end(&r->slots[i]); k++)
        i = i + 1 < r->max ? i + 1 : 0;
    return k;
}

/* Lines lie in order around the block, so the oldest are the only ones that can be in the way. */
size_t
journal_ring_make_place(struct journal_ring *r, size_t bytes, unsigned lines)
{
    size_t at = r->head;

    if (at + bytes > r->room) { /* … and those behind the newest are older than those before it */
        evict(r, in_the_way(r, at, r->room, r->max));
        at = 0;
    }
    evict(r, in_the_way(r, at, at + bytes, r->max - lines));
    return at;
}

void
journal_ring_count_in(struct journal_ring *r, size_t end, unsigned lines)
{
    r->head = end;
    r->n += lines;
    if (r->shared)
        shared_store(&r->shared->put, r->taken + r->n);
}

bool
journal_ring_add_parts(struct journal_ring *r, const struct journal_slot *slot, const char *service,
                       const struct iovec parts[2])
{
    size_t service_bytes = strlen(service), line = parts[0].iov_len + parts[1].iov_len;
    size_t bytes = service_bytes + line + 2, at;
    struct journal_slot *s;
    char *to;

    if (bytes > r->room)
        return false;
    at = journal_ring_make_place(r, bytes, 1);
    s = &r->slots[(r->taken + r->n) % r->max];
    *s = *slot;
    s->at = (uint32_t)at;
    s->service = (uint32_t)service_bytes;
    s->json = (uint32_t)line;
    memcpy(r->data + at, service, service_bytes + 1);
    to = r->data + at + service_bytes + 1;
    memcpy(to, parts[0].iov_base, parts[0].iov_len);
    if (parts[1].iov_len > 0)
        memcpy(to + parts[0].iov_len, parts[1].iov_base, parts[1].iov_len);
    to[line] = '\0';
    journal_ring_count_in(r, at + bytes, 1);
    return true;
}

bool
journal_ring_add(struct journal_ring *r, const struct journal_slot *slot, const char *service,
                 const char *json, size_t json_bytes)
{
    const struct iovec parts[2] = {
        {(void *)(uintptr_t)json, json_bytes},
        {NULL,                    0         }
    };

    return journal_ring_add_parts(r, slot, service, parts);
}

unsigned
journal_ring_index(const struct journal_ring *r, uint64_t after)
{
    unsigned low = 0, high = r->n; /* numbers increase, so halve */

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (journal_ring_at(r, middle)->seq > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void
journal_ring_pass(struct journal_ring *r, uint64_t seq)
{
    evict(r, journal_ring_index(r, seq));
    if (r->evicted >= seq)
        return;
    r->evicted = seq;
    if (r->shared)
        shared_store(&r->shared->evicted, seq);
}

const struct journal_slot *
journal_ring_after(const struct journal_ring *r, uint64_t after)
{
    unsigned i = journal_ring_index(r, after);

    return i < r->n ? journal_ring_at(r, i) : NULL;
}
