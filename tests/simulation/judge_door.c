/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LAW_DOOR: who serves is relieved only by what a preflight has passed, or an operator let through. */
#include <inttypes.h>

#include "tests/simulation/judge.h"

void
judge_door(struct judge *j, const struct stint *g, const struct run *r)
{
    const struct affair *a = &j->affairs[g->wish];

    if (!r || !a->looked_for.door || a->looked_for.oneshot || r->door_opened || r->past_door ||
        a->past_door)
        return;
    if (judge_serving(j, g->service) == 0 && !r->relieved_serving)
        return; /* there is nobody to protect */
    judge_say(j, LAW_DOOR, "%s/%" PRIu64 " went past a door that nobody opened", wish_name(g->wish),
              g->number);
}
