/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * The hooks of a generation, at most one at a time:
 *
 *   created ─before_start─▶ first worker …… relieved ─announce─▶ announce_delay ─▶ drain …… gone,
 *   certified ─retired─▶ forgotten
 *
 * Each is asked of the rim (FX_HOOK) and answered by EVENT_HOOKED, at its time limit at the latest.
 * An answer that is lost is waited for a little longer, and never beyond what a stop allows.
 */

#define BEYOND_US (5 * US_PER_S)

static const struct hook_spec *
hook_of(const struct generation *g, enum hook h)
{
    return &g->spec->hooks[h];
}

/* Until when a stop lets it run: who drains, and who is killed, needs time as well. */
static int64_t
hook_allowed_us(const struct core *c, enum hook h)
{
    if (!c->stopping)
        return TIME_NEVER;
    if (h == HOOK_RETIRED)
        return stop_end_us(c);
    return c->now_us + (stop_leak_at_us(c) > c->now_us ? (stop_leak_at_us(c) - c->now_us) / 2 : 0);
}

/* Which generation it is about beside its own; 0 = none. */
static uint64_t
hook_other(const struct generation *g)
{
    const struct generation *serving = service_serving(g->service);

    return serving && serving != g ? serving->number : 0;
}

static void
hook_tell(struct core *c, const struct generation *g, const struct hook_result *result, enum hook h)
{
    struct record *r = record_generation(c, RECORD_HOOK, g);

    if (!r)
        return;
    r->hook = h;
    r->hook_outcome = result->outcome;
    r->duration_us = result->duration_us;
    r->count = result->tries;
    r->warning = result->outcome != HOOK_DONE;
    copy_text(r->text, sizeof(r->text), result->text);
}

/* ---- what follows from it --------------------------------------------------------------------- */

static void
hook_refuses(struct core *c, struct generation *g, const struct hook_result *result)
{
    char why[sizeof(g->reason)];

    (void)snprintf(why, sizeof(why), "hook before_start: %s",
                   result->text[0] ? result->text : hook_outcome_name(result->outcome));
    /* What was not answered says nothing about the input. */
    g->excused = result->outcome == HOOK_UNANSWERED;
    g->service->failure = failure_to_start(0);
    generation_abort_because(c, g, why);
}

bool
hook_results(struct service *s)
{
    if (!s->hooks)
        s->hooks = calloc(HOOK_COUNT, sizeof(*s->hooks));
    return s->hooks != NULL;
}

/* It is over, one way or the other. */
static void
hook_over(struct core *c, struct generation *g, enum hook_outcome o, int64_t duration_us,
          const char *text)
{
    enum hook h = g->hook;
    struct hook_result lost; /* for want of memory: it is told all the same */
    struct hook_result *result = hook_results(g->service) ? &g->service->hooks[h] : &lost;
    const struct generation *serving = service_serving(g->service);

    *result = (struct hook_result){.outcome = o,
                                   .tries = g->hook_tries,
                                   .generation = g->number,
                                   .at_us = c->now_us,
                                   .duration_us = duration_us};
    /* The run that it belongs to: the one that made the candidate, or that relieved the old one. */
    if (h == HOOK_BEFORE_START)
        result->reload = g->reload;
    else if (serving && serving != g && g->service->want == WANT_UP)
        result->reload = serving->reload;
    else if (g->service->reload.previous == g->number)
        result->reload = g->service->reload.id;
    copy_text(result->text, sizeof(result->text), text);
    g->hook = HOOK_NONE;
    g->hook_us = 0;
    g->hook_tries = 0;
    g->hook_deadline_us = TIME_NEVER;
    hook_tell(c, g, result, h);
    if (h == HOOK_BEFORE_START && o != HOOK_DONE && o != HOOK_CANCELLED)
        hook_refuses(c, g, result);
    else if (h == HOOK_ANNOUNCE)
        generation_announced(c, g);
    /* RETIRED: service_retire() lets it go */
}

/* ---- asking ------------------------------------------------------------------------------------- */

static bool
hook_effect(struct core *c, const struct generation *g, enum effect_type type)
{
    struct effect *e = effects_add(c->fx, type);

    if (!e)
        return false;
    e->service = g->service->id;
    e->generation = g->number;
    e->snapshot = g->snapshot;
    e->hook = g->hook;
    e->other = hook_other(g);
    e->again = g->hook_tries > 1;
    e->deadline_us =
        earlier(c->now_us + hook_of(g, g->hook)->timeout_us, hook_allowed_us(c, g->hook));
    return true;
}

void
hook_ask(struct core *c, struct generation *g)
{
    int64_t allowed_us = hook_allowed_us(c, g->hook);

    if (hook_of(g, g->hook)->command.n == 0) { /* a master died over it, and it is none any more */
        g->hook_deadline_us = c->now_us;
        return;
    }
    g->hook_tries++;
    if (g->hook_us == 0)
        g->hook_us = c->now_us;
    g->hook_deadline_us =
        earlier(c->now_us + hook_of(g, g->hook)->timeout_us + BEYOND_US, allowed_us);
    if (!hook_effect(c, g, FX_HOOK))
        hook_over(c, g, HOOK_UNANSWERED, 0, "out of memory");
}

bool
hook_begin(struct core *c, struct generation *g, enum hook h)
{
    if (hook_of(g, h)->command.n == 0)
        return false;
    g->hook = h;
    hook_ask(c, g);
    return true;
}

void
hook_answered(struct core *c, const struct service *s, const struct event *ev)
{
    struct generation *g = service_generation(s, ev->hooked.generation);

    if (g && g->hook != HOOK_NONE && g->hook == ev->hooked.hook)
        hook_over(c, g, ev->hooked.outcome, c->now_us - g->hook_us, ev->hooked.text);
}

/* Nobody waits any more; what still runs of it is ended. */
static void
hook_drop(struct core *c, struct generation *g, enum hook_outcome o, const char *why)
{
    (void)hook_effect(c, g, FX_UNHOOK); /* lost: its own time limit ends it */
    hook_over(c, g, o, c->now_us - g->hook_us, why);
}

void
hook_cancel(struct core *c, struct generation *g)
{
    if (g->hook == HOOK_BEFORE_START)
        hook_drop(c, g, HOOK_CANCELLED, "nobody wants that generation any more");
}

void
hook_tick(struct core *c, struct generation *g)
{
    if (g->hook == HOOK_NONE || g->hook_deadline_us > c->now_us)
        return;
    if (hook_of(g, g->hook)->command.n == 0) {
        hook_drop(c, g, HOOK_CANCELLED, "it is not configured any more");
        return;
    }
    hook_drop(c, g, HOOK_UNANSWERED,
              c->stopping ? "everything stops, and there is no time left to wait for it"
                          : "it was not answered in time");
}

void
hook_clip(const struct core *c, struct generation *g)
{
    if (g->hook != HOOK_NONE)
        g->hook_deadline_us = earlier(g->hook_deadline_us, hook_allowed_us(c, g->hook));
}

/* ---- who waits for one ---------------------------------------------------------------------------- */

bool
service_hooked(const struct service *s, enum hook h)
{
    list_for_each (n, &s->generations)
        if (container_of(n, struct generation, node)->hook == h)
            return true;
    return false;
}

/* A stop waits for these; a handoff does not. */
bool
service_busy(const struct service *s)
{
    return service_live(s) || service_hooked(s, HOOK_ANNOUNCE) || service_hooked(s, HOOK_RETIRED) ||
           service_surveyed(s);
}
