/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_RING_H
#define STINT_IO_JOURNAL_RING_H

/*
 * The last lines, in memory of a fixed size: one block of bytes and one block of slots, allocated
 * once. A new line takes the place of as many old ones as it needs. Part of the journal.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct journal_slot {
    uint64_t seq;
    uint64_t generation;
    pid_t pid;
    uint32_t at;      /* offset of the service name, NUL-terminated; the JSON follows, NUL too */
    uint32_t service; /* bytes of the name */
    uint32_t json;    /* bytes of the JSON */
};

struct journal_ring {
    char *data; /* owned */
    size_t room, head;
    struct journal_slot *slots; /* owned; circular, `max` of them */
    unsigned max, first, n;
    uint64_t evicted; /* seq of the last line that lost its place; 0 = none yet */
};

/* @touch: use every page now, so that the process does not grow later. Return: 0 or -ENOMEM. */
int journal_ring_init(struct journal_ring *r, unsigned lines, size_t bytes, bool touch);
void journal_ring_finish(struct journal_ring *r);

/* @slot: seq, generation and pid are taken from it. False: larger than the whole ring. */
bool journal_ring_add(struct journal_ring *r, const struct journal_slot *slot, const char *service,
                      const char *json, size_t json_bytes);

/* The first line with a seq above @after; NULL: none. */
const struct journal_slot *journal_ring_after(const struct journal_ring *r, uint64_t after);

/* The @i-th kept line, oldest first; @i < n. */
const struct journal_slot *journal_ring_at(const struct journal_ring *r, unsigned i);

static inline const char *
journal_ring_service(const struct journal_ring *r, const struct journal_slot *s)
{
    return r->data + s->at;
}

static inline const char *
journal_ring_json(const struct journal_ring *r, const struct journal_slot *s)
{
    return r->data + s->at + s->service + 1;
}

#endif
