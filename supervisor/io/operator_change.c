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

static void
audit(struct desk *op, const struct control_request *rq, const struct order *order)
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
    };
    journal_event(op->options.journal, LOG_LEVEL_INFO, "audit", fields, ARRAY_LEN(fields));
}

static void
submit(struct desk *op, enum event_type type, uint32_t service, const char *cause, bool force)
{
    struct event ev = {.type = type, .now_us = mono_now_us(), .service = service};

    ev.request.cause = cause;
    ev.request.force = force;
    op->options.submit(op->options.env, &ev);
}

/* One service of the request: what it owes, then the event, so that no record is missed. */
static void
order_service(struct ticket *t, const struct service *s, const struct order *order,
              const char *cause)
{
    struct claim *c = &t->claims[t->n_claims++];
    const struct core *core = t->op->options.sources.core;

    claim_open(t, c, s);
    if (t->kind == TICKET_RELOAD) {
        c->awaited = service_covering_reload(core, s);
        if (c->awaited == 0) /* alone it is a no; among all it is not meant */
            claim_decide(c, order->all, "stopped", "it is not wanted up: start it first");
        else
            submit(t->op, EVENT_RELOAD, s->id, cause, order->force);
    } else if (t->kind == TICKET_START) {
        submit(t->op, EVENT_START, s->id, cause, false);
    } else if (t->kind == TICKET_STOP) {
        submit(t->op, EVENT_STOP, s->id, cause, false);
    }
}

static bool
named_before(json_t *names, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (json_equal(json_array_get(names, k), json_array_get(names, i)))
            return true;
    return false;
}

static size_t
count_services(const struct core *core)
{
    size_t n = 0;

    list_for_each (pos, &core->services)
        n++;
    return n;
}

static void
order_all(struct ticket *t, const struct order *order, const char *cause, size_t n)
{
    const struct core *core = t->op->options.sources.core;
    auto_free uint32_t *ids = calloc(n ? n : 1, sizeof(*ids)); /* stepping may change the list */
    size_t found = 0;

    if (!ids)
        return;
    list_for_each (pos, &core->services)
        if (found < n)
            ids[found++] = container_of(pos, struct service, node)->id;
    for (size_t i = 0; i < found; i++) {
        const struct service *s = core_service(core, ids[i]);

        if (s)
            order_service(t, s, order, cause);
    }
    if (t->kind == TICKET_STOP_ALL)
        submit(t->op, EVENT_STOP_ALL, 0, cause, false);
}

/* A ticket for it, empty. NULL: @rq was answered. */
static struct ticket *
order_ticket(struct desk *op, struct control_request *rq, const struct order *order,
             enum ticket_kind kind, size_t claims)
{
    struct ticket *t = ticket_create(op, rq, claims, order->timeout_us);

    if (!t) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return NULL;
    }
    t->kind = kind;
    t->verb = order->verb;
    t->wait = order->wait;
    t->force = order->force;
    return t;
}

static void
order_cause(const struct ticket *t, char *cause, size_t room)
{
    const struct control_peer *peer = control_peer(t->rq);

    (void)snprintf(cause, room, "operator %s by uid %u (pid %d)", t->verb, (unsigned)peer->uid,
                   (int)peer->pid);
}

static void
carry_out(struct desk *op, struct control_request *rq, const struct order *order,
          enum ticket_kind kind)
{
    size_t n =
        order->all ? count_services(op->options.sources.core) : json_array_size(order->services);
    struct ticket *t = order_ticket(op, rq, order, kind, n);
    char cause[128];
    json_t *name;
    size_t i;

    if (!t)
        return;
    order_cause(t, cause, sizeof(cause));
    if (order->all)
        order_all(t, order, cause, n);
    json_array_foreach(order->services, i, name)
    {
        const struct service *s =
            core_service_by_name(op->options.sources.core, json_string_value(name));

        if (s && !named_before(order->services, i))
            order_service(t, s, order, cause);
    }
    ticket_settle(t);
}

static void
refuse_config(struct desk *op, struct control_request *rq, const char *verb, const char *words)
{
    json_t *findings = report_config_error(&op->options.sources, words);

    control_answer(rq, 409,
                   json_pack("{s:s, s:s, s:b, s:b, s:{s:b, s:o}, s:[]}", "schema", "stint.answer/1",
                             "verb", verb, "ok", 0, "timed_out", 0, "config", "valid", 0, "error",
                             findings, "services"));
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
        refuse_config(op, rq, order->verb, e.text);
    if (r != 1)
        return r == 0;
    t = order_ticket(op, rq, order, TICKET_RELOAD, 0);
    if (t)
        t->reading = true; /* operator_config_read() goes on from here */
    return false;
}

/* The configuration that it waited for has been read. */
static void
config_then(struct ticket *t, int r, const char *words)
{
    const struct order order = {.verb = t->verb, .all = true, .force = t->force};
    struct control_request *rq = t->rq;
    size_t n = count_services(t->op->options.sources.core);
    char cause[128];

    t->reading = false;
    if (r < 0) {
        struct desk *op = t->op;

        ticket_destroy(t);
        refuse_config(op, rq, order.verb, words);
        return;
    }
    if (!ticket_make_room(t, n)) {
        ticket_destroy(t);
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    order_cause(t, cause, sizeof(cause));
    order_all(t, &order, cause, n);
    ticket_settle(t);
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

    if (!order_parse(op, rq, &order))
        return;
    audit(op, rq, &order);
    if (config_first(op, rq, &order))
        carry_out(op, rq, &order, TICKET_RELOAD);
}

void
operator_start(struct desk *op, struct control_request *rq)
{
    struct order order = {.verb = "start", .timeout_us = TIMEOUT_DEFAULT_US};

    if (!order_parse(op, rq, &order))
        return;
    audit(op, rq, &order);
    carry_out(op, rq, &order, TICKET_START);
}

void
operator_stop(struct desk *op, struct control_request *rq)
{
    struct order order = {.verb = "stop", .timeout_us = TIMEOUT_DEFAULT_US, .wait = WAIT_GONE};

    if (!order_parse(op, rq, &order))
        return;
    audit(op, rq, &order);
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
    t = ticket_create(op, rq, 1, (int64_t)timeout_ms * US_PER_MS);
    if (!t) {
        control_answer_error(rq, 500, "no-memory", "out of memory");
        return;
    }
    t->kind = TICKET_WAIT;
    t->verb = "wait";
    if (!parse_target(rq, t)) {
        ticket_destroy(t);
        control_answer_error(rq, 400, "bad-query",
                             "'for' must be ready, gone or generation:NUMBER");
        return;
    }
    claim_open(t, &t->claims[t->n_claims++], s);
    ticket_settle(t);
}
