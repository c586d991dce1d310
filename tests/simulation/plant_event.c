/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planted bugs of a core that is told something else than what happened. */
#include "tests/simulation/plant.h"

void
take_hints_for_orders(const struct core *c, struct event *ev)
{
    (void)c;
    if (ev->type == EVENT_HINT)
        *ev = (struct event){.type = EVENT_RELOAD, .now_us = ev->now_us, .service = ev->service};
}

void
walk_through_doors(const struct core *c, struct event *ev)
{
    (void)c;
    if (ev->type == EVENT_CHECKED && ev->checked.again)
        ev->checked.ok = true;
}
