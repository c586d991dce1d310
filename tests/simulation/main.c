/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simulation [--seed N] [--steps M] [--plant NAME] [--crashes PERCENT] [--trace]
 *
 * Lives one life after the other, seeds N, N+1, …, until M steps are done. A violation prints the
 * seed and the last steps, and ends it. With --plant the violation is what is wanted. In so many of a
 * hundred lives as --crashes says the master dies now and then, at any point of a step.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "tests/simulation/simulation.h"

#define SHOWN   40     /* steps before a violation */
#define ENOUGH  100000 /* steps, for everything to happen at least once */
#define CRASHES 5      /* in 100 lives: these are slow, each step is written down and compared */

struct options {
    uint64_t seed, steps;
    const struct plant *plant;
    uint64_t crashes;
    bool trace;
};

static bool
number(const char *s, uint64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoull(s, &end, 10);
    return errno == 0 && end != s && *end == '\0';
}

static bool
read_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool fine = true;

        if (strcmp(argv[i], "--trace") == 0) {
            o->trace = true;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0)
            fine = number(value, &o->seed);
        else if (strcmp(argv[i], "--steps") == 0)
            fine = number(value, &o->steps);
        else if (strcmp(argv[i], "--crashes") == 0)
            fine = number(value, &o->crashes) && o->crashes <= 100;
        else if (strcmp(argv[i], "--plant") == 0)
            fine = (o->plant = plant_by_name(value)) != NULL;
        else
            fine = false;
        if (!fine)
            return false;
        i++;
    }
    return true;
}

static void
report(const struct simulation *sim)
{
    printf("seed %" PRIu64 " breaks %s at step %" PRIu64 ": %s\n", sim->seed,
           invariant_name(sim->judge.broken), sim->steps, sim->judge.why);
}

/* The same life once more, its last steps printed. */
static void
replay(const struct options *o, uint64_t seed, uint64_t steps)
{
    struct simulation sim;

    simulation_live(&sim, seed, o->plant, steps > SHOWN ? steps - SHOWN : 0, (unsigned)o->crashes);
    report(&sim);
    printf("replay it: simulation --seed %" PRIu64 " --steps 1 --crashes %" PRIu64 " --trace%s%s\n",
           seed, o->crashes, o->plant ? " --plant " : "", o->plant ? o->plant->name : "");
    simulation_finish(&sim);
}

/* What all lives together have tried. */
struct tally {
    uint64_t steps, lives;
    uint64_t said[RECORD_KIND_COUNT], outcomes[OUTCOME_COUNT], grades[GRADE_COUNT], lost;
    struct deaths deaths;
    enum invariant broken;
};

static void
tally_add(struct tally *t, const struct simulation *sim)
{
    t->steps += sim->steps;
    t->lives++;
    t->lost += sim->world.lost;
    for (int i = DEATH_NONE; i < DEATH_COUNT; i++)
        t->deaths.at[i] += sim->master.deaths.at[i];
    t->deaths.again += sim->master.deaths.again;
    t->deaths.repeated += sim->master.deaths.repeated;
    t->deaths.respawned += sim->master.deaths.respawned;
    t->deaths.asked += sim->master.deaths.asked;
    t->deaths.lost += sim->master.deaths.lost;
    t->broken = sim->judge.broken;
    for (int i = 0; i < RECORD_KIND_COUNT; i++)
        t->said[i] += sim->judge.said[i];
    for (int i = 0; i < OUTCOME_COUNT; i++)
        t->outcomes[i] += sim->judge.outcomes[i];
    for (int i = 0; i < GRADE_COUNT; i++)
        t->grades[i] += sim->judge.grades[i];
}

static bool
every_death_happened(const struct deaths *d)
{
    static const char *const names[DEATH_COUNT] = {
        [DEATH_BEFORE_STEP] = "before the step",       [DEATH_BEFORE_PERSIST] = "before persist",
        [DEATH_BEFORE_ACT] = "before it acts",         [DEATH_BEFORE_MARK] = "before a mark",
        [DEATH_BEFORE_CONSUME] = "before it consumes",
    };
    const struct {
        const char *name;
        uint64_t n;
    } more[] = {
        {"dies again",       d->again    },
        {"effects repeated", d->repeated },
        {"never ran",        d->respawned},
        {"asked again",      d->asked    },
        {"requests lost",    d->lost     },
    };
    bool all = true;

    for (int i = DEATH_NONE + 1; i < DEATH_COUNT; i++) {
        printf("  dies %-19s %5" PRIu64 "\n", names[i], d->at[i]);
        all = all && d->at[i] > 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        printf("  %-20s %9" PRIu64 "\n", more[i].name, more[i].n);
        all = all && more[i].n > 0;
    }
    return all;
}

/* A simulation in which something never happens would prove nothing about it. */
static bool
everything_happened(const struct options *o, const struct tally *t)
{
    bool all = t->lost > 0;

    for (int i = 0; i < RECORD_KIND_COUNT; i++) {
        if (i == RECORD_BUG)
            continue;
        printf("  %-20s %9" PRIu64 "\n", record_kind_name((enum record_kind)i), t->said[i]);
        all = all && t->said[i] > 0;
    }
    for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
        printf("  verdict %-12s %9" PRIu64 "\n", outcome_name((enum outcome)i), t->outcomes[i]);
        all = all && t->outcomes[i] > 0;
    }
    for (int i = GRADE_NONE + 1; i < GRADE_COUNT; i++) {
        printf("  evidence %-11s %9" PRIu64 "\n", grade_name((enum grade)i), t->grades[i]);
        all = all && t->grades[i] > 0;
    }
    printf("  %-20s %9" PRIu64 "\n", "answers lost", t->lost);
    if (o->crashes > 0 && t->steps >= UINT64_C(10) * ENOUGH) /* only a few lives have any */
        all = every_death_happened(&t->deaths) && all;
    if (!all)
        printf("something in this list never happened: the simulation has become too tame\n");
    return all;
}

static int
verdict(const struct options *o, const struct tally *t)
{
    double cpu = (double)clock() / CLOCKS_PER_SEC;
    enum invariant broken = t->broken;

    printf("%" PRIu64 " steps in %" PRIu64 " lives, %.0f steps/s\n", t->steps, t->lives,
           (double)t->steps / (cpu > 0 ? cpu : 1));
    if (!o->plant && broken == LAW_NONE && t->steps >= ENOUGH)
        return everything_happened(o, t) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (!o->plant)
        return broken == LAW_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
    if (broken == o->plant->breaks) {
        printf("caught: %s (%s)\n", o->plant->sentence, invariant_name(broken));
        return EXIT_SUCCESS;
    }
    printf("not caught: %s; wanted %s, got %s\n", o->plant->sentence,
           invariant_name(o->plant->breaks), invariant_name(broken));
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    struct options o = {.seed = 1, .steps = 1000000, .crashes = CRASHES};
    struct tally tally = {0};

    if (!read_options(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: simulation [--seed N] [--steps M] [--plant NAME] [--crashes "
                              "PERCENT] [--trace]\n"
                              "  --crashes PERCENT    of the lives are such in which the master "
                              "dies, again and again\n");
        for (size_t i = 0; i < n_plants; i++)
            (void)fprintf(stderr, "  --plant %-12s %s\n", plants[i].name, plants[i].sentence);
        return EXIT_FAILURE;
    }
    for (uint64_t seed = o.seed; tally.steps < o.steps && tally.broken == LAW_NONE; seed++) {
        struct simulation sim;

        simulation_live(&sim, seed, o.plant, o.trace ? 0 : UINT64_MAX, (unsigned)o.crashes);
        tally_add(&tally, &sim);
        if (tally.broken != LAW_NONE && o.trace)
            report(&sim);
        else if (tally.broken != LAW_NONE)
            replay(&o, seed, sim.steps);
        simulation_finish(&sim);
    }
    return verdict(&o, &tally);
}
