/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/operator_internal.h"

/*
 * An upgrade is asked for here and answered by another process: by the master of the new program,
 * or by one of the old program when the new one did not start. Both know of it from the image.
 */

#define TIMEOUT_US (60 * US_PER_S)

static json_t *
answer(const struct ticket *t, bool ok, const char *words)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:I, s:o, s:[]}", "schema", "stint.answer/1", "verb",
                     "upgrade", "ok", ok, "timed_out", 0, "duration_ms",
                     (json_int_t)((mono_now_us() - t->started_us) / US_PER_MS), "text",
                     report_text(words), "services");
}

static struct ticket *
pending(const struct desk *op)
{
    list_for_each (pos, &op->tickets) {
        struct ticket *t = container_of(pos, struct ticket, node);

        if (t->kind == TICKET_UPGRADE && !t->answer)
            return t;
    }
    return NULL;
}

static int
begin(struct desk *op, const struct order *order, struct error *reterr)
{
    if (!op->options.upgrade)
        return error_say(reterr, -ENOTSUP, "this stint cannot be upgraded while it runs");
    return op->options.upgrade(op->options.env, order->path, reterr);
}

void
operator_upgrade(struct desk *op, struct control_request *rq)
{
    struct order order = {.verb = "upgrade", .timeout_us = TIMEOUT_US};
    struct error e = {0};
    struct ticket *t;
    int r;

    if (operator_known(op, rq, order.verb) || !order_parse_upgrade(rq, &order))
        return;
    operator_audit(op, rq, &order);
    if (pending(op)) {
        control_answer_error(rq, 409, "busy", "an upgrade is under way");
        return;
    }
    t = ticket_create(op, rq, 0);
    if (!t) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    t->kind = TICKET_UPGRADE;
    t->asked = true;
    t->deadline_us = t->started_us + order.timeout_us;
    ticket_identify(t, order.id);
    ticket_begin(t);
    operator_changed(op); /* before it begins: the answer is not ours to give */
    r = begin(op, &order, &e);
    t = control_data(rq); /* it may have been answered already */
    if (!t || t->answer)
        return;
    if (r < 0)
        ticket_finish(t, 409, answer(t, false, e.text));
    else if (!t->id[0]) /* nobody will know who asked */
        ticket_finish(t, 202, answer(t, true, "it has begun"));
}

void
operator_upgraded(struct desk *op, bool ok, const char *words)
{
    struct ticket *t = pending(op);

    if (t)
        ticket_finish(t, ok ? 200 : 409, answer(t, ok, words));
}

bool
operator_upgrading(const struct desk *op)
{
    return pending(op) != NULL;
}
