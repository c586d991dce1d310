/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bug in who has clients, in a service that is gated. */
#include "tests/simulation/plant.h"

void
let_in_early(const struct core *c, struct effects *fx)
{
    for (size_t i = 0, n = fx->n; i < n; i++) {
        const struct worker *w = plant_is_record(&fx->items[i], RECORD_READY)
                                     ? core_worker(c, fx->items[i].record->worker)
                                     : NULL;

        if (w && w->generation->spec->gated)
            plant_signal(fx, FX_OPEN, w->id, 0);
    }
}
