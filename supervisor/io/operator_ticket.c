/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/operator_internal.h"

const char *
ticket_verb(const struct ticket *t)
{
    static const char *const verbs[TICKET_KIND_COUNT] = {
        [TICKET_RELOAD] = "reload", [TICKET_START] = "start",     [TICKET_STOP] = "stop",
        [TICKET_STOP_ALL] = "stop", [TICKET_UPGRADE] = "upgrade", [TICKET_WAIT] = "wait"};

    return verbs[t->kind];
}

static void
on_due(EV_P_ ev_timer *timer, int revents)
{
    struct ticket *t = timer->data;
    int64_t now_us = mono_now_us();

    (void)loop;
    (void)revents;
    if (now_us >= ticket_forget_us(t))
        ticket_destroy(t);
    else if (!t->answer && now_us >= t->deadline_us)
        ticket_answer(t, 504, true);
    else
        ticket_arm(t); /* the loop's clock was ahead of ours */
}

void
ticket_arm(struct ticket *t)
{
    struct ev_loop *loop = t->op->options.loop;
    int64_t at_us = t->answer ? TIME_NEVER : t->deadline_us;
    int64_t wait_us;

    if (ticket_forget_us(t) < at_us)
        at_us = ticket_forget_us(t);
    ev_timer_stop(loop, &t->due);
    if (at_us == TIME_NEVER)
        return;
    wait_us = at_us - mono_now_us();
    ev_now_update(loop); /* the time counts from the request, not from the last turn */
    ev_timer_set(&t->due, wait_us > 0 ? (double)wait_us / (double)US_PER_S : 0., 0.);
    ev_timer_start(loop, &t->due);
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
ticket_create(struct desk *op, struct control_request *rq, size_t claims)
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
    list_init(&t->node);
    t->started_us = t->away_us = mono_now_us();
    t->deadline_us = TIME_NEVER;
    ev_timer_init(&t->due, on_due, 0., 0.);
    t->due.data = t;
    if (rq) {
        t->uid = control_peer(rq)->uid;
        t->pid = control_peer(rq)->pid;
        control_set_data(rq, t);
    }
    return t;
}

void
ticket_begin(struct ticket *t)
{
    struct desk *op = t->op;

    list_add(&op->tickets, &t->node);
    ticket_arm(t);
    if (!ev_is_active(&op->settle))
        ev_prepare_start(op->options.loop, &op->settle);
}

static void
claims_free(struct ticket *t)
{
    for (size_t i = 0; i < t->n_claims; i++) {
        json_decref(t->claims[i].leaks);
        free(t->claims[i].last_lines);
    }
    free(t->claims);
    t->claims = NULL;
    t->n_claims = 0;
}

void
ticket_destroy(struct ticket *t)
{
    if (!t)
        return;
    if (t->rq)
        control_set_data(t->rq, NULL);
    list_del(&t->node);
    ev_timer_stop(t->op->options.loop, &t->due);
    if (list_empty(&t->op->tickets))
        ev_prepare_stop(t->op->options.loop, &t->op->settle);
    if (t->id[0]) {
        t->op->n_remembered--;
        operator_changed(t->op);
    }
    claims_free(t);
    json_decref(t->answer);
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

/* Tell that more of it is known. A big one is not told about each of its services. */
static void
ticket_tell(struct ticket *t)
{
    size_t progress = 0;

    if (!t->id[0])
        return;
    for (size_t i = 0; i < t->n_claims; i++)
        progress += claim_progress(&t->claims[i]);
    if (progress <= t->told + t->n_claims / 16)
        return;
    t->told = progress;
    operator_changed(t->op);
}

void
ticket_settle(struct ticket *t)
{
    bool done = true;

    if (t->answer || t->reading || !t->asked || t->kind == TICKET_UPGRADE)
        return; /* nothing was asked for yet, or not of the core */
    for (size_t i = 0; i < t->n_claims; i++) {
        claim_settle(t, &t->claims[i]);
        done = done && claim_done(t, &t->claims[i]);
    }
    if (t->kind == TICKET_STOP_ALL)
        done = core_stopped(t->op->options.sources.core);
    if (done || t->wait == WAIT_NONE)
        ticket_answer(t, t->wait == WAIT_NONE ? 202 : all_good(t) ? 200 : 409, false);
    else
        ticket_tell(t);
}

void
ticket_answer(struct ticket *t, unsigned status, bool timed_out)
{
    json_t *services = json_array();

    for (size_t i = 0; i < t->n_claims; i++)
        (void)json_array_append_new(services, claim_json(t, &t->claims[i])); /* checked below */
    if (json_array_size(services) != t->n_claims) {
        json_decref(services);
        services = NULL;
    }
    ticket_finish(t, status,
                  json_pack("{s:s, s:s, s:b, s:b, s:I, s:o}", "schema", "stint.answer/1", "verb",
                            ticket_verb(t), "ok", status == 202 || (!timed_out && status == 200),
                            "timed_out", timed_out, "duration_ms",
                            (json_int_t)((mono_now_us() - t->started_us) / US_PER_MS), "services",
                            services));
}

void
ticket_finish(struct ticket *t, unsigned status, json_t *body)
{
    struct control_request *rq = t->rq;

    if (!t->id[0] || !body) {
        ticket_destroy(t);
        if (rq)
            control_answer(rq, status, body);
        return;
    }
    claims_free(t);
    t->answer = body;
    t->status = status;
    t->reading = false;
    operator_changed(t->op);
    ticket_arm(t);
    if (rq)
        control_answer(rq, status, json_incref(body));
}

static struct ticket *
find_unread(const struct desk *op)
{
    list_for_each (pos, &op->tickets) {
        struct ticket *t = container_of(pos, struct ticket, node);

        if (t->reading && t->read_again)
            return t;
    }
    return NULL;
}

void
operator_on_settle(EV_P_ ev_prepare *w, int revents)
{
    struct desk *op = w->data;
    struct ticket *t;

    (void)loop;
    (void)revents;
    while ((t = find_unread(op)) != NULL)
        ticket_read_again(t); /* others may be answered by the same reading */
    list_for_each_safe (pos, &op->tickets) {
        t = container_of(pos, struct ticket, node);
        if (!t->answer && !t->reading && !t->asked)
            ticket_ask(t); /* what the master before had not come to */
        ticket_settle(t);
    }
}
