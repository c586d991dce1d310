/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/simulation.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "tests/simulation/trace.h"

#define REST_STEPS 30000 /* who has not come to rest by then never will */

static bool
violated(const struct simulation *sim)
{
    return sim->judge.broken != LAW_NONE;
}

static void
act(struct simulation *sim, const struct effect *e)
{
    if (sim->steps >= sim->trace_from)
        trace_effect(sim->core, e);
    judge_effect(&sim->judge, e);
    world_act(&sim->world, sim->core, e, sim->now_us);
}

/* Effect by effect, each marked once it was carried out. false: the master died over @fatal of them. */
static bool
act_and_mark(struct simulation *sim, size_t fatal)
{
    struct memory *mem = &sim->master.memory;

    for (size_t i = mem->first_of_step; i < mem->n_pending; i++) {
        struct pending *p = &mem->pending[i];

        act(sim, &p->effect);
        p->acted = true;
        if (i - mem->first_of_step == fatal)
            return false;
        p->done = p->effect.type != FX_SPAWN;
    }
    return true;
}

/* From persist to consume. */
static void
go_on(struct simulation *sim, const struct event *ev, enum death death)
{
    size_t fatal = SIZE_MAX;

    master_persist(sim);
    if (death == DEATH_BEFORE_MARK)
        fatal = sim->master.memory.n_pending - sim->master.memory.first_of_step;
    if (fatal > 0 && fatal < SIZE_MAX)
        fatal = random_below(&sim->master.fate, fatal);
    if (death == DEATH_BEFORE_ACT || !act_and_mark(sim, fatal) || death == DEATH_BEFORE_CONSUME)
        takeover(sim, ev, death);
    else
        judge_step(&sim->judge, ev);
}

static void
decide(struct simulation *sim, const struct event *ev)
{
    struct event told = *ev;

    if (sim->plant && sim->plant->event)
        sim->plant->event(sim->core, &told);
    effects_clear(&sim->fx);
    core_step(sim->core, &told, &sim->fx);
    if (sim->fx.lost > 0)
        judge_say(&sim->judge, LAW_SOUND, "effects were lost");
    if (sim->plant && sim->plant->effects)
        sim->plant->effects(sim->core, &sim->fx);
}

void
simulation_step(struct simulation *sim, struct event ev)
{
    uint64_t workers_before = sim->core->last_worker_id;
    enum death death = master_fate(sim);

    sim->master.request_lost = false;
    ev.now_us = sim->now_us;
    sim->steps++;
    if (sim->steps >= sim->trace_from)
        trace_event(sim->core, sim->steps, &ev);
    if (death != DEATH_BEFORE_STEP)
        decide(sim, &ev);
    if (death == DEATH_BEFORE_STEP || death == DEATH_BEFORE_PERSIST) {
        takeover(sim, &ev, death);
        return;
    }
    judge_event(&sim->judge, &ev);
    if (ev.type == EVENT_ESCAPEE && sim->core->last_worker_id > workers_before)
        world_adopt(&sim->world, workers_before + 1, &ev, sim->now_us);
    if (sim->master.mortal) {
        go_on(sim, &ev, death);
        return;
    }
    for (size_t i = 0; i < sim->fx.n; i++)
        act(sim, &sim->fx.items[i]);
    judge_step(&sim->judge, &ev);
}

bool
simulation_run(struct simulation *sim, int64_t until_us)
{
    int64_t due = core_next_deadline_us(sim->core), news = queue_next_us(&sim->world.queue);
    int64_t next = due < news ? due : news;
    struct event ev = {.type = EVENT_TICK};

    if (next == TIME_NEVER || next > until_us)
        return false;
    if (next > sim->now_us)
        sim->now_us = next;
    if (news <= due) {
        if (world_tell(&sim->world, sim->core, &ev, sim->now_us))
            simulation_step(sim, ev);
        return true;
    }
    if (!sim->world.calm && random_chance(&sim->random, 10)) /* the loop was busy */
        sim->now_us += random_between(&sim->random, 0, 5 * US_PER_MS);
    simulation_step(sim, ev);
    return true;
}

static uint64_t
last_generation(void *env, const char *service)
{
    const struct simulation *sim = env;

    return sim->judge.affairs[wish_of(service)].last_number;
}

void
simulation_configure(struct simulation *sim)
{
    struct spec *spec = wishes_spec(&sim->wishes);

    if (sim->plant && sim->plant->spec)
        sim->plant->spec(spec);
    simulation_step(
        sim, (struct event){
                 .type = EVENT_CONFIG, .config = {spec, last_generation, sim, spec->max_starting}
    });
    spec_destroy(spec);
}

/* When its oldest worker is too old: a generation whose launch part is another keeps its limits. */
static int64_t
next_relief_us(const struct service *s)
{
    const struct generation *g = service_serving(s);
    int64_t next = TIME_NEVER;

    for (unsigned i = 0; g && i < g->n_slots; i++) {
        const struct worker *w = g->slots[i].worker;
        int64_t old_at_us = TIME_NEVER;

        if (!w || w->state != WORKER_READY || g->slots[i].substitute)
            return TIME_NEVER;
        if (g->spec->restart_age_us > 0)
            old_at_us = w->ready_us + worker_age_limit_us(w);
        if (old_at_us < g->slots[i].relief_us)
            old_at_us = g->slots[i].relief_us;
        next = old_at_us < next ? old_at_us : next;
    }
    return next;
}

#define LONG_US (300 * US_PER_S) /* everybody else waits for shorter times */

/* It waits for nothing but its next look for its leak_budget, which never ends. */
static bool
waits_for_a_look(const struct simulation *sim, const struct service *s)
{
    list_for_each (n, &s->generations)
        list_for_each (k, &container_of(n, struct generation, node)->workers)
            if (s->due_us == container_of(k, struct worker, node)->inspect_us)
                return s->due_us > sim->now_us + LONG_US;
    return false;
}

/* Nothing will happen but that somebody becomes too old, or is looked at, again and again. */
static bool
rests(const struct simulation *sim)
{
    if (queue_next_us(&sim->world.queue) != TIME_NEVER || !list_empty(&sim->core->agenda))
        return false;
    list_for_each (n, &sim->core->services) {
        const struct service *s = container_of(n, struct service, node);

        if (s->due_us != TIME_NEVER && s->due_us != next_relief_us(s) && !waits_for_a_look(sim, s))
            return false;
    }
    return true;
}

/* Nobody touches anything any more: everything has to come to rest, and be as it should. */
static void
rest(struct simulation *sim)
{
    uint64_t until = sim->steps + REST_STEPS;

    sim->world.calm = true;
    people_ask_for_rest(sim);
    while (!violated(sim) && sim->steps < until)
        if (rests(sim) || !simulation_run(sim, TIME_NEVER - 1))
            break;
    if (sim->steps >= until)
        judge_say(&sim->judge, I4, "inputs stopped changing, and it does not come to rest");
    if (!violated(sim))
        judge_rest(&sim->judge);
    sim->world.calm = false;
}

static void
busy(struct simulation *sim)
{
    int64_t actions = random_between(&sim->random, 20, 80);

    for (int64_t i = 0; i < actions && !violated(sim); i++) {
        static const int64_t pauses[] = {0, 20 * US_PER_MS, 500 * US_PER_MS, 8 * US_PER_S,
                                         60 * US_PER_S};
        int64_t next =
            sim->now_us + random_between(&sim->random, 0, pauses[random_below(&sim->random, 5)]);

        while (!violated(sim) && simulation_run(sim, next))
            continue;
        if (next > sim->now_us)
            sim->now_us = next;
        if (!violated(sim))
            people_act(sim);
    }
}

static void
stop(struct simulation *sim)
{
    simulation_step(sim, (struct event){.type = EVENT_STOP_ALL, .request = {.cause = "the end"}});
    while (!violated(sim) && simulation_run(sim, TIME_NEVER - 1))
        continue;
    if (!violated(sim))
        judge_end(&sim->judge);
}

void
simulation_live(struct simulation *sim, uint64_t seed, const struct plant *plant,
                uint64_t trace_from, unsigned crashes)
{
    memset(sim, 0, sizeof(*sim));
    sim->seed = seed;
    sim->plant = plant;
    sim->trace_from = trace_from;
    sim->random.state = random_mix(seed);
    sim->now_us = 1000 * US_PER_S;
    if (core_create(seed, &sim->core) < 0)
        abort();
    wishes_make(&sim->wishes, &sim->random);
    world_init(&sim->world, seed, &sim->wishes);
    judge_init(&sim->judge, sim->core, &sim->world, &sim->wishes);
    master_init(&sim->master, seed, crashes);
    if (sim->master.mortal)
        master_persist(sim); /* an empty core */
    simulation_configure(sim);
    for (uint64_t rounds = 1 + random_below(&sim->random, 3); rounds > 0 && !violated(sim);
         rounds--) {
        busy(sim);
        if (!violated(sim) && (rounds > 1 || random_chance(&sim->random, 70)))
            rest(sim); /* otherwise it is stopped in the middle of its work */
    }
    if (!violated(sim))
        stop(sim);
}

void
simulation_finish(struct simulation *sim)
{
    core_destroy(sim->core);
    effects_finish(&sim->fx);
    world_finish(&sim->world);
    judge_finish(&sim->judge);
    master_finish(&sim->master);
}
