/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* A worker of a generation failed: back-off for its slot, or the end of a candidate. */

void
generation_abort_because(struct core *c, struct generation *g, const char *reason)
{
    struct service *s = g->service;

    copy_text(g->reason, sizeof(g->reason), reason);
    if (generation_step(c, g, GE_ABORT) < 0)
        return;
    /* An input that was not really tried is not condemned: the next look may try it. */
    service_reject(s, g->excused ? (struct digest){0, 0} : g->digest, reason);
    if (s->reload.state != RELOAD_HANDING)
        return;
    if (s->reload.previous > 0)
        (void)reload_step(c, s, RE_RESTORE);
    else
        reload_end(c, s, OUTCOME_REJECTED, reason);
}

/* Healthy for a while: what failed before is forgotten. */
static void
slot_forgive(const struct core *c, struct generation *g, const struct worker *w)
{
    if (w->ready_us > 0 && c->now_us - w->ready_us >= g->spec->limit_within_us)
        g->slots[w->slot].failures = 0;
}

static void
slot_retry(struct core *c, struct generation *g, const struct worker *w, const char *why)
{
    struct slot *slot = &g->slots[w->slot];
    int64_t delay;
    struct record *r;
    char spell[32];

    slot_forgive(c, g, w);
    slot->failures++;
    delay = backoff_us(c, g->spec, slot->failures);
    if (w->ready_us > 0 && why) /* the time that it served counts as waited */
        delay = delay > c->now_us - w->ready_us ? delay - (c->now_us - w->ready_us) : 0;
    slot->next_spawn_us = c->now_us + delay;
    if (delay == 0)
        return;
    r = record_worker(c, RECORD_BACKOFF, w);
    if (r) {
        r->warning = true;
        r->pid = 0;
        r->duration_us = delay;
    }
    record_text(r, "next try in %s, after %u failures in a row: %s",
                duration_human(delay, spell, sizeof(spell)), slot->failures,
                why ? why : "was not ready in time");
}

/*
 * Is the candidate's limit reached? The window slides by restarting when it has passed. A slot that
 * fails as often in a row counts as well: slow crashes and long back-offs may never fit in a window,
 * and a candidate has to end in a verdict.
 */
static bool
generation_limit_reached(struct core *c, struct generation *g, const struct worker *w)
{
    if (g->window_failures == 0 || c->now_us - g->window_us > g->spec->limit_within_us) {
        g->window_us = c->now_us;
        g->window_failures = 0;
    }
    g->window_failures++;
    return g->window_failures >= g->spec->limit_count ||
           g->slots[w->slot].failures + 1 >= g->spec->limit_count;
}

/*
 * For those who would rather see the service fail than be retried for ever. As long as another worker
 * serves, or a candidate is on its way, it is not that bad.
 */
static bool
generation_given_up(struct core *c, struct generation *g, const struct worker *w, const char *why)
{
    struct service *s = g->service;
    char reason[sizeof(s->rejected_reason)];
    struct record *r;

    if (!g->spec->give_up || g->state != GENERATION_SERVING || s->reload.state >= RELOAD_CHECKING)
        return false;
    slot_forgive(c, g, w);
    if (!generation_limit_reached(c, g, w) || generation_works(g))
        return false;
    (void)snprintf(g->reason, sizeof(g->reason),
                   "worker %u %s (given up: limit of failures reached)", w->slot,
                   why ? why : "was not ready in time");
    if (s->input_rejected) /* what came after it: that is still what lies there */
        (void)snprintf(reason, sizeof(reason), "%s; and before: %s", g->reason, s->rejected_reason);
    else
        copy_text(reason, sizeof(reason), g->reason);
    service_reject(s, s->input_rejected ? s->rejected : g->digest, reason);
    r = record_generation(c, RECORD_SERVICE, g);
    if (r)
        r->warning = true;
    record_text(r, "failed: %s", g->reason);
    (void)generation_step(c, g, GE_RELIEVE);
    return true;
}

void
generation_failure(struct core *c, struct generation *g, struct worker *w, const char *why,
                   bool fatal)
{
    char reason[sizeof(g->reason)];

    if (!generation_active(g) || w->slot >= g->n_slots || slot_worker(g, w->slot))
        return; /* relieved, or scaled away, or already replaced */
    if (why)
        copy_text(g->reason, sizeof(g->reason), why);
    if (g->state == GENERATION_SOAKING && why) {
        (void)snprintf(reason, sizeof(reason), "worker %u died on probation: %s", w->slot, why);
        generation_abort_because(c, g, reason);
        return;
    }
    if (!g->has_served && why) {
        bool over = generation_limit_reached(c, g, w);

        if (fatal || over) {
            (void)snprintf(reason, sizeof(reason), "worker %u %s%s", w->slot, why,
                           fatal ? "" : " (limit of failures reached)");
            generation_abort_because(c, g, reason);
            return;
        }
    }
    if (generation_given_up(c, g, w, why))
        return;
    if (why && g->has_served)
        g->service->respawns++;
    slot_retry(c, g, w, why);
}

void
generation_hasten(struct core *c, struct generation *g)
{
    for (unsigned i = 0; i < g->n_slots; i++)
        if (!g->slots[i].worker && g->slots[i].next_spawn_us != TIME_NEVER)
            g->slots[i].next_spawn_us = earlier(g->slots[i].next_spawn_us, c->now_us);
}
