/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bugs in what certificates rest upon. */
#include "tests/simulation/plant.h"

void
certify_blindly(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0; i < fx->n; i++) {
        struct effect *e = &fx->items[i];

        if (!plant_is_record(e, RECORD_CERTIFICATE))
            continue;
        e->record->toll.survey.left = 0;
        e->record->toll.survey.good[FINDING_PIDS] = e->record->toll.survey.good[FINDING_FDS] = true;
    }
}

void
look_away(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = fx->n; i > 0; i--)
        if (fx->items[i - 1].type == FX_SURVEY)
            plant_drop(fx, i - 1);
}
