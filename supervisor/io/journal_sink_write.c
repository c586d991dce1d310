/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "supervisor/io/journal_sink.h"

#define STEPS 64  /* writes in one turn of the loop */
#define PARTS 128 /* of one write; a record has at most two */

/* The lines go nowhere any more. Datagrams still do, as long as somebody takes them. */
static void
sink_break(struct journal_sink *s)
{
    s->broken = true;
    if (s->staged_end > 0)
        journal_queue_done(&s->queue, s->staged_end);
    s->staged_end = 0;
    s->staged_at = 0;
    text_clear(&s->staged);
    if (s->native.fd < 0)
        journal_queue_clear(&s->queue);
}

static ssize_t
push(const struct journal_sink *s, struct iovec *parts, size_t n_parts)
{
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = n_parts};
    ssize_t n;

    do
        n = s->socket ? sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : writev(s->fd, parts, (int)n_parts);
    while (n == -1 && errno == EINTR);
    return n;
}

/* Why a write of lines failed: an errno that makes it wait, or 0: it never will, all is given up. */
static int
push_failed(struct journal_sink *s)
{
    if (errno == EAGAIN || errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == ENOBUFS)
        return errno;
    sink_break(s);
    return 0;
}

/* After a write that wrote nothing. A doubt that is not told yet stays one. */
static void
nothing_written(struct journal_sink *s)
{
    if (s->queue.done >= s->doubt)
        journal_queue_done(&s->queue, s->queue.done);
}

static int
write_staged(struct journal_sink *s)
{
    struct iovec part = {s->staged.data + s->staged_at, s->staged.bytes - s->staged_at};
    ssize_t n;

    if (s->staged_end > 0)
        journal_queue_try(&s->queue, s->staged_end);
    n = push(s, &part, 1);
    if (n < 0) {
        if (s->staged_at == 0)
            nothing_written(s);
        return push_failed(s);
    }
    s->staged_at += (size_t)n;
    if (s->staged_at < s->staged.bytes)
        return EAGAIN;
    if (s->staged_end > 0)
        journal_queue_done(&s->queue, s->staged_end);
    s->staged_end = 0;
    s->staged_at = 0;
    text_clear(&s->staged);
    return 0;
}

/* Where the queue is when @n bytes behind done, all of them of lines, have been written. */
static uint64_t
position_after(const struct journal_queue *q, size_t n)
{
    uint64_t at = q->begin, from = q->done;
    struct queue_item item;

    while (n > 0 && journal_queue_item(q, at, &item)) {
        if (from < item.at)
            from = item.at;
        if (n < item.end - from)
            return from + n;
        n -= (size_t)(item.end - from);
        at = from = item.end;
    }
    return from;
}

/* As many lines as one write takes. */
static int
write_lines(struct journal_sink *s)
{
    struct iovec parts[PARTS];
    struct queue_item item;
    uint64_t at = s->queue.begin;
    size_t n_parts = 0;
    ssize_t n;

    while (n_parts + 2 <= PARTS && journal_queue_item(&s->queue, at, &item) &&
           item.kind == QUEUE_TEXT) {
        n_parts += journal_queue_parts(&s->queue, s->queue.done > item.at ? s->queue.done : item.at,
                                       item.end, &parts[n_parts]);
        at = item.end;
    }
    journal_queue_try(&s->queue, at);
    n = push(s, parts, n_parts);
    if (n < 0) {
        nothing_written(s);
        return push_failed(s);
    }
    journal_queue_done(&s->queue, position_after(&s->queue, (size_t)n));
    return s->queue.done < at ? EAGAIN : 0;
}

/* A datagram that cannot be one goes to the descriptor, as a line. */
static void
stage_datagram(struct journal_sink *s, const struct queue_item *item)
{
    const bool doubt = item->at < s->doubt;
    auto_text struct text record = TEXT_INIT;
    struct iovec part[2];
    unsigned n = journal_queue_parts(&s->queue, item->at, item->end, part);

    for (unsigned i = 0; i < n; i++)
        text_addn(&record, part[i].iov_base, part[i].iov_len);
    if (doubt)
        text_add(&s->staged, "\n"); /* the line before may be half a one */
    if (!record.failed)
        journal_native_line(record.data, record.bytes, doubt, &s->staged);
    s->staged_end = item->end;
    if (!s->broken && !record.failed && !s->staged.failed)
        return;
    s->dropped_lines += !s->broken;
    text_finish(&s->staged);
    s->staged_end = 0;
    journal_queue_done(&s->queue, item->end);
}

static int
write_datagram(struct journal_sink *s, const struct queue_item *item)
{
    char again[] = JOURNAL_NATIVE_AGAIN;
    struct iovec part[3];
    unsigned n = journal_queue_parts(&s->queue, item->at, item->end, part);
    int r;

    if (!journal_native_ready(&s->native)) {
        stage_datagram(s, item);
        return 0;
    }
    if (item->at < s->doubt)
        part[n++] = (struct iovec){again, sizeof(again) - 1};
    journal_queue_try(&s->queue, item->end);
    r = journal_native_send(&s->native, part, n);
    if (r == 0) {
        journal_queue_done(&s->queue, item->end);
        return 0;
    }
    nothing_written(s);
    if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM)
        return -r;
    stage_datagram(s, item);
    return 0;
}

/* The next write. Return: 0: it moved something; else the errno that makes it wait. */
static int
sink_step(struct journal_sink *s)
{
    struct queue_item item;

    if (s->staged.bytes > 0)
        return write_staged(s);
    if (!journal_queue_item(&s->queue, s->queue.begin, &item)) {
        journal_queue_clear(&s->queue); /* somebody else wrote to this memory */
        return 0;
    }
    if (item.kind == QUEUE_NATIVE)
        return write_datagram(s, &item);
    if (!s->broken)
        return write_lines(s);
    journal_queue_done(&s->queue, item.end);
    return 0;
}

bool
journal_sink_has_work(const struct journal_sink *s)
{
    return s->staged.bytes > 0 || !journal_queue_empty(&s->queue);
}

int
journal_sink_write(struct journal_sink *s)
{
    int why = 0;

    for (int i = 0; i < STEPS && why == 0 && journal_sink_has_work(s); i++)
        why = sink_step(s);
    return why ? why : journal_sink_has_work(s) ? EAGAIN : 0;
}
