/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bug in how workers are relieved for restart_after. */
#include <signal.h>

#include "tests/simulation/plant.h"

void
break_before_relief(const struct core *c, struct effects *fx)
{
    for (size_t i = 0, n = fx->n; i < n; i++) {
        const struct worker *w = core_worker(c, fx->items[i].worker);
        const struct slot *slot =
            w && w->slot < w->generation->n_slots ? &w->generation->slots[w->slot] : NULL;

        if (fx->items[i].type == FX_SPAWN && slot && slot->substitute == w)
            plant_signal(fx, FX_SIGNAL, slot->worker->id, SIGTERM);
    }
}
