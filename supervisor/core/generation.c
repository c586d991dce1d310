/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

#define RETRY_AFTER_OOM_US US_PER_S

static void
generation_drain_workers(struct core *c, struct generation *g)
{
    g->deadline_us = TIME_NEVER;
    list_for_each (n, &g->workers) {
        struct worker *w = container_of(n, struct worker, node);

        if (w->state == WORKER_STARTING || w->state == WORKER_READY)
            (void)worker_step(c, w, WE_DRAIN);
    }
}

void
generation_take_over(struct core *c, struct generation *g, enum outcome o)
{
    struct service *s = g->service;
    bool restored = s->reload.state == RELOAD_RESTORING && g->number == s->reload.previous;

    g->has_served = true;
    g->serving_us = c->now_us;
    list_for_each (n, &s->generations) {
        struct generation *old = container_of(n, struct generation, node);

        if (old->number < g->number && generation_active(old)) /* never the one that comes after */
            (void)generation_step(c, old, GE_RELIEVE);
    }
    if (restored)
        reload_end(c, s, OUTCOME_RESTORED, s->rejected_reason);
    else if (s->reload.state == RELOAD_HANDING && g->reload == s->reload.id) {
        s->input_rejected = false;
        s->rejected = (struct digest){0, 0};
        s->rejected_reason[0] = '\0';
        reload_end(c, s, o, s->reload.fallback);
    }
}

/* ---- on entry --------------------------------------------------------------------------- */

static void
generation_soak(struct core *c, struct generation *g)
{
    struct record *r = record_generation(c, RECORD_SOAKING, g);
    char spell[32];

    g->deadline_us = c->now_us + g->spec->soak_us;
    generation_let_in(c, g);
    generation_inspect(c, g);
    record_text(r, "every worker is ready; both generations serve for %s",
                duration_human(g->spec->soak_us, spell, sizeof(spell)));
}

static void
generation_serve(struct core *c, struct generation *g)
{
    struct record *r = record_generation(c, RECORD_SERVING, g);

    if (g->spec->soak_us == 0 || g->has_served) /* else it happened then; twice does no harm */
        generation_let_in(c, g);
    g->deadline_us = TIME_NEVER;
    g->window_failures = 0;
    if (r)
        r->duration_us = c->now_us - g->started_us;
    generation_inspect(c, g);
    generation_take_over(c, g, OUTCOME_SERVING);
}

static void
generation_abort(struct core *c, struct generation *g)
{
    struct record *r = record_generation(c, RECORD_ABORTED, g);

    g->aborted = true;
    g->drain_us = c->now_us;
    if (r)
        r->warning = true;
    record_text(r, "%s", g->reason);
    hook_cancel(c, g);
    generation_drain_workers(c, g);
}

void
generation_announced(struct core *c, struct generation *g)
{
    int64_t announce = g->has_served && generation_live(g) ? g->spec->announce_delay_us : 0;
    int64_t until = earlier(c->now_us + announce, stop_leak_at_us(c));

    if (g->state != GENERATION_DRAINING)
        return;
    if (until > c->now_us)
        g->deadline_us = until; /* balancers are told first */
    else
        generation_drain_workers(c, g);
}

static void
generation_relieve(struct core *c, struct generation *g)
{
    struct record *r = record_generation(c, RECORD_DRAINING, g);

    g->drain_us = c->now_us;
    g->deadline_us = TIME_NEVER;
    record_text(r, "drain within %" PRId64 " ms", g->spec->drain_timeout_us / US_PER_MS);
    hook_cancel(c, g);
    if (g->has_served && generation_live(g) && hook_begin(c, g, HOOK_ANNOUNCE))
        return;
    generation_announced(c, g);
}

static void
generation_park(struct core *c, struct generation *g)
{
    (void)c;
    g->deadline_us = TIME_NEVER;
}

static void
generation_restore(struct core *c, struct generation *g)
{
    struct record *r = record_generation(c, RECORD_STARTING, g);

    if (r)
        r->warning = true;
    record_text(r, "started again: its successor did not make it");
    g->started_us = c->now_us;
    for (unsigned i = 0; i < g->n_slots; i++)
        g->slots[i] = (struct slot){.next_spawn_us = c->now_us};
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct rule {
    enum generation_state next; /* GENERATION_NONE (0): an empty cell */
    void (*enter)(struct core *c, struct generation *g);
} rules[GENERATION_STATE_COUNT][GE_COUNT] = {
#define ROW(from, event, to, fn) [GENERATION_##from][GE_##event] = {GENERATION_##to, fn},
#define IGNORE(from, event)      [GENERATION_##from][GE_##event] = {GENERATION_##from, NULL},
#include "supervisor/core/generation_fsm.def"
#undef ROW
#undef IGNORE
};

bool
generation_cell(enum generation_state s, enum generation_event e, enum generation_state *ret_next)
{
    *ret_next = rules[s][e].next;
    return rules[s][e].next != GENERATION_NONE;
}

int
generation_step(struct core *c, struct generation *g, enum generation_event e)
{
    const struct rule *r = &rules[g->state][e];

    if (r->next == GENERATION_NONE) {
        record_bug(c, g->service, "generation", generation_state_name(g->state), (int)e);
        return -1;
    }
    if (!r->enter)
        return 0;
    move_generation(c, g, e, r->next);
    g->state = r->next;
    r->enter(c, g);
    return 0;
}

/* ---- birth and end -------------------------------------------------------------------------- */

struct generation *
generation_create(struct core *c, struct service *s)
{
    auto_free struct generation *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->slots = calloc(s->reload.spec->workers, sizeof(*g->slots));
    if (!g->slots)
        return NULL;
    g->service = s;
    g->number = ++s->last_generation;
    g->spec = service_spec_ref(s->reload.spec);
    g->root = g->number;
    g->digest = s->reload.digest;
    g->program = s->reload.program;
    g->setting = s->reload.setting;
    g->snapshot = s->reload.snapshot;
    s->reload.snapshot = 0;
    g->reload = s->reload.id;
    memcpy(g->trace, s->reload.trace, sizeof(g->trace));
    g->state = GENERATION_STARTING;
    g->started_us = c->now_us;
    g->deadline_us = g->hook_deadline_us = g->survey_us = TIME_NEVER;
    g->started_us = g->since_us = c->now_us;
    g->deadline_us = g->hook_deadline_us = TIME_NEVER;
    g->n_slots = s->reload.spec->workers;
    for (unsigned i = 0; i < g->n_slots; i++)
        g->slots[i].next_spawn_us = c->now_us;
    list_init(&g->workers);
    s->failure = 0;
    list_add(&s->generations, &g->node);
    return steal(g);
}

void
generation_destroy(struct generation *g)
{
    if (!g)
        return;
    list_for_each_safe (n, &g->workers)
        worker_destroy(container_of(n, struct worker, node));
    list_del(&g->node);
    service_spec_unref(g->spec);
    free(g->slots);
    free(g);
}

/* ---- what it is ------------------------------------------------------------------------------- */

bool
generation_live(const struct generation *g)
{
    list_for_each (n, &g->workers)
        if (worker_live(container_of(n, struct worker, node)))
            return true;
    return false;
}

bool
generation_active(const struct generation *g)
{
    return g->state == GENERATION_STARTING || g->state == GENERATION_SOAKING ||
           g->state == GENERATION_SERVING || g->state == GENERATION_COMPLETED;
}

bool
generation_falters(const struct generation *g)
{
    for (unsigned i = 0; g->state == GENERATION_STARTING && i < g->n_slots; i++)
        if (g->slots[i].failures > 0)
            return true;
    return false;
}

struct worker *
slot_worker(const struct generation *g, unsigned slot)
{
    return slot < g->n_slots ? g->slots[slot].worker : NULL;
}

static bool
generation_all_ready(const struct generation *g)
{
    for (unsigned i = 0; i < g->n_slots; i++) {
        const struct worker *w = slot_worker(g, i);

        if (!w || w->state != WORKER_READY)
            return false;
    }
    return true;
}

/* ---- time and progress -------------------------------------------------------------------------- */

void
generation_tick(struct core *c, struct generation *g)
{
    hook_tick(c, g);
    survey_tick(c, g);
    if (g->deadline_us > c->now_us)
        return;
    if (g->state == GENERATION_SOAKING)
        g->deadline_us = TIME_NEVER; /* probation passed: generation_advance() lets it serve */
    else if (g->state == GENERATION_DRAINING)
        generation_drain_workers(c, g);
}

void
generation_advance(struct core *c, struct generation *g)
{
    if (!generation_active(g))
        return;
    for (unsigned i = 0; i < g->n_slots && generation_may_spawn(g); i++) {
        if (g->slots[i].next_spawn_us > c->now_us || slot_worker(g, i))
            continue;
        if (!place_for(c, g))
            break;
        g->slots[i].next_spawn_us = worker_create(c, g, i, &g->slots[i].worker)
                                        ? TIME_NEVER
                                        : c->now_us + RETRY_AFTER_OOM_US;
    }
    if (generation_may_complete(g))
        (void)generation_step(c, g, GE_COMPLETE);
    else if (g->state == GENERATION_STARTING && generation_all_ready(g))
        (void)generation_step(c, g,
                              g->spec->soak_us > 0 && !g->has_served ? GE_ALL_READY : GE_SERVE);
    else if (g->state == GENERATION_SOAKING && g->deadline_us == TIME_NEVER &&
             generation_all_ready(g)) /* workers added during probation, too */
        (void)generation_step(c, g, GE_SERVE);
    relief_advance(c, g);
}

static bool
generation_scale(struct core *c, struct generation *g, unsigned workers)
{
    struct slot *slots;
    unsigned before;

    if (workers > g->n_slots) {
        slots = realloc(g->slots, workers * sizeof(*slots));
        if (!slots)
            return false;
        g->slots = slots;
        for (unsigned i = g->n_slots; i < workers; i++)
            g->slots[i] = (struct slot){.next_spawn_us = c->now_us};
    }
    before = g->n_slots;
    g->n_slots = workers;
    list_for_each (n, &g->workers) {
        struct worker *w = container_of(n, struct worker, node);

        if (w->escapee || !worker_live(w) || w->slot < before)
            continue;
        /* One that is still leaving a slot makes room first; its exit plans the next. */
        if (w->slot < workers)
            g->slots[w->slot] = (struct slot){.worker = w, .next_spawn_us = TIME_NEVER};
    }
    list_for_each (n, &g->workers) {
        struct worker *w = container_of(n, struct worker, node);

        if (!w->escapee && w->slot >= workers)
            (void)worker_step(c, w, WE_DRAIN);
    }
    return true;
}

void
generation_follow_policy(struct core *c, struct generation *g, struct service_spec *spec)
{
    if (!generation_scale(c, g, spec->workers))
        return; /* out of memory: it goes on with the policy it has */
    (void)service_spec_ref(spec);
    service_spec_unref(g->spec);
    g->spec = spec;
    g->policy_rev++;
    list_for_each (n, &g->workers)
        worker_watch_budget(c, container_of(n, struct worker, node));
}
