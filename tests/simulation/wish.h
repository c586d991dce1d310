/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_WISH_H
#define STINT_SIMULATION_WISH_H

/*
 * What the user of the simulation wants: six services at most, each a few numbers, from which the
 * specs are built anew with every configuration. The judge compares with these, not with the specs
 * the core was given: a planted bug may have bent those.
 */
#include <stdbool.h>
#include <stdint.h>

#include "config/spec.h"
#include "tests/simulation/random.h"

#define WISHES 6

struct wish {
    bool present;
    unsigned launch; /* counts changes of the launch part */
    bool libstint, gated, check, give_up, door;
    bool oneshot, retry;
    enum ready_mode ready;               /* READY_NOTIFY or READY_ASSUME */
    enum handoff_mode handoff, fallback; /* fallback: of a signal; overlap or replace */
    unsigned workers, max_draining, limit_count;
    unsigned hooks;   /* bit by enum hook */
    unsigned depends; /* bit i: on wish i, always an earlier one */
    int stop_signal;
    int64_t run_timeout_us, hook_timeout_us;
    int64_t assume_us, settle_us, soak_us, start_timeout_us, drain_timeout_us, leak_grace_us;
    unsigned restart_requests, restart_jitter; /* 0: no such limit; percent */
    int64_t restart_age_us;
    int64_t leak_look_us; /* 0: never */
    bool leak_budget;
    int64_t announce_delay_us, backoff_first_us, backoff_max_us, limit_within_us;
    int64_t reload_timeout_us, reload_assume_us;
};

struct wishes {
    struct wish list[WISHES];
    int64_t stop_budget_us;
    unsigned max_starting; /* 0: any number */
    uint64_t revision;     /* counts configurations */
};

const char *wish_name(unsigned i);
/* wish_of - the wish of the service called @name, WISHES if there is none. */
unsigned wish_of(const char *name);

/* wish_starts - how a generation relieves another when processes have to be started for it. */
enum handoff_mode wish_starts(const struct wish *w);

void wishes_make(struct wishes *w, struct random *r);
/* wishes_change - one edit of the configuration, as people make them. */
void wishes_change(struct wishes *w, struct random *r);
/* … and one after which nobody is relieved for restart_after, or looked at for a leak_budget. */
void wishes_without_limits(struct wishes *w);
/* wish_judges_otherwise - might an input that @a rejects be fine for @b? */
bool wish_judges_otherwise(const struct wish *a, const struct wish *b);
/* wishes_spec - the configuration of @w; spec_destroy() it. */
struct spec *wishes_spec(const struct wishes *w);

#endif
