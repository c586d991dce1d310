/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_queue.h"

#include <errno.h>
#include <string.h>

struct head {
    uint32_t bytes;
    uint32_t kind; /* … and the owner above KIND_BITS */
};
#define KIND_BITS 8
static_assert(sizeof(struct head) == QUEUE_HEAD_BYTES, "what a record takes");

static void
copy_in(struct journal_queue *q, uint64_t at, const void *bytes, size_t n)
{
    size_t from = (size_t)(at % q->room);
    size_t first = q->room - from < n ? q->room - from : n;

    memcpy(q->data + from, bytes, first);
    memcpy(q->data, (const char *)bytes + first, n - first);
}

unsigned
journal_queue_parts(const struct journal_queue *q, uint64_t from, uint64_t to, struct iovec part[2])
{
    size_t start = (size_t)(from % q->room), n = (size_t)(to - from);
    size_t first = q->room - start < n ? q->room - start : n;

    part[0] = (struct iovec){q->data + start, first};
    part[1] = (struct iovec){q->data, n - first};
    return n > first ? 2 : 1;
}

bool
journal_queue_item(const struct journal_queue *q, uint64_t at, struct queue_item *ret)
{
    struct iovec part[2];
    struct head head;
    uint32_t kind;

    if (q->put - at < sizeof(head))
        return false;
    (void)journal_queue_parts(q, at, at + sizeof(head), part);
    memcpy(&head, part[0].iov_base, part[0].iov_len);
    memcpy((char *)&head + part[0].iov_len, part[1].iov_base, part[1].iov_len);
    kind = head.kind & ((1U << KIND_BITS) - 1);
    if ((kind != QUEUE_TEXT && kind != QUEUE_NATIVE) || head.kind >> KIND_BITS >= QUEUE_OWNERS ||
        head.bytes == 0 || head.bytes > q->put - at - sizeof(head))
        return false;
    *ret = (struct queue_item){
        .at = at + sizeof(head),
        .end = at + sizeof(head) + head.bytes,
        .bytes = head.bytes,
        .kind = (enum queue_kind)kind,
        .owner = (uint8_t)(head.kind >> KIND_BITS),
    };
    return true;
}

/* All from begin to put are whole records. @ret_at: the start of the one that done is in. */
static bool
records_are_sound(const struct journal_queue *q, uint64_t *ret_at)
{
    bool found = q->done == q->put;
    struct queue_item item;

    *ret_at = q->put;
    for (uint64_t at = q->begin; at < q->put; at = item.end) {
        if (!journal_queue_item(q, at, &item))
            return false;
        if (q->done != at && (q->done <= item.at || q->done >= item.end))
            continue;
        found = true;
        *ret_at = at;
    }
    return found;
}

int
journal_queue_attach(struct journal_queue *q, struct journal_queue_shared *shared, char *data,
                     size_t room, uint64_t *ret_doubt)
{
    uint64_t trying = shared_load(&shared->trying), at = 0;

    *q = (struct journal_queue){
        .shared = shared,
        .data = data,
        .room = room,
        .put = shared_load(&shared->put),
        .begin = shared_load(&shared->begin),
        .done = shared_load(&shared->done),
        .lost = shared_load(&shared->lost),
        .told = shared_load(&shared->told),
    };
    *ret_doubt = 0;
    if (q->lost > SHARED_MAX || q->told > q->lost)
        q->lost = q->told = 0;
    if (q->put > SHARED_MAX || q->begin > q->put || q->put - q->begin > room ||
        q->done < q->begin || q->done > q->put || trying > q->put || !records_are_sound(q, &at)) {
        q->put = q->begin = q->done = 0;
        journal_queue_clear(q);
        shared_store(&shared->put, 0);
        return -EBADMSG;
    }
    q->begin = at;
    for (struct queue_item item; journal_queue_item(q, at, &item); at = item.end)
        q->share[item.owner] += item.bytes;
    at = q->begin;
    if (trying > q->done) {
        *ret_doubt = trying;
        q->done = at;
    }
    return 0;
}

bool
journal_queue_fits(const struct journal_queue *q, size_t bytes)
{
    size_t used = (size_t)(q->put - q->begin);

    return bytes <= UINT32_MAX && used + bytes + QUEUE_HEAD_BYTES <= q->room;
}

void
journal_queue_put(struct journal_queue *q, enum queue_kind kind, uint8_t owner, const void *bytes,
                  size_t n)
{
    struct head head = {.bytes = (uint32_t)n, .kind = kind | (uint32_t)owner << KIND_BITS};

    copy_in(q, q->put, &head, sizeof(head));
    copy_in(q, q->put + sizeof(head), bytes, n);
    q->put += sizeof(head) + n;
    q->share[owner] += n;
    shared_store(&q->shared->put, q->put);
}

void
journal_queue_try(struct journal_queue *q, uint64_t upto)
{
    shared_store(&q->shared->trying, upto);
}

void
journal_queue_done(struct journal_queue *q, uint64_t upto)
{
    struct queue_item item;

    q->done = upto;
    shared_store(&q->shared->done, q->done);
    shared_store(&q->shared->trying, q->done);
    while (journal_queue_item(q, q->begin, &item) && item.end <= q->done) {
        q->begin = item.end;
        q->share[item.owner] -=
            item.bytes < q->share[item.owner] ? item.bytes : q->share[item.owner];
    }
    shared_store(&q->shared->begin, q->begin);
}

void
journal_queue_clear(struct journal_queue *q)
{
    q->done = q->begin = q->put;
    memset(q->share, 0, sizeof(q->share));
    shared_store(&q->shared->done, q->put);
    shared_store(&q->shared->trying, q->put);
    shared_store(&q->shared->begin, q->put);
}

void
journal_queue_lose(struct journal_queue *q)
{
    q->lost++;
    shared_store(&q->shared->lost, q->lost);
}

void
journal_queue_told(struct journal_queue *q)
{
    q->told = q->lost;
    shared_store(&q->shared->told, q->told);
}
