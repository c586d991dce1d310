/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "tests/simulation/plant.h"

/* A core whose image has none of it. */
void
plant_forget_counts(struct core *c, bool trial)
{
    if (trial)
        return;
    list_for_each (n, &c->services)
        container_of(n, struct service, node)->tally = (struct service_tally){
            .since_us = container_of(n, struct service, node)->tally.since_us};
}

/* … and one that counts a start only some of the time. */
void
plant_count_late(struct core *c)
{
    list_for_each (n, &c->touched) {
        struct service *s = container_of(n, struct service, touched);

        if (s->tally.spawns % 16 == 5)
            s->tally.spawns--;
    }
}
