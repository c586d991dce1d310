/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/queue.h"

#include <string.h>

#include "base/error.h"
#include "supervisor/export/queue_memory.h"

const char *
export_reason_name(enum export_reason r)
{
    static const char *const names[EXPORT_REASONS] = {
        [EXPORT_FULL] = "queue_full",       [EXPORT_MISSED] = "missed",
        [EXPORT_REFUSED] = "refused",       [EXPORT_REJECTED] = "rejected",
        [EXPORT_UNREADABLE] = "unreadable", [EXPORT_OFF] = "ended",
    };

    return names[r];
}

static uint64_t
whole(uint64_t bytes)
{
    return (bytes + 7) & ~UINT64_C(7);
}

static char *
ring(const struct export_queue *q, enum otlp_signal s)
{
    return q->data + (size_t)s * q->room;
}

static void
copy_in(struct export_queue *q, enum otlp_signal s, uint64_t at, const void *bytes, size_t n)
{
    size_t from = (size_t)(at % q->room), first = q->room - from < n ? q->room - from : n;

    memcpy(ring(q, s) + from, bytes, first);
    memcpy(ring(q, s), (const char *)bytes + first, n - first);
}

static void
copy_out(const struct export_queue *q, enum otlp_signal s, uint64_t at, void *out, size_t n)
{
    size_t from = (size_t)(at % q->room), first = q->room - from < n ? q->room - from : n;

    memcpy(out, ring(q, s) + from, first);
    memcpy((char *)out + first, ring(q, s), n - first);
}

/* ---- settings ------------------------------------------------------------------------------------ */

/* The one that does not hold is written, then it does: a torn one is never read by a successor. */
bool
export_queue_set(struct export_queue *q, const char *settings)
{
    uint64_t other = (atomic_load(&q->shared->current) & 1) ^ 1;
    size_t n = strlen(settings);

    if (n >= EXPORT_SETTINGS_MAX)
        return false;
    memcpy(q->shared->settings[other], settings, n + 1);
    atomic_store(&q->shared->current, other);
    return true;
}

const char *
export_queue_settings(const struct export_queue *q)
{
    return q->shared->settings[atomic_load(&q->shared->current) & 1];
}

/* ---- rows ---------------------------------------------------------------------------------------- */

size_t
export_queue_waiting(const struct export_queue *q, enum otlp_signal s, size_t *ret_rows)
{
    const struct export_lane *l = &q->shared->lane[s];

    if (ret_rows)
        *ret_rows = (size_t)(atomic_load(&l->put_rows) - atomic_load(&l->done_rows));
    return (size_t)(atomic_load(&l->put) - atomic_load(&l->done));
}

void
export_queue_drop(struct export_queue *q, enum otlp_signal s, enum export_reason why, uint64_t rows)
{
    (void)atomic_fetch_add(&q->shared->lane[s].dropped[why], rows);
}

void
export_queue_sent(struct export_queue *q, enum otlp_signal s, uint64_t rows, int64_t wall_us)
{
    struct export_lane *l = &q->shared->lane[s];

    atomic_fetch_add(&l->sent, rows);
    atomic_fetch_add(&l->requests, 1);
    atomic_store(&l->success_us, (uint64_t)wall_us);
}

void
export_queue_retry(struct export_queue *q, enum otlp_signal s)
{
    (void)atomic_fetch_add(&q->shared->lane[s].retries, 1);
}

/* The row is there before it is said, and how far its source was read after that: who comes in between finds it. */
bool
export_queue_put(struct export_queue *q, enum otlp_signal s, enum export_source source,
                 uint64_t seq, const char *bytes, size_t n)
{
    struct export_lane *l = &q->shared->lane[s];
    const struct export_row row = {.bytes = (uint32_t)n, .source = source, .seq = seq};
    uint64_t at = atomic_load(&l->put), room = q->room - (at - atomic_load(&l->done));
    bool fits = n <= EXPORT_ROW_MAX && sizeof(row) + whole(n) <= room;

    if (fits) {
        copy_in(q, s, at, &row, sizeof(row));
        copy_in(q, s, at + sizeof(row), bytes, n);
        atomic_fetch_add(&l->put_rows, 1);
        atomic_store(&l->put, at + sizeof(row) + whole(n));
    } else {
        export_queue_drop(q, s, EXPORT_FULL, 1);
    }
    atomic_store(&q->shared->seen[source], seq);
    return fits;
}

uint64_t
export_queue_batch(const struct export_queue *q, enum otlp_signal s, size_t most_bytes,
                   size_t most_rows, size_t *ret_rows)
{
    const struct export_lane *l = &q->shared->lane[s];
    uint64_t from = atomic_load(&l->done), end = atomic_load(&l->put), at = from;
    size_t rows = 0;

    while (at < end && rows < most_rows) {
        struct export_row row;
        uint64_t next;

        copy_out(q, s, at, &row, sizeof(row));
        next = at + sizeof(row) + whole(row.bytes);
        if (rows > 0 && next - from > most_bytes)
            break;
        at = next;
        rows++;
    }
    *ret_rows = rows;
    return at;
}

void
export_queue_take(struct export_queue *q, enum otlp_signal s, uint64_t to, size_t rows)
{
    atomic_fetch_add(&q->shared->lane[s].done_rows, rows);
    atomic_store(&q->shared->lane[s].done, to);
}

bool
export_queue_copy(const struct export_queue *q, enum otlp_signal s, uint64_t from, uint64_t to,
                  char *out)
{
    if (to < from || to - from > q->room)
        return false;
    copy_out(q, s, from, out, (size_t)(to - from));
    return true;
}

bool
export_row_next(const char *copy, size_t n, size_t *at, struct export_row *ret,
                const char **ret_bytes)
{
    if (*at > n || n - *at < sizeof(*ret))
        return false;
    memcpy(ret, copy + *at, sizeof(*ret));
    if (ret->bytes > EXPORT_ROW_MAX || n - *at - sizeof(*ret) < whole(ret->bytes))
        return false;
    *ret_bytes = copy + *at + sizeof(*ret);
    *at += sizeof(*ret) + (size_t)whole(ret->bytes);
    return true;
}

void
export_queue_move(struct export_queue *to, const struct export_queue *from)
{
    for (unsigned s = 0; s < OTLP_SIGNALS; s++) {
        const struct export_lane *old = &from->shared->lane[s];
        struct export_lane *now = &to->shared->lane[s];
        uint64_t at = atomic_load(&old->done), end = atomic_load(&old->put);

        atomic_store(&now->sent, atomic_load(&old->sent));
        atomic_store(&now->requests, atomic_load(&old->requests));
        atomic_store(&now->retries, atomic_load(&old->retries));
        atomic_store(&now->success_us, atomic_load(&old->success_us));
        for (unsigned i = 0; i < EXPORT_REASONS; i++)
            atomic_store(&now->dropped[i], atomic_load(&old->dropped[i]));
        while (at < end) {
            struct export_row row;
            char bytes[EXPORT_ROW_MAX];

            copy_out(from, s, at, &row, sizeof(row));
            copy_out(from, s, at + sizeof(row), bytes, row.bytes);
            (void)export_queue_put(to, s, (enum export_source)row.source, row.seq, bytes,
                                   row.bytes); /* not: counted */
            at += sizeof(row) + whole(row.bytes);
        }
    }
    for (unsigned i = 0; i < EXPORT_SOURCES; i++)
        atomic_store(&to->shared->seen[i], atomic_load(&from->shared->seen[i]));
    (void)export_queue_set(to, export_queue_settings(from)); /* it had room for it, too */
}

/* ---- what another process left ------------------------------------------------------------------------ */

/* One ring: rows one behind the other. What it has seen of its sources comes from the rows, too. */
static bool
lane_is_sound(struct export_queue *q, enum otlp_signal s)
{
    struct export_lane *l = &q->shared->lane[s];
    uint64_t at = atomic_load(&l->done), end = atomic_load(&l->put), rows = 0;

    if (end > EXPORT_POSITION_MAX || at > end || end - at > q->room || at % 8 || end % 8)
        return false;
    while (at < end) {
        struct export_row row;

        if (end - at < sizeof(row))
            return false;
        copy_out(q, s, at, &row, sizeof(row));
        if (row.bytes > EXPORT_ROW_MAX || row.source >= EXPORT_SOURCES ||
            end - at - sizeof(row) < whole(row.bytes))
            return false;
        if (row.seq > atomic_load(&q->shared->seen[row.source]))
            atomic_store(&q->shared->seen[row.source], row.seq);
        at += sizeof(row) + whole(row.bytes);
        rows++;
    }
    atomic_store(&l->put_rows,
                 atomic_load(&l->done_rows) + rows); /* between the two it was killed */
    return true;
}

bool
export_queue_is_sound(struct export_queue *q)
{
    for (unsigned i = 0; i < 2; i++)
        if (!memchr(q->shared->settings[i], '\0', EXPORT_SETTINGS_MAX))
            return false;
    return lane_is_sound(q, OTLP_TRACES) && lane_is_sound(q, OTLP_LOGS);
}
