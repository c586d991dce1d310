/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/operator_internal.h"

#define SKIP_MAX  4096 /* lines about other services looked at in one turn: all there can be */
#define LINES_MAX 100000

/* Somebody who reads events or output, perhaps for as long as it lives. */
struct stream {
    struct list node; /* in desk.streams */
    struct desk *op;
    struct control_request *rq; /* borrowed: finish() comes before it dies */
    struct journal_watch watch;
    bool output; /* logs; else events */
    bool follow;
    char service[65]; /* "" = all */
    char trace[33];   /* only lines with it in them; "" = all */
    uint64_t cursor;  /* the last line taken */
    struct text line; /* the one being sent, may be longer than the client's buffer */
    size_t sent;      /* bytes of it */
};

static void
on_woken(struct journal_watch *w)
{
    control_stream_wake(container_of(w, struct stream, watch)->rq);
}

static bool
next_kept(const struct stream *s, struct journal_entry *ret)
{
    const struct journal *j = s->op->options.journal;

    if (!s->output)
        return journal_events_next(j, s->cursor, ret);
    /* Looked through for a trace, all that is kept of each of a thousand services would be too much for a turn. */
    if (s->trace[0] && !s->service[0])
        return journal_recent_next(j, s->cursor, ret);
    return journal_output_next(j, s->service[0] ? s->service : NULL, s->cursor, ret);
}

/* Its own, or one that its text names: a line that is stamped has it in its JSON, too. */
static bool
wanted(const struct stream *s, const struct journal_entry *e)
{
    return (s->output || !s->service[0] || strcmp(e->service, s->service) == 0) &&
           (!s->trace[0] || memmem(e->json, e->bytes, s->trace, strlen(s->trace)));
}

static bool
next_entry(struct stream *s, struct journal_entry *ret)
{
    for (int i = 0; i < SKIP_MAX; i++) {
        if (!next_kept(s, ret))
            return false;
        if (wanted(s, ret))
            return true;
        s->cursor = ret->seq;
    }
    return false;
}

/* False: nothing (yet). */
static bool
fill(struct stream *s)
{
    struct journal_entry e;
    uint64_t since = s->cursor;

    if (!next_entry(s, &e))
        return false;
    text_clear(&s->line);
    s->sent = 0;
    if (e.lost > 0 && since > 0 &&
        !s->trace[0]) /* a reader slower than the ring, not one that asked for all */
        text_addf(&s->line, "{\"event\":\"lost\",\"lost\":%" PRIu64 "}\n", e.lost);
    text_addn(&s->line, e.json, e.bytes);
    text_add(&s->line, "\n");
    s->cursor = e.seq;
    return !s->line.failed;
}

static long
on_next(void *data, char *buf, size_t room)
{
    struct stream *s = data;
    size_t used = 0;

    while (used < room) {
        size_t left = s->line.bytes - s->sent;
        size_t n = left < room - used ? left : room - used;

        if (left == 0) {
            if (!fill(s))
                break;
            continue;
        }
        memcpy(buf + used, s->line.data + s->sent, n);
        s->sent += n;
        used += n;
    }
    if (used > 0)
        return (long)used;
    return s->follow && !s->op->closing ? 0 : -1;
}

static void
on_finish(void *data)
{
    struct stream *s = data;

    journal_watch_remove(&s->watch);
    list_del(&s->node);
    text_finish(&s->line);
    free(s);
}

static bool
read_trace(struct stream *s)
{
    const char *trace = control_query(s->rq, "trace");

    if (!trace)
        return true;
    if (strlen(trace) != 32 || strspn(trace, "0123456789abcdef") != 32) {
        control_answer_error(s->rq, 400, "bad-trace", "a trace is 32 digits of 0-9 and a-f");
        return false;
    }
    memcpy(s->trace, trace, sizeof(s->trace));
    return true;
}

/* The parameters both have. False: @rq was answered with what is wrong. */
static bool
read_query(struct stream *s)
{
    struct control_request *rq = s->rq;
    const char *name = control_query(rq, "service");
    const struct journal *j = s->op->options.journal;
    uint64_t lines = LINES_MAX;
    uint64_t since = 0;

    if (name && !operator_service(s->op, rq, name))
        return false;
    if (name)
        memcpy(s->service, name, strlen(name) + 1); /* as long as a service's own name */
    if (!read_trace(s))
        return false;
    if (!operator_query_number(rq, "lines", LINES_MAX, &lines) ||
        !operator_query_number(rq, "since", INT64_MAX, &since))
        return false;
    if (control_query(rq, "lines"))
        s->cursor = s->output ? journal_output_tail(j, name, (size_t)lines)
                              : journal_events_tail(j, name, (size_t)lines);
    if (since > s->cursor) /* both: the last of what came after it */
        s->cursor = since;
    return true;
}

static void
stream_begin(struct desk *op, struct control_request *rq, bool output)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (!s) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    s->op = op;
    s->rq = rq;
    s->output = output;
    s->follow = operator_query_flag(rq, "follow");
    s->watch.woken = on_woken;
    if (!read_query(s)) {
        free(s);
        return;
    }
    list_add(&op->streams, &s->node);
    journal_watch_add(op->options.journal, &s->watch);
    control_answer_stream(
        rq, &(struct control_stream){.next = on_next, .finish = on_finish, .data = s});
}

void
operator_events(struct desk *op, struct control_request *rq)
{
    stream_begin(op, rq, false);
}

void
operator_logs(struct desk *op, struct control_request *rq)
{
    stream_begin(op, rq, true);
}

void
operator_end_streams(struct desk *op)
{
    list_for_each (pos, &op->streams)
        control_stream_wake(container_of(pos, struct stream, node)->rq);
    operator_end_spans(op);
}
