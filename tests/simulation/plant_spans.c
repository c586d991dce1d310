/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "tests/simulation/plant.h"

/* A bug of a core that does not write down since when things are as they are. */
void
plant_forget_phases(struct core *c)
{
    list_for_each (n, &c->touched) {
        struct service *s = container_of(n, struct service, touched);

        s->reload.since_us = c->now_us;
        list_for_each (m, &s->generations)
            container_of(m, struct generation, node)->since_us = c->now_us;
    }
}
