/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LAW_DOOR: who serves is relieved only by what a preflight has passed, or an operator let through. */
#include <inttypes.h>

#include "tests/simulation/judge.h"

/* The same launch part and the same input, which somebody wants anew. */
static bool
is_what_serves(struct judge *j, const struct affair *a, uint32_t service, uint64_t number)
{
    const struct stint *serving = judge_stint(j, service, number);
    const struct snapshot *made_from = serving ? world_snapshot(j->world, serving->snapshot) : NULL;

    if (!serving || serving->launch != a->looked_for.launch)
        return false;
    return serving->version > 0 ? serving->version == a->seen
                                : made_from && made_from->version == a->seen;
}

void
judge_door(struct judge *j, const struct stint *g, const struct run *r)
{
    const struct affair *a = &j->affairs[g->wish];

    if (!r || !a->looked_for.door || a->looked_for.oneshot || r->door_opened || r->past_door ||
        a->past_door)
        return;
    if (judge_serving(j, g->service) == 0 && !r->relieved_serving)
        return; /* there is nobody to protect */
    if (is_what_serves(j, a, g->service, r->serving_before) ||
        is_what_serves(j, a, g->service, judge_serving(j, g->service)))
        return;
    judge_say(j, LAW_DOOR, "%s/%" PRIu64 " went past a door that nobody opened", wish_name(g->wish),
              g->number);
}
