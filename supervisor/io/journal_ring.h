/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_RING_H
#define STINT_IO_JOURNAL_RING_H

/*
 * The last lines, in memory of a fixed size: one block of bytes and one block of slots, there from
 * the start. A new line takes the place of as many old ones as it needs. The memory is the ring's
 * own, or shared memory that outlives the process: then the kept lines are right at every instant.
 * Part of the journal.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "supervisor/io/journal_shared.h"

struct journal_slot {
    uint64_t seq;
    uint64_t generation;
    pid_t pid;
    uint32_t at;      /* offset of the service name, NUL-terminated; the JSON follows, NUL too */
    uint32_t service; /* bytes of the name */
    uint32_t json;    /* bytes of the JSON */
};

/* What of a ring has to be remembered beside its two blocks. All zero: an empty one. */
struct journal_ring_shared {
    shared_u64 put, taken; /* slots ever filled, ever given up; [taken, put) is kept */
    shared_u64 evicted;    /* as below */
};

struct journal_ring {
    char *data;                         /* owned unless shared */
    struct journal_slot *slots;         /* owned unless shared; circular, `max` of them */
    struct journal_ring_shared *shared; /* NULL: memory of our own */
    size_t room, head;
    uint64_t taken;   /* slots given up; the oldest kept line is in slot taken % max */
    uint64_t evicted; /* seq of the last line that lost its place; 0 = none yet */
    unsigned max, n;
    bool raw; /* lines may be records of journal_kept.h */
};

/* Return: 0 or -ENOMEM. */
int journal_ring_init(struct journal_ring *r, unsigned lines, size_t bytes);

/* Memory of others, which outlives the ring. */
struct journal_ring_area {
    struct journal_ring_shared *shared;
    struct journal_slot *slots; /* `lines` of them */
    char *data;                 /* `bytes` */
    size_t bytes;
    unsigned lines;
    bool raw; /* lines may be records of journal_kept.h: any bytes */
};

/*
 * The same in @area. What is in there goes on, if it can be that of a ring.
 *
 * Return: 0; -EBADMSG: any other bytes were in there, and the ring is empty now.
 */
int journal_ring_attach(struct journal_ring *r, const struct journal_ring_area *area);
void journal_ring_finish(struct journal_ring *r);

/* @slot: seq, generation and pid are taken from it. False: larger than the whole ring. */
bool journal_ring_add(struct journal_ring *r, const struct journal_slot *slot, const char *service,
                      const char *json, size_t json_bytes);

/* journal_ring_add_parts - the same; the line is the two of @parts, one behind the other. */
bool journal_ring_add_parts(struct journal_ring *r, const struct journal_slot *slot,
                            const char *service, const struct iovec parts[2]);

/*
 * For whoever puts many lines in at once: room for so many @bytes and @lines, one behind the other, at the place
 * returned, where the old ones are gone from; and, once they are there with their slots, that they count. Neither
 * may be more than a quarter of the ring: then none of them is in another's way.
 */
size_t journal_ring_make_place(struct journal_ring *r, size_t bytes, unsigned lines);
void journal_ring_count_in(struct journal_ring *r, size_t end, unsigned lines);

/* journal_ring_pass - all lines up to number @seq lose their place, and those that never had one. */
void journal_ring_pass(struct journal_ring *r, uint64_t seq);

/* The first line with a seq above @after; NULL: none. */
const struct journal_slot *journal_ring_after(const struct journal_ring *r, uint64_t after);

unsigned journal_ring_index(const struct journal_ring *r, uint64_t after); /* … which; n: none */

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
