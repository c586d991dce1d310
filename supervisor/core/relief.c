/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * restart_after: a worker that has reached a limit is relieved in its slot, by another of its
 * generation. With `overlap` that one starts beside it, as its substitute, and has the slot once it is
 * ready; only then the old one is asked to leave, down the ladder that everybody walks. With `replace`
 * there are never two, so the old one leaves first. One at a time, when every slot has a ready
 * worker, and not while a reload is under way, which renews them all.
 */

#define RETRY_AFTER_OOM_US US_PER_S
#define GOLDEN             UINT32_C(2654435769) /* 2^32 divided by the golden ratio */

/* ---- limits --------------------------------------------------------------------------------- */

/*
 * Lower by a part of the jitter that is the worker's own. Multiples of the golden ratio, without what
 * is before the point, are spread evenly however many there are: so are workers of successive ids.
 */
static uint64_t
less_jitter(const struct worker *w, uint64_t limit)
{
    uint64_t most = limit * w->generation->spec->restart_jitter / 100;
    uint32_t part = (uint32_t)w->id * GOLDEN;

    return limit - (most * (part >> 22) >> 10);
}

int64_t
worker_age_limit_us(const struct worker *w)
{
    return (int64_t)less_jitter(w, (uint64_t)w->generation->spec->restart_age_us);
}

uint64_t
worker_requests_limit(const struct worker *w)
{
    return less_jitter(w, w->generation->spec->restart_requests);
}

uint64_t
worker_rss_limit(const struct worker *w)
{
    return less_jitter(w, w->generation->spec->restart_rss_bytes);
}

enum relief
worker_outlived(const struct worker *w, uint64_t requests, uint64_t rss_bytes)
{
    const struct service_spec *spec = w->generation->spec;

    if (spec->restart_requests > 0 && requests >= worker_requests_limit(w))
        return RELIEF_REQUESTS;
    if (spec->restart_rss_bytes > 0 && rss_bytes >= worker_rss_limit(w))
        return RELIEF_RSS;
    return RELIEF_NONE;
}

/* By its age; TIME_NEVER: not by that. */
static int64_t
worker_old_at_us(const struct worker *w)
{
    return w->generation->spec->restart_age_us > 0 ? w->ready_us + worker_age_limit_us(w)
                                                   : TIME_NEVER;
}

void
worker_usage(struct core *c, struct worker *w, const struct event *ev)
{
    (void)c;
    w->requests = ev->usage.requests;
    w->rss_bytes = ev->usage.rss_bytes;
}

/* ---- who is next ---------------------------------------------------------------------------- */

static bool
slot_has_ready(const struct slot *slot)
{
    return slot->worker && slot->worker->state == WORKER_READY;
}

/* Those that leave may take their time, but there shall not be more of them than workers. */
static bool
few_are_leaving(const struct generation *g)
{
    unsigned leaving = 0;

    list_for_each (n, &g->workers) {
        const struct worker *w = container_of(n, struct worker, node);

        if (w->relieved && w->state == WORKER_READY) /* announce_delay: the last one is not over */
            return false;
        leaving += !w->escapee && worker_live(w) && w != slot_worker(g, w->slot);
    }
    return leaving < g->n_slots;
}

static bool
relief_may_begin(const struct generation *g)
{
    const struct service *s = g->service;

    if (g->state != GENERATION_SERVING || s->want != WANT_UP || s->reload.state != RELOAD_IDLE ||
        s->reload.trailing)
        return false;
    for (unsigned i = 0; i < g->n_slots; i++)
        if (!slot_has_ready(&g->slots[i]) || g->slots[i].substitute)
            return false;
    return few_are_leaving(g);
}

static int64_t
slot_relief_us(const struct slot *slot)
{
    const struct worker *w = slot->worker;
    int64_t due = worker_outlived(w, w->requests, w->rss_bytes) != RELIEF_NONE
                      ? w->ready_us
                      : worker_old_at_us(w);

    return due > slot->relief_us ? due : slot->relief_us;
}

int64_t
relief_next_us(const struct generation *g)
{
    const struct service_spec *spec = g->spec;
    int64_t next = TIME_NEVER;

    if ((spec->restart_age_us == 0 && spec->restart_requests == 0 &&
         spec->restart_rss_bytes == 0) ||
        !relief_may_begin(g))
        return TIME_NEVER;
    for (unsigned i = 0; i < g->n_slots; i++)
        next = earlier(next, slot_relief_us(&g->slots[i]));
    return next;
}

/* ---- how it goes ------------------------------------------------------------------------------ */

static void
relief_why(const struct worker *w, int64_t now_us, char *buf, size_t room)
{
    char is[32], limit[32];

    switch (worker_outlived(w, w->requests, w->rss_bytes)) {
    case RELIEF_REQUESTS:
        (void)snprintf(buf, room, "has served %" PRIu64 " requests, its limit is %" PRIu64,
                       w->requests, worker_requests_limit(w));
        break;
    case RELIEF_RSS:
        (void)snprintf(buf, room, "has %" PRIu64 " MiB of memory, its limit is %" PRIu64 " MiB",
                       w->rss_bytes >> 20, worker_rss_limit(w) >> 20);
        break;
    case RELIEF_AGE:
    case RELIEF_NONE:
        (void)snprintf(buf, room, "is %s old, its limit is %s",
                       duration_human(now_us - w->ready_us, is, sizeof(is)),
                       duration_human(worker_age_limit_us(w), limit, sizeof(limit)));
        break;
    }
}

/* It has its limits for longer than this, or the program lives beyond them from its start. */
static void
relief_pace(struct core *c, struct slot *slot, const struct worker *old)
{
    const struct service_spec *spec = old->generation->spec;
    bool soon = c->now_us - old->ready_us < spec->limit_within_us;

    slot->substitutes = soon ? slot->substitutes + 1 : 0;
    slot->relief_us = c->now_us + backoff_us(c, spec, slot->substitutes + soon);
}

void
relief_leave(struct core *c, struct worker *old)
{
    int64_t delay = old->generation->spec->announce_delay_us;

    old->relieved = true;
    if (delay > 0)
        old->leave_us = c->now_us + delay;
    else
        (void)worker_step(c, old, WE_DRAIN);
}

void
relief_begin(struct core *c, struct worker *old)
{
    struct generation *g = old->generation;
    struct slot *slot = &g->slots[old->slot];
    bool beside = service_spec_handoff(g->spec) == HANDOFF_OVERLAP;
    char why[160];

    relief_why(old, c->now_us, why, sizeof(why));
    record_text(record_worker(c, RECORD_RELIEF, old), "%s: %s", why,
                beside ? "another one starts beside it"
                       : "it leaves, and another one starts in its place (handoff: replace)");
    if (!beside) {
        relief_pace(c, slot, old);
        (void)worker_step(c, old, WE_RELIEVED);
    } else if (!worker_create(c, g, old->slot, &slot->substitute)) {
        slot->relief_us = c->now_us + RETRY_AFTER_OOM_US;
    }
}

/* It came to nothing: who has the slot goes on. @why: what became of the other. */
static void
relief_failed(struct core *c, struct generation *g, struct slot *slot, const char *why)
{
    struct record *r;
    char spell[32];

    slot->substitute = NULL;
    if (g->state != GENERATION_SERVING || g->service->want != WANT_UP || !slot->worker)
        return; /* all of them are leaving */
    slot->substitutes++;
    slot->relief_us = c->now_us + backoff_us(c, g->spec, slot->substitutes + 1);
    r = record_worker(c, RECORD_RELIEF, slot->worker);
    if (r) {
        r->warning = true;
        r->duration_us = slot->relief_us - c->now_us;
    }
    record_text(r, "the one that was to relieve it %s: it goes on, next try in %s", why,
                duration_human(slot->relief_us - c->now_us, spell, sizeof(spell)));
}

static void
relief_settle(struct core *c, struct generation *g, struct slot *slot)
{
    struct worker *next = slot->substitute, *old = slot->worker;

    if (!next || next->state == WORKER_STARTING)
        return;
    if (next->state != WORKER_READY) {
        relief_failed(c, g, slot, "was not ready");
        return;
    }
    slot->worker = next;
    slot->substitute = NULL;
    relief_pace(c, slot, old);
    (void)worker_step(c, old, WE_RELIEVED);
}

void
relief_advance(struct core *c, struct generation *g)
{
    if (g->state != GENERATION_SERVING)
        return;
    for (unsigned i = 0; i < g->n_slots; i++)
        relief_settle(c, g, &g->slots[i]);
    if (relief_next_us(g) > c->now_us)
        return;
    for (unsigned i = 0; i < g->n_slots; i++) {
        if (slot_relief_us(&g->slots[i]) > c->now_us)
            continue;
        (void)worker_step(c, g->slots[i].worker, WE_OUTLIVED);
        return;
    }
}

/* Its successor died before it was asked to leave (announce_delay); NULL: there is none. */
static struct worker *
slot_predecessor(const struct generation *g, unsigned slot)
{
    list_for_each (n, &g->workers) {
        struct worker *w = container_of(n, struct worker, node);

        if (w->slot == slot && w->relieved && w->state == WORKER_READY)
            return w;
    }
    return NULL;
}

void
relief_vacate(struct core *c, struct worker *w)
{
    struct generation *g = w->generation;
    struct slot *slot = w->slot < g->n_slots ? &g->slots[w->slot] : NULL;
    struct worker *back;

    if (slot && slot->substitute == w) {
        relief_failed(c, g, slot, "was not ready");
    } else if (slot &&
               slot->worker == w) { /* it died meanwhile: who starts beside it has the slot */
        slot->worker = slot->substitute;
        slot->substitute = NULL;
        back = slot->worker || w->relieved ? NULL : slot_predecessor(g, w->slot);
        if (!back)
            return;
        back->relieved = false;
        back->leave_us = TIME_NEVER;
        slot->worker = back;
        relief_failed(c, g, slot, "has died");
    }
}

void
relief_end(struct core *c, struct generation *g)
{
    list_for_each (n, &g->workers) {
        struct worker *w = container_of(n, struct worker, node);

        if (!w->escapee && w != slot_worker(g, w->slot) &&
            (w->state == WORKER_STARTING || w->state == WORKER_READY))
            (void)worker_step(c, w, WE_DRAIN);
    }
}

/* With `replace` its slot was kept for it until now; else another has long had it. */
void
relief_over(struct core *c, const struct worker *w)
{
    struct generation *g = w->generation;
    struct slot *slot = w->slot < g->n_slots ? &g->slots[w->slot] : NULL;

    if (slot && !slot->worker && slot->next_spawn_us == TIME_NEVER)
        slot->next_spawn_us = c->now_us;
}
