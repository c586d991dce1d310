/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on restart_after: who is relieved in its slot, why, and that nobody is missed meanwhile. */
#include <inttypes.h>

#include "base/mem.h"
#include "base/units.h"
#include "tests/simulation/judge.h"

static bool
is_of(const struct subject *w, const struct stint *g)
{
    return w->id > 0 && w->service == g->service && w->generation == g->number && !w->escapee;
}

/* Another of its slot, still there and not asked to leave; NULL: none. */
static struct subject *
beside(struct judge *j, const struct subject *w, const struct stint *g)
{
    for (uint64_t id = j->n_subjects; id > 1; id--) {
        struct subject *other = &j->subjects[id - 1];

        if (is_of(other, g) && other != w && other->slot == w->slot && !other->gone &&
            !other->doomed && !other->abandoned && other->asked_us == 0)
            return other;
    }
    return NULL;
}

/* Somebody starts to relieve another, in whatever slot. */
static bool
one_is_under_way(const struct judge *j, const struct stint *g)
{
    for (uint64_t id = 1; id < j->n_subjects; id++)
        if (is_of(&j->subjects[id], g) && j->subjects[id].substitute && !j->subjects[id].gone &&
            !j->subjects[id].doomed && j->subjects[id].asked_us == 0)
            return true;
    return false;
}

static bool
slot_serves(const struct judge *j, const struct stint *g, unsigned slot)
{
    for (uint64_t id = 1; id < j->n_subjects; id++) {
        const struct subject *w = &j->subjects[id];

        if (is_of(w, g) && w->slot == slot && w->ready && !w->gone && w->asked_us == 0)
            return true;
    }
    return false;
}

/* The least that its limits may have been: the jitter is not the judge's to know. */
static bool
has_a_reason(const struct judge *j, const struct subject *w, const struct stint *g)
{
    return (g->least_age_us != TIME_NEVER && j->now_us - w->ready_us >= g->least_age_us) ||
           (g->may_wear_out && w->worn_out);
}

/* A relief begins. */
static void
relief_said(struct judge *j, struct subject *w, struct stint *g)
{
    const struct worker *seen = core_worker(j->core, w->id);

    if (!seen)
        return;
    if (w->relief != RELIEF_NOT_SAID)
        return; /* told once more by a new master */
    /* a generation whose launch part is not what is configured keeps its policy, too */
    w->relief = service_spec_handoff(seen->generation->spec) == HANDOFF_OVERLAP ? RELIEF_BESIDE
                                                                                : RELIEF_AFTER;
    if (!w->ready || w->gone || w->asked_us > 0 || !g->served || g->relieved || g->aborted)
        judge_say(j, LAW_RELIEF, "worker %" PRIu64 " is relieved and does not serve", w->id);
    if (!has_a_reason(j, w, g))
        judge_say(j, LAW_RELIEF, "worker %" PRIu64 " is relieved within its limits", w->id);
    if (seen->generation->service->reload.state != RELOAD_IDLE)
        judge_say(j, LAW_RELIEF, "worker %" PRIu64 " is relieved while a reload is under way",
                  w->id);
    if (one_is_under_way(j, g))
        judge_say(j, LAW_RELIEF, "worker %" PRIu64 " is relieved, and another one already", w->id);
    for (unsigned i = 0; i < seen->generation->n_slots; i++)
        if (!slot_serves(j, g, i))
            judge_say(j, LAW_RELIEF, "worker %" PRIu64 " is relieved, and slot %u does not serve",
                      w->id, i);
}

static void
relief_failed(struct judge *j, struct subject *w, struct stint *g)
{
    int64_t wait = g->least_first_us;
    unsigned failures;

    w->relief = RELIEF_NOT_SAID; /* it goes on */
    if (w->relieved_by > 0)      /* without a pid it is asked to leave later */
        j->subjects[w->relieved_by].doomed = true;
    w->relieved_by = 0;
    if (w->slot >= JUDGE_SLOTS)
        return;
    failures = ++g->slots[w->slot].relief_failures;
    for (unsigned i = 1; i < failures && wait < g->least_max_us; i++)
        wait *= 2;
    if (wait > g->least_max_us)
        wait = g->least_max_us;
    g->slots[w->slot].relief_not_before_us = j->now_us + wait - wait / 4;
}

void
judge_relief_record(struct judge *j, const struct record *r)
{
    struct subject *w = judge_subject(j, r->worker);
    struct stint *g = w ? judge_stint(j, w->service, w->generation) : NULL;

    if (!w || !g)
        return;
    if (r->warning)
        relief_failed(j, w, g);
    else
        relief_said(j, w, g);
}

/* Somebody starts in a slot: a relief is the only reason to have two there. */
void
judge_relief_spawn(struct judge *j, struct subject *w, struct stint *g)
{
    struct subject *old = beside(j, w, g);

    if (!old || w->slot >= JUDGE_SLOTS)
        return;
    w->substitute = true;
    if (old->relief != RELIEF_BESIDE || old->relieved_by > 0)
        judge_say(j, LAW_RELIEF,
                  "worker %" PRIu64 " starts beside %" PRIu64 ", which nobody relieves", w->id,
                  old->id);
    old->relieved_by = w->id;
    if (j->now_us < g->slots[w->slot].relief_not_before_us)
        judge_say(j, I8, "slot %u of %s/%" PRIu64 " is relieved again too early", w->slot,
                  wish_name(g->wish), g->number);
}

/* It says that it is ready: from now on it is like any other. */
void
judge_relief_ready(struct judge *j, struct subject *w)
{
    struct stint *g = judge_stint(j, w->service, w->generation);

    if (w->asked_us > 0)
        return; /* too late */
    if (w->substitute && g)
        g->slots[w->slot].relief_failures = 0;
    w->substitute = false;
}

/* Never fewer ready ones than before because of a relief. true: it may be asked to leave. */
bool
judge_relief_signal(struct judge *j, struct subject *w, struct stint *g)
{
    if (w->substitute || w->doomed)
        return true; /* nobody misses it */
    if (w->relief == RELIEF_NOT_SAID)
        return false;
    if (w->relief == RELIEF_BESIDE && !slot_serves(j, g, w->slot))
        return false;
    if (w->relief == RELIEF_BESIDE) {
        const struct subject *next = beside(j, w, g);

        if (!next || !next->ready)
            judge_say(j, LAW_RELIEF,
                      "worker %" PRIu64 " is asked to leave, and who relieves it is not ready",
                      w->id);
    }
    return true;
}

/* Whoever dies in a relief fails nothing but that. true: it does not count for its slot. */
bool
judge_relief_exit(struct judge *j, struct subject *w, struct stint *g)
{
    struct subject *other = w->slot < JUDGE_SLOTS ? beside(j, w, g) : NULL;

    if (w->substitute || w->doomed ||
        (other && other->relief == RELIEF_BESIDE && other->id < w->id))
        return true;                  /* it was to be another's successor */
    if (other && other->substitute) { /* it died before it was relieved: who starts has its slot */
        other->substitute = false;
        return true;
    }
    return w->relief != RELIEF_NOT_SAID && (w->asked_us > 0 || other);
}
