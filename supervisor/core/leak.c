/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* What is known of a worker's threads: when it is looked at, and what that means for it. */

#define EVIDENCE_WAIT_US (10 * US_PER_S)

/* ---- past the drain deadline ---------------------------------------------------------------- */

void
worker_ask_evidence(struct core *c, struct worker *w, int64_t from_us)
{
    /* an image may hold a time that never comes */
    from_us = earlier(from_us, TIME_NEVER - EVIDENCE_WAIT_US);
    w->extend_limit_us = earlier(from_us + EVIDENCE_WAIT_US, stop_end_us(c));
    worker_effect(c, w, FX_EVIDENCE, 0);
}

/* It was looked at, so what ends it may end what would have been seen: its grace begins here. */
static void
worker_insist(struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    if (w->escapee || w->state != WORKER_LEAKED || spec->stop_signal == spec->drain_signal)
        return;
    w->deadline_us = earlier(c->now_us + spec->leak_grace_us, stop_kill_at_us(c));
    worker_effect(c, w, FX_SIGNAL, spec->stop_signal);
}

void
worker_evidence(struct core *c, struct worker *w, const struct event *ev)
{
    struct record *r;

    if (w->evidence || (w->state != WORKER_LEAKED && w->state != WORKER_KILLED))
        return;
    w->evidence = true;
    w->stragglers = ev->evidence.stragglers;
    copy_text(w->leak, sizeof(w->leak), ev->evidence.text);
    r = record_worker(c, RECORD_LEAK, w);
    if (r) {
        r->warning = true;
        r->count = w->stragglers;
        r->duration_us = c->now_us - w->drain_us;
        copy_text(r->text, sizeof(r->text), ev->evidence.text);
    }
    worker_insist(c, w);
}

void
record_toll(struct record *r, const struct generation *g)
{
    if (r)
        r->toll = (struct toll){.processes = g->spawns + g->taken,
                                .killed = g->kills,
                                .escapees = g->escapees,
                                .threads = g->thread_leaks,
                                .unjoined = g->unjoined,
                                .snapshot = g->snapshot};
}

/* ---- while it lives ----------------------------------------------------------------------------- */

#define ANSWER_WAIT_US   (30 * US_PER_S)
#define INSPECT_LEAST_US US_PER_S /* from look to look: a worker may ask as often as it likes */

#define FEW_SERVICES     64
#define FIRST_EVERY_US   (250 * US_PER_MS) /* from first look to first look, where there are more */
#define BLIND_LOOKS      ARRAY_LEN(again_us)             /* in a row, then it is left alone */
#define INSPECT_MOST_US  (INT64_C(24) * 3600 * US_PER_S) /* nobody plans further ahead */

/* How long until the next look at what leaks: it may be on its way out. */
static const int64_t again_us[] = {1 * US_PER_S, 5 * US_PER_S, 30 * US_PER_S, 300 * US_PER_S};

static bool
inspectable(const struct worker *w)
{
    return !w->escapee && (w->state == WORKER_STARTING || w->state == WORKER_READY);
}

void
worker_inspect_end(struct worker *w)
{
    w->inspect_us = w->answer_us = TIME_NEVER;
    for (unsigned i = 0; i < WANTED_LOOKS; i++)
        w->wanted_us[i] = TIME_NEVER;
}

/* Not again right after the last time. */
static int64_t
least_us(const struct worker *w)
{
    /* an image may hold a time that never comes */
    return w->inspected_us > 0
               ? earlier(w->inspected_us, TIME_NEVER - INSPECT_LEAST_US) + INSPECT_LEAST_US
               : 0;
}

static void
inspect(const struct core *c, struct worker *w, int64_t at_us)
{
    int64_t from_us = later(c->now_us, least_us(w));

    if (inspectable(w))
        w->inspect_us = earlier(w->inspect_us, later(at_us, from_us));
}

/*
 * It knows of something that may be a leak by then. A look before that says nothing of it, so each has its
 * own; where they are too many, the last looks at what is left out.
 */
void
worker_wants_look(const struct core *c, struct worker *w, int64_t at_us)
{
    int64_t all[WANTED_LOOKS + 1], at = earlier(at_us, c->now_us + INSPECT_MOST_US);
    unsigned n = 0;

    if (!inspectable(w))
        return;
    for (unsigned i = 0; i < WANTED_LOOKS && w->wanted_us[i] < at; i++)
        all[n++] = w->wanted_us[i];
    if (n < WANTED_LOOKS && w->wanted_us[n] == at)
        return;
    all[n] = at;
    for (; n < WANTED_LOOKS; n++)
        all[n + 1] = w->wanted_us[n];
    if (all[WANTED_LOOKS] != TIME_NEVER)
        all[WANTED_LOOKS - 1] = all[WANTED_LOOKS];
    memcpy(w->wanted_us, all, sizeof(w->wanted_us));
}

/* This look is the one that was wanted by now. */
static void
looked(struct worker *w, int64_t now_us)
{
    unsigned n = 0;

    w->inspect_us = TIME_NEVER;
    for (unsigned i = 0; i < WANTED_LOOKS; i++)
        if (w->wanted_us[i] > now_us)
            w->wanted_us[n++] = w->wanted_us[i];
    while (n < WANTED_LOOKS)
        w->wanted_us[n++] = TIME_NEVER;
}

/* It is answered, or never will be; what was asked for meanwhile waits its time, too. */
static void
answered(struct core *c, struct worker *w)
{
    w->answer_us = TIME_NEVER;
    w->inspected_us = c->now_us;
    if (w->inspect_us < c->now_us + INSPECT_LEAST_US)
        w->inspect_us = c->now_us + INSPECT_LEAST_US;
}

int64_t
worker_inspect_next_us(const struct worker *w)
{
    int64_t wanted_us =
        w->wanted_us[0] == TIME_NEVER ? TIME_NEVER : later(w->wanted_us[0], least_us(w));

    return w->answer_us != TIME_NEVER ? w->answer_us : earlier(w->inspect_us, wanted_us);
}

void
worker_inspect_tick(struct core *c, struct worker *w)
{
    if (worker_inspect_next_us(w) > c->now_us)
        return;
    if (w->answer_us != TIME_NEVER) { /* the answer was lost */
        answered(c, w);
        inspect(c, w, c->now_us);
        return;
    }
    looked(w, c->now_us);
    if (!inspectable(w) || w->pid == 0)
        return;
    w->answer_us = c->now_us + ANSWER_WAIT_US;
    worker_effect(c, w, FX_INSPECT, 0);
}

void
worker_watch_budget(const struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    if (spec->n_leak_budget > 0 && w->state == WORKER_READY && w->answer_us == TIME_NEVER)
        inspect(c, w, c->now_us + spec->leak_every_us);
}

static bool
took_over(const struct generation *g)
{
    if (g->taken > 0)
        return true;
    list_for_each (n, &g->service->generations) {
        const struct generation *other = container_of(n, struct generation, node);

        if (other != g && other->has_served)
            return true;
    }
    return false;
}

/*
 * A start of thousands is not followed by thousands of looks at once: each service has its own moment,
 * one after the other. Handoffs do not come all at one time.
 */
static int64_t
its_turn_us(const struct core *c, const struct generation *g)
{
    if (took_over(g) || c->n_services <= FEW_SERVICES)
        return 0;
    return (int64_t)(g->service->id % c->n_services) * FIRST_EVERY_US;
}

/* The first of its workers stands for all: they are alike. */
void
generation_inspect(const struct core *c, struct generation *g)
{
    struct worker *w = slot_worker(g, 0);

    if (w && g->spec->leak_look_us > 0)
        inspect(c, w, c->now_us + g->spec->leak_look_us + its_turn_us(c, g));
}

static void
tell(struct core *c, const struct worker *w, enum record_kind kind, bool warning, unsigned count,
     const char *text)
{
    struct record *r = record_worker(c, kind, w);

    if (!r)
        return;
    r->warning = warning;
    r->count = count;
    if (kind == RECORD_RECOVERED)
        r->duration_us = c->now_us - w->leaking_us;
    copy_text(r->text, sizeof(r->text), text);
}

/* Sticky: what leaked is told once, and once more when it is no leak any more. */
static void
judge_leaks(struct core *c, struct worker *w, unsigned leaked, const char *text)
{
    unsigned before = w->leaking;

    w->looks = leaked == before ? w->looks + (w->looks < ARRAY_LEN(again_us)) : 0;
    w->leaking = leaked;
    if (leaked > before) {
        if (before == 0)
            w->leaking_us = c->now_us;
        w->generation->thread_leaks += leaked - before;
        tell(c, w, RECORD_THREAD_LEAK, true, leaked, text);
    } else if (leaked == 0 && before > 0) {
        tell(c, w, RECORD_RECOVERED, false, before, w->leaks);
        w->leaking_us = 0;
    }
}

static void
judge_budget(struct core *c, struct worker *w, unsigned over, const char *text)
{
    unsigned before = w->over;

    w->over = over;
    if (over > before)
        tell(c, w, RECORD_BUDGET, true, over, text);
    else if (over == 0 && before > 0)
        tell(c, w, RECORD_BUDGET, false, 0, "the leak_budget is kept again");
}

static void
judge_trend(struct core *c, struct worker *w, const char *text)
{
    struct generation *g = w->generation;
    char why[256];

    if (!text || g->rising)
        return;
    g->rising = true;
    tell(c, w, RECORD_TREND, true, 0, text);
    if (g->state != GENERATION_SOAKING || g->has_served)
        return;
    (void)snprintf(why, sizeof(why), "its threads are more with each generation: %s", text);
    g->excused = false;
    generation_abort_because(c, g, why);
}

/* Who leaks nothing and has no budget to keep is not looked at again by itself. */
static void
inspect_again(struct core *c, struct worker *w)
{
    unsigned step = w->looks < ARRAY_LEN(again_us) ? w->looks : ARRAY_LEN(again_us) - 1;

    if (w->leaking > 0)
        inspect(c, w, c->now_us + again_us[step]);
    worker_watch_budget(c, w);
}

/* It could not be looked at: later, perhaps; but who never can be is left alone. */
static void
inspect_blind(const struct core *c, struct worker *w)
{
    if (w->looks >= BLIND_LOOKS && w->leaking == 0) {
        w->looks = 0;
        worker_watch_budget(c, w);
        return;
    }
    inspect(c, w, c->now_us + again_us[w->looks < BLIND_LOOKS ? w->looks : BLIND_LOOKS - 1]);
    w->looks++;
}

void
worker_inspected(struct core *c, struct worker *w, const struct event *ev)
{
    if (w->answer_us == TIME_NEVER || !inspectable(w))
        return;
    answered(c, w);
    if (!ev->inspected.seen) { /* no permission, no time: it says nothing about the worker */
        inspect_blind(c, w);
        return;
    }
    if (ev->inspected.compare)
        tell(c, w, RECORD_THREADS, false, 0, ev->inspected.compare);
    judge_leaks(c, w, ev->inspected.leaked, ev->inspected.text);
    judge_budget(c, w, ev->inspected.over, ev->inspected.budget);
    copy_text(w->leaks, sizeof(w->leaks),
              w->leaking > 0 ? ev->inspected.text
              : w->over > 0  ? ev->inspected.budget
                             : "");
    inspect_again(c, w);
    judge_trend(c, w, ev->inspected.trend);
}
