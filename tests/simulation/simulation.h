/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_SIMULATION_H
#define STINT_SIMULATION_SIMULATION_H

/*
 * One life: a seed makes the services, the people, the accidents and the order of everything.
 *
 *   news or deadline ─▶ (plant) ─▶ core_step ─▶ (plant) ─▶ judge ─▶ judge, world ─▶ judge
 *
 * In some lives the master dies now and then, and another one goes on: master.h.
 */
#include "tests/simulation/judge.h"
#include "tests/simulation/master.h"
#include "tests/simulation/plant.h"
#include "tests/simulation/wish.h"
#include "tests/simulation/world.h"

struct simulation {
    uint64_t seed;
    struct random random; /* of people; the world has its own */
    struct core *core;
    struct effects fx;
    int64_t now_us;
    struct wishes wishes;
    struct world world;
    struct judge judge;
    struct master master;
    const struct plant *plant; /* NULL: the core as it is */
    uint64_t steps;            /* taken in this life */
    uint64_t trace_from;       /* steps from here on are printed; UINT64_MAX: none */
};

/*
 * simulation_live - from the first configuration to the last certificate, or the first violation.
 * @crashes: with that chance in 100 this is a life in which the master dies
 */
void simulation_live(struct simulation *sim, uint64_t seed, const struct plant *plant,
                     uint64_t trace_from, unsigned crashes);
void simulation_finish(struct simulation *sim);

void simulation_step(struct simulation *sim, struct event ev);
/* simulation_run - take what comes next in time, not later than @until_us; false: nothing did. */
bool simulation_run(struct simulation *sim, int64_t until_us);
void simulation_configure(struct simulation *sim);

/* people_act - somebody does something. */
void people_act(struct simulation *sim);
/* … so that nobody is relieved by the clock alone, and there may be rest. */
void people_ask_for_rest(struct simulation *sim);

#endif
