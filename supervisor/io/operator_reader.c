/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/operator_internal.h"

static long
on_next(void *data, char *buf, size_t room)
{
    struct line_reader *r = data;
    size_t used = 0;

    r->later = false;
    if (r->turn)
        r->turn(r);
    while (used < room) {
        size_t left = r->line.bytes - r->sent, n = left < room - used ? left : room - used;

        if (left == 0) {
            text_clear(&r->line);
            r->sent = 0;
            if (!r->fill(r) || r->line.failed)
                break;
            continue;
        }
        memcpy(buf + used, r->line.data + r->sent, n);
        r->sent += n;
        used += n;
    }
    if (used > 0)
        return (long)used;
    if (r->later && !r->op->closing) {
        ev_timer_start(r->op->options.loop, &r->again);
        return 0;
    }
    return r->follow && !r->op->closing ? 0 : -1;
}

static void
on_again(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    control_stream_wake(container_of(t, struct line_reader, again)->rq);
}

static void
on_finish(void *data)
{
    struct line_reader *r = data;

    ev_timer_stop(r->op->options.loop, &r->again);
    list_del(&r->node);
    text_finish(&r->line);
    r->finish(r);
}

bool
line_reader_asks(struct line_reader *r, struct desk *op, struct control_request *rq)
{
    const char *service = control_query(rq, "service"), *trace = control_query(rq, "trace");

    r->op = op;
    r->rq = rq;
    r->follow = operator_query_flag(rq, "follow");
    if (service && !operator_service(op, rq, service))
        return false;
    if (service)
        memcpy(r->service, service, strlen(service) + 1); /* as long as a service's own name */
    if (trace && (strlen(trace) != sizeof(r->trace) - 1 ||
                  strspn(trace, "0123456789abcdef") != sizeof(r->trace) - 1)) {
        control_answer_error(rq, 400, "bad-trace", "a trace is 32 digits of 0-9 and a-f");
        return false;
    }
    if (trace)
        memcpy(r->trace, trace, sizeof(r->trace));
    return operator_query_number(rq, "since", INT64_MAX, &r->cursor);
}

void
line_reader_begin(struct line_reader *r)
{
    ev_timer_init(&r->again, on_again, 0., 0.);
    list_add(&r->op->readers, &r->node);
    control_answer_stream(
        r->rq, &(struct control_stream){.next = on_next, .finish = on_finish, .data = r});
}

void
operator_end_readers(struct desk *op)
{
    list_for_each (pos, &op->readers)
        control_stream_wake(container_of(pos, struct line_reader, node)->rq);
}
