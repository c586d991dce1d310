/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/operator_internal.h"

#define TIMEOUT_DEFAULT_US (600 * US_PER_S)

/* ---- Doing ------------------------------------------------------------------------------- */

void
operator_audit(struct desk *op, const struct control_request *rq, const struct order *order)
{
    const struct control_peer *peer = control_peer(rq);
    auto_text struct text names = TEXT_INIT;
    json_t *name;
    size_t i;

    json_array_foreach(order->services, i, name)
        text_addf(&names, "%s%s", i > 0 ? "," : "", json_string_value(name));
    struct journal_field fields[] = {
        FIELD_TEXT("verb", order->verb),
        FIELD_TEXT("services", order->all ? "*" : text_str(&names)),
        FIELD_BOOL("force", order->force),
        FIELD_NUMBER("by_uid", peer->uid),
        FIELD_NUMBER("by_pid", peer->pid),
        FIELD_BOOL("allowed", true),
        FIELD_TEXT("path", order->path),
    };
    journal_event(op->options.journal, LOG_LEVEL_INFO, "audit", fields, ARRAY_LEN(fields));
}

static void
submit(struct desk *op, enum event_type type, uint32_t service, const char *cause, bool force)
{
    struct event ev = {.type = type, .now_us = mono_now_us(), .service = service};

    ev.request.cause = cause;
    ev.request.force = force;
    ev.request.past_door = force && type == EVENT_RELOAD; /* the audit line has said who */
    op->options.submit(op->options.env, &ev);
}

static bool
named_before(json_t *names, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (json_equal(json_array_get(names, k), json_array_get(names, i)))
            return true;
    return false;
}

static const struct core *
core_of(const struct ticket *t)
{
    return t->op->options.sources.core;
}

/* What each service owes, before the core is asked: so no record is missed. */
static void
open_claims(struct ticket *t, const struct order *order)
{
    json_t *name;
    size_t i;

    if (order->all)
        list_for_each (pos, &core_of(t)->services)
            claim_open(t, &t->claims[t->n_claims++], container_of(pos, struct service, node));
    json_array_foreach(order->services, i, name)
    {
        const struct service *s = core_service_by_name(core_of(t), json_string_value(name));

        if (s && !named_before(order->services, i))
            claim_open(t, &t->claims[t->n_claims++], s);
    }
}

/* The run that will answer for it. False: there will be none. */
static bool
await_reload(const struct ticket *t, struct claim *c)
{
    const struct service *s = core_service(core_of(t), c->service_id);

    c->awaited = s ? service_covering_reload(core_of(t), s) : 0;
    if (c->awaited == 0) /* alone it is a no; among all it is not meant */
        claim_decide(c, t->all, "stopped", "it is not wanted up: start it first");
    return c->awaited > 0;
}

/* Of several that began in one step only the first has the id that was foreseen; none has a smaller. */
static void
correct_reload(const struct ticket *t, struct claim *c)
{
    const struct service *s = core_service(core_of(t), c->service_id);

    if (!s || c->decided || s->reload.state == RELOAD_IDLE)
        return;
    if (s->reload.id >= c->awaited)
        c->awaited = s->reload.id;
    else if (s->reload.trailing && s->reload.trailing_id >= c->awaited)
        c->awaited = s->reload.trailing_id;
}

static const enum event_type events[TICKET_KIND_COUNT] = {
    [TICKET_RELOAD] = EVENT_RELOAD,
    [TICKET_START] = EVENT_START,
    [TICKET_STOP] = EVENT_STOP,
    [TICKET_STOP_ALL] = EVENT_STOP_ALL,
};

/* One step, so that a master that dies was asked for all of it or for nothing. */
static void
ask_all(struct ticket *t, const char *cause)
{
    for (size_t i = 0; t->kind == TICKET_RELOAD && i < t->n_claims; i++)
        (void)await_reload(t, &t->claims[i]);
    t->n_asked = t->n_claims;
    t->asked = true;
    operator_changed(t->op);
    submit(t->op, events[t->kind], 0, cause, t->force);
    for (size_t i = 0; t->kind == TICKET_RELOAD && i < t->n_claims; i++)
        correct_reload(t, &t->claims[i]);
}

static void
ask_each(struct ticket *t, const char *cause)
{
    while (t->n_asked < t->n_claims) {
        struct claim *c = &t->claims[t->n_asked++];
        bool owed = t->kind != TICKET_RELOAD || await_reload(t, c);

        t->asked = t->n_asked == t->n_claims;
        operator_changed(t->op);
        if (owed)
            submit(t->op, events[t->kind], c->service_id, cause, t->force);
    }
    t->asked = true;
}

void
ticket_ask(struct ticket *t)
{
    char cause[128];

    (void)snprintf(cause, sizeof(cause), "operator %s by uid %u (pid %d)", ticket_verb(t),
                   (unsigned)t->uid, (int)t->pid);
    if (t->all)
        ask_all(t, cause);
    else
        ask_each(t, cause);
}

/* A ticket for it, empty. NULL: @rq was answered. */
static struct ticket *
order_ticket(struct desk *op, struct control_request *rq, const struct order *order,
             enum ticket_kind kind, size_t claims)
{
    struct ticket *t = ticket_create(op, rq, claims);

    if (!t) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return NULL;
    }
    t->kind = kind;
    t->all = order->all;
    t->wait = order->wait;
    t->force = order->force;
    t->deadline_us = t->started_us + order->timeout_us;
    ticket_identify(t, order->id);
    ticket_begin(t);
    return t;
}

static void
carry_out(struct desk *op, struct control_request *rq, const struct order *order,
          enum ticket_kind kind)
{
    size_t n = order->all ? op->options.sources.core->n_services : json_array_size(order->services);
    struct ticket *t = order_ticket(op, rq, order, kind, n);

    if (!t)
        return;
    open_claims(t, order);
    ticket_ask(t);
    ticket_settle(t);
}

static json_t *
config_refusal(struct desk *op, const char *verb, const char *words)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:{s:b, s:o}, s:[]}", "schema", "stint.answer/1", "verb",
                     verb, "ok", 0, "timed_out", 0, "config", "valid", 0, "error",
                     report_config_error(&op->options.sources, words), "services");
}

/* Everything is meant: then the configuration first, all or nothing. True: it is in force. */
static bool
config_first(struct desk *op, struct control_request *rq, const struct order *order)
{
    struct error e = {0};
    struct ticket *t;
    int r;

    if (!order->all || !op->options.config_reload)
        return true;
    r = op->options.config_reload(op->options.env, "operator reload", &e);
    if (r < 0)
        control_answer(rq, 409, config_refusal(op, order->verb, e.text));
    if (r != 1)
        return r == 0;
    t = order_ticket(op, rq, order, TICKET_RELOAD, 0);
    if (t) {
        t->reading = true; /* operator_config_read() goes on from here */
        operator_changed(op);
    }
    return false;
}

/* The configuration that it waited for has been read. */
static void
config_then(struct ticket *t, int r, const char *words)
{
    const struct order order = {.all = true};

    t->reading = t->read_again = false;
    if (r < 0) {
        ticket_finish(t, 409, config_refusal(t->op, ticket_verb(t), words));
        return;
    }
    if (!ticket_make_room(t, core_of(t)->n_services)) {
        struct control_request *rq = t->rq;

        ticket_destroy(t);
        if (rq)
            control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    open_claims(t, &order);
    ticket_ask(t);
    ticket_settle(t);
}

void
ticket_read_again(struct ticket *t)
{
    struct desk *op = t->op;
    struct error e = {0};
    int r = 0;

    t->reading = t->read_again = false; /* operator_config_read() may come before this returns */
    if (op->options.config_reload)
        r = op->options.config_reload(op->options.env, "operator reload", &e);
    t->reading = r == 1;
    if (r != 1)
        config_then(t, r, e.text);
}

void
operator_config_read(struct desk *op, int r, const char *words)
{
    list_for_each_safe (pos, &op->tickets) {
        struct ticket *t = container_of(pos, struct ticket, node);

        if (t->reading)
            config_then(t, r, words);
    }
}

void
operator_reload(struct desk *op, struct control_request *rq)
{
    struct order order = {.verb = "reload", .timeout_us = TIMEOUT_DEFAULT_US};

    if (operator_known(op, rq, order.verb) || !order_parse(op, rq, &order))
        return;
    operator_audit(op, rq, &order);
    if (config_first(op, rq, &order))
        carry_out(op, rq, &order, TICKET_RELOAD);
}

void
operator_start(struct desk *op, struct control_request *rq)
{
    struct order order = {.verb = "start", .timeout_us = TIMEOUT_DEFAULT_US};

    if (operator_known(op, rq, order.verb) || !order_parse(op, rq, &order))
        return;
    operator_audit(op, rq, &order);
    carry_out(op, rq, &order, TICKET_START);
}

void
operator_stop(struct desk *op, struct control_request *rq)
{
    struct order order = {.verb = "stop", .timeout_us = TIMEOUT_DEFAULT_US, .wait = WAIT_GONE};

    if (operator_known(op, rq, order.verb) || !order_parse(op, rq, &order))
        return;
    operator_audit(op, rq, &order);
    carry_out(op, rq, &order, order.all ? TICKET_STOP_ALL : TICKET_STOP);
}

/* "ready", "gone" or "generation:7". */
static bool
parse_target(struct control_request *rq, struct ticket *t)
{
    static const char prefix[] = "generation:";
    const char *s = control_query(rq, "for");
    char *end = NULL;

    t->target = TARGET_READY;
    if (!s || strcmp(s, "ready") == 0)
        return true;
    t->target = TARGET_GONE;
    if (strcmp(s, "gone") == 0)
        return true;
    t->target = TARGET_GENERATION;
    if (strncmp(s, prefix, sizeof(prefix) - 1) == 0) {
        s += sizeof(prefix) - 1;
        t->target_generation = strtoull(s, &end, 10);
        if (s[0] >= '0' && s[0] <= '9' && !*end)
            return true;
    }
    return false;
}

void
operator_wait(struct desk *op, struct control_request *rq)
{
    const char *name = control_query(rq, "service");
    uint64_t timeout_ms = (uint64_t)(TIMEOUT_DEFAULT_US / US_PER_MS);
    struct service *s;
    struct ticket *t;

    if (!name) {
        control_answer_error(rq, 400, "bad-query", "'service' must be given");
        return;
    }
    s = operator_service(op, rq, name);
    if (!s || !operator_query_number(rq, "timeout_ms", (uint64_t)TIMEOUT_MAX_MS, &timeout_ms))
        return;
    t = ticket_create(op, rq, 1);
    if (!t) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    t->kind = TICKET_WAIT;
    t->asked = true;
    t->deadline_us = t->started_us + (int64_t)timeout_ms * US_PER_MS;
    ticket_begin(t);
    if (!parse_target(rq, t)) {
        ticket_destroy(t);
        control_answer_error(rq, 400, "bad-query",
                             "'for' must be ready, gone or generation:NUMBER");
        return;
    }
    claim_open(t, &t->claims[t->n_claims++], s);
    ticket_settle(t);
}
