/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/operator_internal.h"

/*
 * A change with an id is remembered while its client is away, so that one who lost the connection
 * (or the master) asks again and gets the verdict, and not a second reload.
 */

#define ABSENCE_US (30 * US_PER_S)
#define KEPT_US    (60 * US_PER_S) /* beyond the deadline, however often the master was replaced */

bool
ticket_id_valid(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_-";
    size_t n = strlen(id);

    return n >= TICKET_ID_MIN && n <= TICKET_ID_MAX && id[strspn(id, allowed)] == '\0';
}

void
operator_changed(const struct desk *op)
{
    if (op->options.changed && !op->leaving)
        op->options.changed(op->options.env);
}

struct ticket *
ticket_find(const struct desk *op, uid_t uid, const char *id)
{
    list_for_each (pos, &op->tickets) {
        struct ticket *t = container_of(pos, struct ticket, node);

        if (t->uid == uid && strcmp(t->id, id) == 0)
            return t;
    }
    return NULL;
}

/* The one that waits longest for a client. */
static struct ticket *
find_lonely(const struct desk *op)
{
    list_for_each (pos, &op->tickets) {
        struct ticket *t = container_of(pos, struct ticket, node);

        if (t->id[0] && !t->rq)
            return t;
    }
    return NULL;
}

void
ticket_identify(struct ticket *t, const char *id)
{
    struct desk *op = t->op;

    if (!id)
        return;
    if (op->n_remembered >= OPERATOR_REMEMBERED_MAX)
        ticket_destroy(find_lonely(op));
    if (op->n_remembered >= OPERATOR_REMEMBERED_MAX)
        return;                        /* as many clients are there: it is one without an id */
    memcpy(t->id, id, strlen(id) + 1); /* ticket_id_valid() */
    op->n_remembered++;
}

int64_t
ticket_forget_us(const struct ticket *t)
{
    int64_t absence_us = t->op->options.absence_us > 0 ? t->op->options.absence_us : ABSENCE_US;
    int64_t at_us = t->away_us + absence_us;

    if (t->rq)
        return TIME_NEVER;
    return at_us < t->deadline_us + KEPT_US ? at_us : t->deadline_us + KEPT_US;
}

void
ticket_left(struct ticket *t, bool whole)
{
    if (whole || !t->id[0]) {
        ticket_destroy(t);
        return;
    }
    t->rq = NULL;
    t->away_us = mono_now_us();
    ticket_arm(t);
}

static void
attach(struct ticket *t, struct control_request *rq)
{
    struct control_request *before = t->rq;

    t->rq = rq;
    control_set_data(rq, t);
    ticket_arm(t);
    if (before) {
        control_set_data(before, NULL);
        if (!t->answer) /* else it has been given it */
            control_answer_error(before, 409, "superseded", "another connection asks with this id");
    }
    if (t->answer)
        control_answer(rq, t->status, json_incref(t->answer));
}

bool
operator_known(struct desk *op, struct control_request *rq, const char *verb)
{
    const char *id = json_string_value(json_object_get(control_body(rq), "id"));
    struct ticket *t = id && id[0] ? ticket_find(op, control_peer(rq)->uid, id) : NULL;

    if (!t)
        return false;
    if (strcmp(ticket_verb(t), verb) == 0)
        attach(t, rq);
    else
        control_answer_error(rq, 409, "id-in-use", "'%s' is the id of another request: a %s", id,
                             ticket_verb(t));
    return true;
}
