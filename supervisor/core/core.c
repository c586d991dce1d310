/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/core/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

#define ADVANCE_ROUNDS \
    32 /* one move can allow the next; more rounds than that would be a loop of ours */

int
core_create(uint64_t seed, struct core **ret)
{
    struct core *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    list_init(&c->services);
    c->entropy[0] = seed;
    c->entropy[1] = ~seed; /* never both zero */
    c->stop_budget_us = 60 * US_PER_S;
    for (int i = 0; i < 8; i++)
        (void)chance(c); /* mixes near-by seeds apart */
    *ret = c;
    return 0;
}

void
core_destroy(struct core *c)
{
    if (!c)
        return;
    list_for_each_safe (n, &c->services)
        service_destroy(container_of(n, struct service, node));
    free(c);
}

/* ---- who is who --------------------------------------------------------------------------------- */

struct service *
core_service(const struct core *c, uint32_t id)
{
    list_for_each (n, &c->services) {
        struct service *s = container_of(n, struct service, node);

        if (s->id == id)
            return s;
    }
    return NULL;
}

struct service *
core_service_by_name(const struct core *c, const char *name)
{
    list_for_each (n, &c->services) {
        struct service *s = container_of(n, struct service, node);

        if (strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

struct worker *
core_worker(const struct core *c, uint64_t id)
{
    list_for_each (n, &c->services) {
        list_for_each (m, &container_of(n, struct service, node)->generations) {
            list_for_each (k, &container_of(m, struct generation, node)->workers) {
                struct worker *w = container_of(k, struct worker, node);

                if (w->id == id)
                    return w;
            }
        }
    }
    return NULL;
}

/* ---- events --------------------------------------------------------------------------------------- */

static void
on_worker(struct core *c, const struct event *ev)
{
    struct worker *w = core_worker(c, ev->worker);

    if (!w)
        return; /* gone meanwhile */
    if (ev->type == EVENT_SPAWNED)
        worker_spawned(c, w, ev->spawned.pid);
    else if (ev->type == EVENT_SPAWN_FAILED)
        worker_spawn_failed(c, w, ev);
    else if (ev->type == EVENT_READY)
        (void)worker_step(c, w, WE_READY);
    else if (ev->type == EVENT_EXTEND)
        worker_extend(c, w, ev->extend.usec);
    else if (ev->type == EVENT_STATUS)
        copy_text(w->status, sizeof(w->status), ev->status.text);
    else if (ev->type == EVENT_EVIDENCE)
        worker_evidence(c, w, ev);
    else if (ev->type == EVENT_EXIT)
        worker_exit(c, w, ev);
    else if (ev->type == EVENT_ESCAPEE)
        worker_escapee(c, w, ev);
}

static void
on_start(struct core *c, struct service *s, const struct event *ev)
{
    if (c->stopping || s->want == WANT_GONE)
        return;
    s->want = WANT_UP;
    if (s->input_rejected) { /* a new chance for what failed */
        s->input_rejected = false;
        reload_request(c, s, ev->request.cause ? ev->request.cause : "start", true);
    }
}

static void
on_service(struct core *c, struct service *s, const struct event *ev)
{
    if (ev->type == EVENT_LOOKED)
        reload_looked(c, s, ev);
    else if (ev->type == EVENT_CHECKED)
        reload_checked(c, s, ev);
    else if (ev->type == EVENT_START)
        on_start(c, s, ev);
    else if (ev->type == EVENT_STOP && s->want == WANT_UP)
        s->want = WANT_DOWN;
    else if (c->stopping || s->want != WANT_UP)
        return;
    else if (ev->type == EVENT_HINT)
        reload_hint(c, s, ev->hint.path);
    else if (ev->type == EVENT_RELOAD)
        reload_request(c, s, ev->request.cause ? ev->request.cause : "reload", ev->request.force);
}

/* The service was removed while its inputs were looked at. */
static void
on_late_look(struct core *c, const struct event *ev)
{
    struct effect *e = NULL;

    if (ev->type == EVENT_LOOKED && ev->looked.snapshot && !core_service(c, ev->service))
        e = effects_add(c->fx, FX_DISCARD);
    if (e)
        e->snapshot = ev->looked.snapshot;
}

static void
on_tick(struct core *c)
{
    list_for_each (n, &c->services) {
        list_for_each_safe (m, &container_of(n, struct service, node)->generations) {
            struct generation *g = container_of(m, struct generation, node);

            generation_tick(c, g);
            list_for_each_safe (k, &g->workers)
                worker_tick(c, container_of(k, struct worker, node));
        }
    }
}

static void
core_take(struct core *c, const struct event *ev)
{
    switch (ev->type) {
    case EVENT_TICK:
        on_tick(c);
        break;
    case EVENT_CONFIG:
        plan_config(c, ev);
        break;
    case EVENT_STOP_ALL:
        stop_all(c, ev->request.cause ? ev->request.cause : "asked to");
        break;
    case EVENT_HINT:
    case EVENT_LOOKED:
    case EVENT_CHECKED:
    case EVENT_RELOAD:
    case EVENT_START:
    case EVENT_STOP:
        on_late_look(c, ev);
        list_for_each (n, &c->services) {
            struct service *s = container_of(n, struct service, node);

            if (ev->service == 0 || s->id == ev->service)
                on_service(c, s, ev);
        }
        break;
    case EVENT_SPAWNED:
    case EVENT_SPAWN_FAILED:
    case EVENT_READY:
    case EVENT_EXTEND:
    case EVENT_STATUS:
    case EVENT_EVIDENCE:
    case EVENT_EXIT:
    case EVENT_ESCAPEE:
        on_worker(c, ev);
        break;
    case EVENT_TYPE_COUNT:
        break;
    }
}

/* ---- what follows: level-triggered, until nothing moves any more ------------------------------------ */

static void
core_advance(struct core *c)
{
    for (int round = 0; round < ADVANCE_ROUNDS; round++) {
        size_t before = c->fx->n;

        list_for_each_safe (n, &c->services) {
            struct service *s = container_of(n, struct service, node);

            service_advance(c, s);
            if (s->want == WANT_GONE && list_empty(&s->generations) &&
                s->reload.state == RELOAD_IDLE) {
                record_text(record_service(c, RECORD_SERVICE, s), "removed");
                service_destroy(s);
            }
        }
        if (c->fx->n == before) /* every move leaves an effect or a record */
            return;
    }
}

void
core_step(struct core *c, const struct event *ev, struct effects *fx)
{
    c->now_us = ev->now_us;
    c->fx = fx;
    core_take(c, ev);
    core_advance(c);
    c->fx = NULL;
}

bool
core_stopped(const struct core *c)
{
    if (!c->stopping)
        return false;
    list_for_each (n, &c->services)
        if (service_live(container_of(n, struct service, node)))
            return false;
    return true;
}

/* ---- the next deadline -------------------------------------------------------------------------------- */

static int64_t
earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t
generation_next_us(const struct generation *g)
{
    int64_t next = g->deadline_us;

    list_for_each (n, &g->workers) {
        const struct worker *w = container_of(n, struct worker, node);

        next = earliest(next, w->deadline_us);
        if (w->pid > 0)
            next = earliest(next, w->assume_us);
    }
    for (unsigned i = 0; generation_active(g) && i < g->n_slots; i++)
        next = earliest(next, g->slots[i].next_spawn_us);
    return next;
}

int64_t
core_next_deadline_us(const struct core *c)
{
    int64_t next = TIME_NEVER;

    list_for_each (n, &c->services) {
        const struct service *s = container_of(n, struct service, node);

        next = earliest(next, s->reload.deadline_us);
        list_for_each (m, &s->generations)
            next = earliest(next, generation_next_us(container_of(m, struct generation, node)));
        if (c->stopping && service_live(s) && stop_leak_at_us(c) > c->now_us)
            next = earliest(next, stop_leak_at_us(c));
    }
    return next;
}
