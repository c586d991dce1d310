/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/metrics.h"
#include "supervisor/io/operator_internal.h"

/*
 * GET /v1/metrics. What is told is of one pass over the services, and then written down as the client
 * takes it; both in pieces between which the loop turns, so a thousand of them hold nobody up.
 */

#define PIECE_US     INT64_C(2000) /* of a turn of the loop, for one client */
#define PIECE_BYTES  ((size_t)16 << 10)
#define GATHERED_MAX 8 /* clients at the same time: each holds a kilobyte or two for each service */

struct metrics_stream {
    struct list node; /* in desk.metrics */
    struct desk *op;
    struct control_request *rq; /* borrowed: finish() comes before it dies */
    enum metrics_format format;
    struct metrics metrics;
    uint32_t *ids; /* owned; the services, in order … */
    size_t n_ids, gathered;
    struct metrics_cursor cursor;
    struct text text;
    size_t sent; /* bytes of it */
    bool ended;
    unsigned turn; /* of the loop, in which it is told until … */
    int64_t until_us;
    ev_timer more; /* … and the next one goes on */
};

static void
on_more(EV_P_ ev_timer *t, int revents)
{
    struct metrics_stream *s = container_of(t, struct metrics_stream, more);

    (void)loop;
    (void)revents;
    control_stream_wake(s->rq);
}

/* Of the present turn of the loop: is there time left? */
static bool
may_go_on(struct metrics_stream *s)
{
    const unsigned turn = ev_iteration(s->op->options.loop);
    const int64_t now_us = mono_now_us();

    if (s->turn != turn)
        s->until_us = now_us + PIECE_US;
    s->turn = turn;
    return s->op->closing || now_us < s->until_us;
}

static void
gather(struct metrics_stream *s)
{
    const struct operator_options *with = &s->op->options;
    const struct service *of = core_service(with->sources.core, s->ids[s->gathered++]);

    if (of) /* or it was removed meanwhile */
        with->metrics_service(with->env, of, &s->metrics.services[s->metrics.n_services++]);
}

static long
on_next(void *data, char *buf, size_t room)
{
    struct metrics_stream *s = data;
    bool more = may_go_on(s);
    size_t n;

    for (; more && s->gathered < s->n_ids; more = may_go_on(s))
        gather(s);
    if (!more) {
        ev_timer_start(s->op->options.loop, &s->more);
        return 0;
    }
    if (s->sent == s->text.bytes) {
        text_clear(&s->text);
        s->sent = 0;
        if (!s->ended)
            s->ended = !metrics_render(&s->metrics, s->format, &s->cursor, &s->text, PIECE_BYTES);
    }
    if (s->text.failed)
        return -2;
    n = s->text.bytes - s->sent < room ? s->text.bytes - s->sent : room;
    if (n == 0)
        return -1;
    memcpy(buf, s->text.data + s->sent, n);
    s->sent += n;
    return (long)n;
}

static void
stream_free(struct metrics_stream *s)
{
    metrics_finish(&s->metrics);
    text_finish(&s->text);
    free(s->ids);
    free(s);
}

static void
on_finish(void *data)
{
    struct metrics_stream *s = data;

    ev_timer_stop(s->op->options.loop, &s->more);
    list_del(&s->node);
    stream_free(s);
}

static bool
read_format(struct control_request *rq, enum metrics_format *ret)
{
    const char *format = control_query(rq, "format");

    *ret = METRICS_OPENMETRICS;
    if (format && strcmp(format, "prometheus") == 0)
        *ret = METRICS_PROMETHEUS;
    else if (format && strcmp(format, "openmetrics") != 0) {
        control_answer_error(rq, 400, "bad-query", "'format' is openmetrics or prometheus");
        return false;
    }
    return true;
}

/* NULL: no memory. */
static struct metrics_stream *
stream_create(struct desk *op, struct control_request *rq)
{
    const struct core *c = op->options.sources.core;
    struct metrics_stream *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->op = op;
    s->rq = rq;
    ev_timer_init(&s->more, on_more, 0., 0.);
    s->ids = calloc(c->n_services + 1, sizeof(*s->ids));
    s->metrics.services = calloc(c->n_services + 1, sizeof(*s->metrics.services));
    if (!s->ids || !s->metrics.services) {
        stream_free(s);
        return NULL;
    }
    list_for_each (n, &c->services)
        if (s->n_ids < c->n_services)
            s->ids[s->n_ids++] = container_of(n, struct service, node)->id;
    op->options.metrics(op->options.env, &s->metrics);
    return s;
}

void
operator_metrics(struct desk *op, struct control_request *rq)
{
    struct metrics_stream *s;
    enum metrics_format format;
    size_t others = 0;

    list_for_each (n, &op->metrics) {
        (void)n;
        others++;
    }
    if (!read_format(rq, &format))
        return;
    if (others >= GATHERED_MAX) {
        control_answer_error(rq, 503, "busy", "%zu others are being told just now", others);
        return;
    }
    s = op->options.metrics ? stream_create(op, rq) : NULL;
    if (!s) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    s->format = format;
    list_add(&op->metrics, &s->node);
    control_answer_stream(
        rq, &(struct control_stream){
                .next = on_next, .finish = on_finish, .data = s, .type = metrics_type(format)});
}

void
operator_end_metrics(struct desk *op)
{
    list_for_each (n, &op->metrics)
        control_stream_wake(container_of(n, struct metrics_stream, node)->rq);
}
