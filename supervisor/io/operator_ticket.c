/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/operator_internal.h"

static void
on_deadline(EV_P_ ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    ticket_answer(timer->data, 504, true);
}

bool
ticket_make_room(struct ticket *t, size_t claims)
{
    struct claim *room = calloc(claims ? claims : 1, sizeof(*room));

    if (!room)
        return false;
    free(t->claims); /* none was opened yet */
    t->claims = room;
    return true;
}

struct ticket *
ticket_create(struct desk *op, struct control_request *rq, size_t claims, int64_t timeout_us)
{
    struct ticket *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    if (!ticket_make_room(t, claims)) {
        free(t);
        return NULL;
    }
    t->op = op;
    t->rq = rq;
    t->started_us = mono_now_us();
    ev_timer_init(&t->deadline, on_deadline, (double)timeout_us / US_PER_S, 0.);
    t->deadline.data = t;
    ev_now_update(op->options.loop); /* the time counts from the request, not from the last turn */
    ev_timer_start(op->options.loop, &t->deadline);
    control_set_data(rq, t);
    list_add(&op->tickets, &t->node);
    if (!ev_is_active(&op->settle))
        ev_prepare_start(op->options.loop, &op->settle);
    return t;
}

void
ticket_destroy(struct ticket *t)
{
    if (!t)
        return;
    control_set_data(t->rq, NULL);
    list_del(&t->node);
    ev_timer_stop(t->op->options.loop, &t->deadline);
    if (list_empty(&t->op->tickets))
        ev_prepare_stop(t->op->options.loop, &t->op->settle);
    for (size_t i = 0; i < t->n_claims; i++) {
        json_decref(t->claims[i].leaks);
        free(t->claims[i].last_lines);
    }
    free(t->claims);
    free(t);
}

void
ticket_record(struct ticket *t, const struct record *r)
{
    for (size_t i = 0; i < t->n_claims; i++)
        if (t->claims[i].service_id == r->service_id)
            claim_record(t, &t->claims[i], r);
}

static bool
all_good(const struct ticket *t)
{
    for (size_t i = 0; i < t->n_claims; i++)
        if (!t->claims[i].decided || !t->claims[i].good)
            return false;
    return true;
}

void
ticket_settle(struct ticket *t)
{
    bool done = true;

    if (t->reading)
        return; /* nothing was asked for yet */
    for (size_t i = 0; i < t->n_claims; i++) {
        claim_settle(t, &t->claims[i]);
        done = done && claim_done(t, &t->claims[i]);
    }
    if (t->kind == TICKET_STOP_ALL)
        done = core_stopped(t->op->options.sources.core);
    if (done || t->wait == WAIT_NONE)
        ticket_answer(t, t->wait == WAIT_NONE ? 202 : all_good(t) ? 200 : 409, false);
}

void
ticket_answer(struct ticket *t, unsigned status, bool timed_out)
{
    json_t *services = json_array();
    json_t *body;
    struct control_request *rq = t->rq;

    for (size_t i = 0; i < t->n_claims; i++)
        (void)json_array_append_new(services, claim_json(t, &t->claims[i])); /* checked below */
    if (json_array_size(services) != t->n_claims) {
        json_decref(services);
        services = NULL;
    }
    body = json_pack("{s:s, s:s, s:b, s:b, s:I, s:o}", "schema", "stint.answer/1", "verb", t->verb,
                     "ok", status == 202 || (!timed_out && status == 200), "timed_out", timed_out,
                     "duration_ms", (json_int_t)((mono_now_us() - t->started_us) / US_PER_MS),
                     "services", services);
    ticket_destroy(t);
    control_answer(rq, status, body);
}

void
operator_on_settle(EV_P_ ev_prepare *w, int revents)
{
    struct desk *op = w->data;

    (void)loop;
    (void)revents;
    list_for_each_safe (pos, &op->tickets)
        ticket_settle(container_of(pos, struct ticket, node));
}
