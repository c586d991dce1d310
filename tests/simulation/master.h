/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_MASTER_H
#define STINT_SIMULATION_MASTER_H

/*
 * The process the core lives in, and its death between any two of peek, step, persist, act, consume.
 *
 *   persisted: the core, its services by id, and effects with a mark each once they were carried out
 *
 * What is in struct memory is all that the next master knows. `acted` is not: only the judge knows it.
 */
#include "base/text.h"
#include "supervisor/core/core.h"
#include "tests/simulation/random.h"

struct simulation;

enum death {
    DEATH_NONE,
    DEATH_BEFORE_STEP,
    DEATH_BEFORE_PERSIST,
    DEATH_BEFORE_ACT,
    DEATH_BEFORE_MARK, /* an effect was carried out, its mark is not there yet */
    DEATH_BEFORE_CONSUME,
    DEATH_COUNT
};

struct pending {
    struct effect effect; /* its record is owned */
    int64_t at_us;        /* of the step that asked for it */
    bool acted;           /* truly carried out */
    bool done;            /* … and that is persisted. SPAWN: its pid is */
};

struct kept {
    uint32_t service;
    struct text image;
};

struct memory {
    struct text core;
    struct kept *services; /* owned; by id */
    size_t n_services, services_room;
    struct pending *pending; /* owned */
    size_t n_pending, pending_room;
    size_t first_of_step;        /* effects of the present step begin there */
    struct service_spec **specs; /* owned, one reference each; by number - 1 */
    size_t n_specs, specs_room;
    struct text scratch;
};

/* How often it died where, and what came of it. */
struct deaths {
    uint64_t at[DEATH_COUNT];
    uint64_t again;     /* … before the next one had found its feet */
    uint64_t repeated;  /* effects that were carried out twice */
    uint64_t respawned; /* processes that never ran */
    uint64_t asked;     /* looks, checks, evidence */
    uint64_t lost;      /* requests of people */
};

struct master {
    bool mortal; /* in this life */
    struct random fate;
    struct memory memory;
    struct deaths deaths;
    bool request_lost; /* the last event was a request, and nobody will ever hear of it */
};

void master_init(struct master *m, uint64_t seed, unsigned percent);
void master_finish(struct master *m);

/* master_fate - where it dies in the step that begins; DEATH_NONE mostly. */
enum death master_fate(struct simulation *sim);
/* master_persist - the services that were touched, the core, and the effects of the step. */
void master_persist(struct simulation *sim);
/* master_rebirth - a core from what is persisted, in place of sim->core. */
void master_rebirth(struct simulation *sim);
/* master_laws - I10: what was not touched is as it was, and an image restores to itself. */
void master_laws(struct simulation *sim);

/* takeover - it died over @ev, at @death of its step; the next one goes on, and may take @ev in again. */
void takeover(struct simulation *sim, const struct event *ev, enum death death);

#endif
