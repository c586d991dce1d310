/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A master died, another one takes over what it left: the order of this file is the order of that. */
#include "base/units.h"
#include "supervisor/core/image.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/trace.h"

#define DIES_AGAIN_PERCENT 3

/* Until somebody is there again. */
static void
time_passes(struct simulation *sim)
{
    struct random *fate = &sim->master.fate;
    uint64_t dice = random_below(fate, 100);
    int64_t gap = random_between(fate, US_PER_MS, 200 * US_PER_MS);

    if (dice < 12)
        gap = random_between(fate, 0, 3 * US_PER_S);
    else if (dice < 14)
        gap = random_between(fate, 0, 40 * US_PER_S);
    sim->now_us += gap;
}

/* ---- 1. effects of the dead one: what was not marked is done, perhaps for the second time -------- */

static bool
shall_repeat(const struct simulation *sim, const struct pending *p)
{
    const struct worker *w = core_worker(sim->core, p->effect.worker);
    bool repeat = !p->done;

    if (p->effect.type == FX_LOOK || p->effect.type == FX_CHECK || p->effect.type == FX_HOOK ||
        p->effect.type == FX_EVIDENCE || p->effect.type == FX_INSPECT ||
        p->effect.type == FX_SURVEY)
        repeat = false; /* core_resume() asks */
    if (p->effect.type == FX_SPAWN)
        repeat = w && w->pid == 0; /* nobody runs whose pid is not persisted */
    return sim->plant && sim->plant->repeat ? sim->plant->repeat(p, repeat) : repeat;
}

/* The judge hears of each decision once, as of when it was made; the second time is allowed. */
static void
tell_judge(struct simulation *sim, const struct pending *p)
{
    int64_t now_us = sim->judge.now_us;

    if (p->acted && !p->done) {
        sim->master.deaths.repeated += p->effect.type != FX_SPAWN;
        sim->master.deaths.respawned += p->effect.type == FX_SPAWN;
        return;
    }
    sim->judge.now_us = p->at_us;
    judge_effect(&sim->judge, &p->effect);
    sim->judge.now_us = now_us;
}

/* false: it died over it. */
static bool
repeat_effects(struct simulation *sim)
{
    struct memory *mem = &sim->master.memory;

    for (size_t i = 0; i < mem->n_pending; i++) {
        struct pending *p = &mem->pending[i];
        bool asks = p->effect.type == FX_LOOK || p->effect.type == FX_CHECK ||
                    p->effect.type == FX_HOOK || p->effect.type == FX_EVIDENCE ||
                    p->effect.type == FX_INSPECT || p->effect.type == FX_SURVEY;

        if (shall_repeat(sim, p)) {
            if (sim->steps >= sim->trace_from)
                trace_effect(sim->core, &p->effect);
            tell_judge(sim, p);
            world_act(&sim->world, sim->core, &p->effect, sim->now_us);
            p->acted = true;
            if (random_chance(&sim->master.fate, DIES_AGAIN_PERCENT))
                return false;
        } else if (asks && !p->acted) {
            tell_judge(sim, p); /* decided it was, though never asked by that one */
            p->acted = true;
        }
        p->done = p->effect.type != FX_SPAWN || p->done;
    }
    return true;
}

/* ---- 2. what it waited for, and will never hear ----------------------------------------------------- */

static void
ask_again(struct simulation *sim)
{
    effects_clear(&sim->fx);
    core_resume(sim->core, sim->now_us, &sim->fx);
    if (sim->plant && sim->plant->resumed)
        sim->plant->resumed(&sim->fx);
    for (size_t i = 0; i < sim->fx.n; i++) {
        if (sim->steps >= sim->trace_from)
            trace_effect(sim->core, &sim->fx.items[i]);
        world_act(&sim->world, sim->core, &sim->fx.items[i], sim->now_us);
    }
    sim->master.deaths.asked += sim->fx.n;
    effects_clear(&sim->fx); /* never persisted: whoever comes next asks by itself */
    master_persist(sim);
}

/* ---- 3. the event over which it died ------------------------------------------------------------------ */

static bool
is_request(const struct event *ev)
{
    return ev->type == EVENT_RELOAD || ev->type == EVENT_START || ev->type == EVENT_STOP;
}

static bool
comes_again(struct simulation *sim, const struct event *ev, bool persisted)
{
    switch (ev->type) {
    case EVENT_CONFIG: /* the files are still there */
    case EVENT_STOP_ALL:
    case EVENT_RELOADING:
    case EVENT_REWRITTEN:
    case EVENT_READY: /* not taken out of the socket, not buried in the ring */
    case EVENT_EXTEND:
    case EVENT_STATUS:
    case EVENT_USAGE:
    case EVENT_INSPECT:
    case EVENT_EXIT:
        return true;
    case EVENT_ESCAPEE:
        return !persisted; /* found once more, unless its pid is known */
    case EVENT_RELOAD:
    case EVENT_START:
    case EVENT_STOP: /* whoever asked sees the connection break, and may ask again */
        return random_chance(&sim->master.fate, 50);
    case EVENT_TICK:
    case EVENT_HINT: /* see takeover() */
    case EVENT_LOOKED:
    case EVENT_CHECKED:
    case EVENT_HOOKED:
    case EVENT_SURVEYED:
    case EVENT_SPAWNED:
    case EVENT_SPAWN_FAILED:
    case EVENT_UNSENT:
    case EVENT_EVIDENCE:
    case EVENT_INSPECTED:
    case EVENT_TYPE_COUNT:
        break;
    }
    return false;
}

void
takeover(struct simulation *sim, const struct event *ev, enum death death)
{
    bool persisted = death >= DEATH_BEFORE_ACT;
    struct event again = *ev;
    bool ended, lost = false;

    sim->master.deaths.at[death]++;
    if (sim->steps >= sim->trace_from)
        trace_death(persisted);
    if (!persisted && ev->type == EVENT_LOOKED && world_snapshot(&sim->world, ev->looked.snapshot))
        world_snapshot(&sim->world, ev->looked.snapshot)->given_back = true; /* its descriptors */
    do {
        time_passes(sim);
        master_rebirth(sim);
        world_orphan(&sim->world, sim->core);
        ended = repeat_effects(sim);
        sim->master.deaths.again += !ended;
    } while (!ended && sim->judge.broken == LAW_NONE);
    judge_takeover(&sim->judge, sim->now_us);
    ask_again(sim);
    if (persisted)
        judge_step(&sim->judge, ev);
    if (sim->judge.broken != LAW_NONE)
        return;
    if (comes_again(sim, ev, persisted)) {
        simulation_step(sim, again);
        lost = sim->master.request_lost; /* the next one died over it, too */
    } else if (is_request(ev) && !persisted) {
        lost = true;
        sim->master.deaths.lost++;
    }
    if (sim->judge.broken == LAW_NONE)
        simulation_step(sim, (struct event){.type = EVENT_HINT}); /* the watch begins anew */
    sim->master.request_lost = lost;
}
