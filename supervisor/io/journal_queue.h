/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_QUEUE_H
#define STINT_IO_JOURNAL_QUEUE_H

/*
 * Records that wait to be written, first in, first out, in memory that outlives the process.
 *
 *   …overwritten… │ begin ─ record ─ │ done … record ─ │ … trying … │ put ─ …free…
 *
 * Positions only grow; the byte at a position is data[position % room]. Each is one store, made when
 * what it speaks of is true, so whoever comes after a SIGKILL at any instant finds whole records and
 * knows which of them may have been written already: those from done to trying. Part of the journal.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "supervisor/io/journal_shared.h"

enum queue_kind {
    QUEUE_TEXT = 1, /* a line with its newline */
    QUEUE_NATIVE    /* a datagram for journald */
};

#define QUEUE_HEAD_BYTES 8   /* what a record takes beside its bytes */
#define QUEUE_OWNERS     256 /* two of which may share what they have in there */

static inline uint8_t
journal_queue_owner(uint64_t any)
{
    return (uint8_t)(any ^ any >> 8 ^ any >> 16 ^ any >> 32);
}

/* All zero: an empty queue. */
struct journal_queue_shared {
    shared_u64 put;    /* end of the last record */
    shared_u64 begin;  /* start of a record; what is before it may be overwritten */
    shared_u64 done;   /* written up to here: within the record at begin, or behind it */
    shared_u64 trying; /* a write up to here has begun; = done: none has */
    shared_u64 lost;   /* lines that found no room … */
    shared_u64 told;   /* … and how many of them a line in the queue speaks of */
};

struct journal_queue {
    struct journal_queue_shared *shared;
    char *data; /* borrowed */
    size_t room;
    uint64_t put, begin, done; /* ours, believed; those in shared memory are for who comes after */
    uint64_t lost, told;
    size_t share[QUEUE_OWNERS]; /* bytes of each that are not written yet */
};

struct queue_item {
    uint64_t at, end; /* positions of its first byte and behind the last */
    size_t bytes;
    enum queue_kind kind;
    uint8_t owner;
};

/**
 * journal_queue_attach - take what is in @shared and @data, which outlive @q.
 * @ret_doubt: what was written of the records before this position is not known; 0: all is known.
 *             The queue goes on from the start of the first such record
 *
 * Return: 0; -EBADMSG: any other bytes were in there, and the queue is empty now.
 */
int journal_queue_attach(struct journal_queue *q, struct journal_queue_shared *shared, char *data,
                         size_t room, uint64_t *ret_doubt);

static inline bool
journal_queue_empty(const struct journal_queue *q)
{
    return q->done == q->put;
}

static inline size_t
journal_queue_bytes(const struct journal_queue *q)
{
    return (size_t)(q->put - q->done);
}

/* Room for a record of so many bytes. */
bool journal_queue_fits(const struct journal_queue *q, size_t bytes);

/* The record is kept when this returns, whatever becomes of the process. It fits. */
void journal_queue_put(struct journal_queue *q, enum queue_kind kind, uint8_t owner,
                       const void *bytes, size_t n);

/* The record at position @at. False: there is none. */
bool journal_queue_item(const struct journal_queue *q, uint64_t at, struct queue_item *ret);

/* The bytes between two positions of one record, in one or two pieces. Return: how many. */
unsigned journal_queue_parts(const struct journal_queue *q, uint64_t from, uint64_t to,
                             struct iovec part[2]);

void journal_queue_try(struct journal_queue *q, uint64_t upto);  /* before a write */
void journal_queue_done(struct journal_queue *q, uint64_t upto); /* after it; upto may be done */
void journal_queue_clear(struct journal_queue *q);

void journal_queue_lose(struct journal_queue *q); /* a line was dropped */
void journal_queue_told(struct journal_queue *q); /* all that were have been spoken of */

#endif
