/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "supervisor/io/operator_internal.h"

/* The status: told at once, or when what takes time to find out is known. */

/* A request that waits for that. */
struct looking {
    struct list node;           /* in desk.looking */
    struct control_request *rq; /* borrowed */
};

bool
query_service(struct desk *op, struct control_request *rq, struct service **ret)
{
    const char *name = control_query(rq, "service");

    *ret = name ? operator_service(op, rq, name) : NULL;
    return !name || *ret;
}

static void
answer_status(struct desk *op, struct control_request *rq)
{
    struct service *s;

    if (query_service(op, rq, &s))
        control_answer(rq, 200, report_status(&op->options.sources, s, mono_now_us()));
}

void
operator_status(struct desk *op, struct control_request *rq)
{
    struct looking *l;
    struct service *s;

    if (!query_service(op, rq, &s))
        return;
    if (!op->options.look || !op->options.look(op->options.env)) {
        answer_status(op, rq);
        return;
    }
    l = calloc(1, sizeof(*l));
    if (!l) {
        answer_status(op, rq); /* with what is known */
        return;
    }
    l->rq = rq;
    list_add(&op->looking, &l->node);
}

void
status_gone(struct desk *op, const struct control_request *rq)
{
    list_for_each_safe (n, &op->looking) {
        struct looking *l = container_of(n, struct looking, node);

        if (l->rq != rq)
            continue;
        list_del(&l->node);
        free(l);
    }
}

void
operator_looked(struct desk *op)
{
    while (!list_empty(&op->looking)) {
        struct looking *l = container_of(op->looking.next, struct looking, node);
        struct control_request *rq = l->rq;

        list_del(&l->node);
        free(l);
        answer_status(op, rq);
    }
}
