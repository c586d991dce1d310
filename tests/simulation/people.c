/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "base/units.h"
#include "tests/simulation/simulation.h"

static uint32_t
some_service(struct simulation *sim)
{
    const struct service *s =
        core_service_by_name(sim->core, wish_name((unsigned)random_below(&sim->random, WISHES)));

    return s ? s->id : 0;
}

static void
write_something(struct simulation *sim)
{
    unsigned i = (unsigned)random_below(&sim->random, WISHES);
    struct input *input = &sim->world.inputs[i];
    uint64_t version = input->newest + 1;

    if (random_chance(&sim->random, 20)) /* back to what was there before */
        version = 1 + random_below(&sim->random, input->newest);
    world_write(&sim->world, i, version, sim->now_us);
}

static void
ask(struct simulation *sim, enum event_type type)
{
    uint32_t id = random_chance(&sim->random, 90) ? some_service(sim) : 0;
    const struct service *s = core_service(sim->core, id);
    struct event ev = {.type = type, .service = id, .request = {.cause = "operator"}};
    uint64_t promised = 0;

    if (type == EVENT_STOP && id == 0)
        return;
    ev.request.force = random_chance(&sim->random, 30);
    ev.request.past_door = type == EVENT_RELOAD && ev.request.force;
    if (type == EVENT_RELOAD && s)
        promised = service_covering_reload(sim->core, s);
    simulation_step(sim, ev);
    if (promised > 0 && !sim->master.request_lost &&
        sim->judge.n_promised < ARRAY_LEN(sim->judge.promised))
        sim->judge.promised[sim->judge.n_promised++] = promised;
}

static void
put_in_force(struct simulation *sim, const struct wishes *after)
{
    judge_config(&sim->judge, after);
    sim->wishes = *after;
    simulation_configure(sim);
}

static void
change_configuration(struct simulation *sim)
{
    struct wishes after = sim->wishes;

    wishes_change(&after, &sim->random);
    put_in_force(sim, &after);
}

void
people_ask_for_rest(struct simulation *sim)
{
    struct wishes after = sim->wishes;

    wishes_without_limits(&after);
    put_in_force(sim, &after);
}

/* Honest races and things nobody asked for: none of them may matter. */
static void
say_nonsense(struct simulation *sim)
{
    uint64_t known = 1 + random_below(&sim->random, sim->core->last_worker_id + 1);
    const struct subject *w = judge_subject(&sim->judge, known);
    struct event ev = {.type = EVENT_TICK};

    switch (random_below(&sim->random, 7)) {
    case 0:
        ev.type = EVENT_HINT;
        ev.service = 9999;
        break;
    case 1:
        ev.type = EVENT_HINT; /* the disk did not change at all */
        ev.service = some_service(sim);
        if (ev.service == 0)
            return;
        break;
    case 2:
        ev.type = EVENT_EXIT;
        ev.worker = UINT64_C(1) << 40;
        break;
    case 3:
        ev.type = EVENT_EVIDENCE;
        ev.worker = UINT64_C(1) << 40;
        ev.evidence.text = "?";
        break;
    case 5: /* an answer that nobody waits for */
        ev.type = EVENT_INSPECTED;
        ev.worker = random_chance(&sim->random, 50) ? known : UINT64_C(1) << 40;
        ev.inspected.seen = true;
        ev.inspected.leaked = 9;
        if (core_worker(sim->core, known) && core_worker(sim->core, known)->answer_us != TIME_NEVER)
            return;
        break;
    case 4: /* said twice, or after it was relieved, or from beyond the grave */
        if (!w || w->pid == 0 || !(w->ready || w->gone))
            return;
        ev.type = EVENT_READY;
        ev.worker = known;
        break;
    default:
        break;
    }
    simulation_step(sim, ev);
}

void
people_act(struct simulation *sim)
{
    uint64_t dice = random_below(&sim->random, 100);

    if (dice < 45)
        write_something(sim);
    else if (dice < 60)
        ask(sim, EVENT_RELOAD);
    else if (dice < 66)
        ask(sim, EVENT_STOP);
    else if (dice < 76)
        ask(sim, EVENT_START);
    else if (dice < 92)
        change_configuration(sim);
    else
        say_nonsense(sim);
}
