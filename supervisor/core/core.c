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
    32 /* turns for each service in one step: one move can allow the next, the rest waits for a tick */

int
core_create(uint64_t seed, struct core **ret)
{
    struct core *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    list_init(&c->services);
    list_init(&c->agenda);
    list_init(&c->touched);
    c->entropy[0] = seed;
    c->entropy[1] = ~seed; /* never both zero */
    c->stop_budget_us = 60 * US_PER_S;
    list_init(&c->places);
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
        service_destroy(c, container_of(n, struct service, node));
    table_finish(&c->by_id);
    table_finish(&c->by_name);
    table_finish(&c->workers);
    free(c->due);
    free(c);
}

/* ---- who is who --------------------------------------------------------------------------------- */

struct service *
core_service(const struct core *c, uint32_t id)
{
    struct table_node *n = table_find(&c->by_id, id);

    return n ? container_of(n, struct service, by_id) : NULL;
}

struct service *
core_service_by_name(const struct core *c, const char *name)
{
    for (struct table_node *n = table_find(&c->by_name, table_key(name)); n; n = table_next(n))
        if (strcmp(container_of(n, struct service, by_name)->name, name) == 0)
            return container_of(n, struct service, by_name);
    return NULL;
}

struct worker *
core_worker(const struct core *c, uint64_t id)
{
    struct table_node *n = table_find(&c->workers, id);

    return n ? container_of(n, struct worker, by_id) : NULL;
}

/* ---- events --------------------------------------------------------------------------------------- */

static void
on_worker(struct core *c, const struct event *ev)
{
    struct worker *w = core_worker(c, ev->worker);

    if (!w)
        return; /* gone meanwhile */
    agenda_add(c, w->generation->service);
    if (ev->type == EVENT_SPAWNED)
        worker_spawned(c, w, ev->spawned.pid);
    else if (ev->type == EVENT_SPAWN_FAILED)
        worker_spawn_failed(c, w, ev);
    else if (ev->type == EVENT_READY) {
        if (!generation_runs_once(w->generation) && !reload_signal_ready(c, w))
            (void)worker_step(c, w, WE_READY);
    } else if (ev->type == EVENT_RELOADING)
        reload_signal_busy(w, ev->reloading.at_us);
    else if (ev->type == EVENT_REWRITTEN)
        reload_signal_rewritten(c, w);
    else if (ev->type == EVENT_UNSENT)
        reload_signal_unsent(c, w, ev->unsent.error);
    else if (ev->type == EVENT_EXTEND)
        worker_extend(c, w, ev->extend.usec);
    else if (ev->type == EVENT_STATUS)
        copy_text(w->status, sizeof(w->status), ev->status.text);
    else if (ev->type == EVENT_USAGE)
        worker_usage(c, w, ev);
    else if (ev->type == EVENT_EVIDENCE)
        worker_evidence(c, w, ev);
    else if (ev->type == EVENT_INSPECT)
        worker_wants_look(c, w, ev->inspect.at_us);
    else if (ev->type == EVENT_INSPECTED)
        worker_inspected(c, w, ev);
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
        reload_request(c, s, ev->request.cause ? ev->request.cause : "start",
                       (struct reload_wish){.force = true});
    }
}

static void
on_service(struct core *c, struct service *s, const struct event *ev)
{
    agenda_add(c, s);
    if (ev->type == EVENT_LOOKED)
        reload_looked(c, s, ev);
    else if (ev->type == EVENT_CHECKED)
        reload_checked(c, s, ev);
    else if (ev->type == EVENT_HOOKED)
        hook_answered(c, s, ev);
    else if (ev->type == EVENT_SURVEYED)
        survey_answered(c, s, ev);
    else if (ev->type == EVENT_START)
        on_start(c, s, ev);
    else if (ev->type == EVENT_STOP && s->want == WANT_UP)
        s->want = WANT_DOWN;
    else if (c->stopping || s->want != WANT_UP)
        return;
    else if (ev->type == EVENT_HINT)
        reload_hint(c, s, ev->hint.path);
    else if (ev->type == EVENT_RELOAD)
        reload_request(c, s, ev->request.cause ? ev->request.cause : "reload",
                       (struct reload_wish){ev->request.force, ev->request.past_door});
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
    struct service *s;

    while ((s = agenda_due(c)) != NULL) {
        list_for_each_safe (m, &s->generations) {
            struct generation *g = container_of(m, struct generation, node);

            generation_tick(c, g);
            list_for_each_safe (k, &g->workers)
                worker_tick(c, container_of(k, struct worker, node));
        }
        agenda_add(c, s);
    }
    if (c->stopping && !c->hurried && c->now_us >= stop_leak_at_us(c)) {
        c->hurried = true; /* nobody waits for dependents any more */
        agenda_add_all(c);
    }
}

/* One service, or (0) all of them. */
static void
on_services(struct core *c, const struct event *ev)
{
    struct service *one = core_service(c, ev->service);

    on_late_look(c, ev);
    if (one)
        on_service(c, one, ev);
    if (ev->service != 0)
        return;
    list_for_each (n, &c->services)
        on_service(c, container_of(n, struct service, node), ev);
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
        agenda_add_all(c);
        break;
    case EVENT_STOP_ALL:
        stop_all(c, ev->request.cause ? ev->request.cause : "asked to", ev->request.status);
        agenda_add_all(c);
        break;
    case EVENT_HINT:
    case EVENT_LOOKED:
    case EVENT_CHECKED:
    case EVENT_HOOKED:
    case EVENT_SURVEYED:
    case EVENT_RELOAD:
    case EVENT_START:
    case EVENT_STOP:
        on_services(c, ev);
        break;
    case EVENT_SPAWNED:
    case EVENT_SPAWN_FAILED:
    case EVENT_READY:
    case EVENT_RELOADING:
    case EVENT_REWRITTEN:
    case EVENT_UNSENT:
    case EVENT_EXTEND:
    case EVENT_STATUS:
    case EVENT_USAGE:
    case EVENT_EVIDENCE:
    case EVENT_INSPECT:
    case EVENT_INSPECTED:
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
    size_t turns = ADVANCE_ROUNDS * (c->n_services + 1);

    if (c->unlinked)
        agenda_add_all(c);
    for (; turns > 0 && (!list_empty(&c->agenda) || places_offer(c)); turns--) {
        struct service *s = container_of(c->agenda.next, struct service, agenda);
        size_t before = c->fx->n + c->fx->lost;

        list_del(&s->agenda);
        agenda_touch(c, s); /* it may be on it since before the last core_clean() */
        service_advance(c, s);
        if (c->fx->n + c->fx->lost > before) /* every move leaves an effect or a record */
            agenda_add(c, s);
        agenda_note(c, s);
        if (s->want == WANT_GONE && list_empty(&s->generations) && s->reload.state == RELOAD_IDLE) {
            record_text(record_service(c, RECORD_SERVICE, s), "removed");
            service_destroy(c, s);
        }
    }
    c->offered = NULL; /* who had no use for it: the next one had it */
}

void
core_step(struct core *c, const struct event *ev, struct effects *fx)
{
    size_t first = fx->n;

    c->now_us = ev->now_us;
    c->fx = fx;
    c->n_moves = c->moves_lost = 0;
    core_take(c, ev);
    core_advance(c);
    tally_step(c, first);
    c->fx = NULL;
}

void
core_clean(struct core *c)
{
    while (!list_empty(&c->touched))
        list_del(c->touched.next);
}

bool
core_stopped(const struct core *c)
{
    return c->stopping && c->n_live == 0;
}

int64_t
core_next_deadline_us(const struct core *c)
{
    int64_t next = c->n_due > 0 ? c->due[0]->due_us : TIME_NEVER;

    if (!list_empty(&c->agenda) || places_wait(c))
        return c->now_us; /* more than one step may do: the next goes on */
    if (c->stopping && !c->hurried && c->n_live > 0 && stop_leak_at_us(c) < next)
        next = stop_leak_at_us(c);
    return next;
}
