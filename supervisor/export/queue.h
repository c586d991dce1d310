/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORT_QUEUE_H
#define STINT_EXPORT_QUEUE_H

/*
 * What waits to be sent: a ring of rows for spans and one for lines, in a memfd between the master, which puts
 * rows in and takes out those that were sent, and the process that sends them, which only reads.
 *
 *   …free… │ done ─ being sent ─ … waiting … ─ put │ …free…
 *
 * The keeper keeps the memfd too: what waits, how far its sources were read, how it is sent and what was counted
 * outlive the master. Positions only grow; the byte at one is data[position % room]. Pages exist when they are
 * used, and children of the master do not have them.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/export/otlp.h"

struct error;

#define EXPORT_ROOM_MIN     ((size_t)64 << 10)
#define EXPORT_ROOM_MAX     ((size_t)64 << 20)
#define EXPORT_ROW_MAX      ((size_t)64 << 10) /* bytes of one */
#define EXPORT_SETTINGS_MAX ((size_t)32 << 10) /* with the NUL */

typedef _Atomic uint64_t export_u64;

/* Where a row comes from: each numbers its own. */
enum export_source { EXPORT_SPANS, EXPORT_EVENTS, EXPORT_OUTPUT };
#define EXPORT_SOURCES 3

/* Why a row was not sent. */
enum export_reason {
    EXPORT_FULL,       /* the queue was */
    EXPORT_MISSED,     /* it was gone before it could be put into the queue */
    EXPORT_REFUSED,    /* the collector did not take the request, and never would */
    EXPORT_REJECTED,   /* … took the request, but not this row */
    EXPORT_UNREADABLE, /* it has no form in OTLP */
    EXPORT_OFF /* it waited when 'export' was taken out of the configuration, or at the end */
};
#define EXPORT_REASONS 6
const char *export_reason_name(enum export_reason r); /* "queue_full" … */

struct export_lane {
    export_u64 put, done, put_rows, done_rows;
    export_u64 sent, requests, retries; /* rows; answered with 2xx; failed and made again */
    export_u64 success_us;              /* wall clock; 0 = never */
    export_u64 dropped[8];              /* by enum export_reason */
};

struct export_shared {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t room; /* bytes of one ring */
    uint64_t total_bytes;
    export_u64 seen[4]; /* by enum export_source: the last one that was taken from there */
    struct export_lane lane[OTLP_SIGNALS];
    export_u64 current; /* settings[current & 1] holds */
    char settings[2][EXPORT_SETTINGS_MAX];
};

struct export_queue {
    struct export_shared *shared; /* start of the mapping, owned; NULL: none */
    char *data;                   /* OTLP_SIGNALS rings of `room` bytes */
    size_t room, total_bytes;
    int fd; /* owned; -1 */
};

/* Return: 0 or negative errno with the sentence. */
int export_queue_create(struct export_queue *q, size_t room, struct error *reterr);

/**
 * export_queue_adopt - map what somebody else made.
 * @fd:    taken over when this succeeds
 * @write: it is the master's; else it is only read, and not looked through
 *
 * Nothing in it is believed but what makes sense together. Return: 0, -EBADMSG, -EPROTO or another errno.
 */
int export_queue_adopt(struct export_queue *q, int fd, bool write, struct error *reterr);
void export_queue_close(struct export_queue *q);

/* ---- the master's side */

/* export_queue_settings - how it is sent; false: longer than there is room for. */
bool export_queue_set(struct export_queue *q, const char *settings);
const char *export_queue_settings(const struct export_queue *q); /* "" = none */

/**
 * export_queue_put - append a row. False: there is no room for it, and it is counted.
 * @seq: its number at its source; kept, so that whoever takes over goes on behind it
 */
bool export_queue_put(struct export_queue *q, enum otlp_signal s, enum export_source source,
                      uint64_t seq, const char *bytes, size_t n);

/* export_queue_batch - the position behind as many rows from the oldest on as may go at once; one at least. */
uint64_t export_queue_batch(const struct export_queue *q, enum otlp_signal s, size_t most_bytes,
                            size_t most_rows, size_t *ret_rows);

/* export_queue_take - the rows before @to are done with. */
void export_queue_take(struct export_queue *q, enum otlp_signal s, uint64_t to, size_t rows);

/* export_queue_move - what waits in @from, to the end of @to, which was just made; with counts and settings. */
void export_queue_move(struct export_queue *to, const struct export_queue *from);

size_t export_queue_waiting(const struct export_queue *q, enum otlp_signal s, size_t *ret_rows);
void export_queue_sent(struct export_queue *q, enum otlp_signal s, uint64_t rows, int64_t wall_us);
void export_queue_retry(struct export_queue *q, enum otlp_signal s);
void export_queue_drop(struct export_queue *q, enum otlp_signal s, enum export_reason why,
                       uint64_t rows);

/* ---- both */

/* export_queue_copy - the bytes between two positions, as they lie in one piece. False: there are none such. */
bool export_queue_copy(const struct export_queue *q, enum otlp_signal s, uint64_t from, uint64_t to,
                       char *out);

struct export_row {
    uint32_t bytes; /* of what follows, which is filled up to whole 8 */
    uint32_t source;
    uint64_t seq;
};

/* export_row_next - one of a copy, which is aligned for it; @at begins with 0. False: that was all. */
bool export_row_next(const char *copy, size_t n, size_t *at, struct export_row *ret,
                     const char **ret_bytes);

#endif
