/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bugs in what is told of threads that leak, and in how often they are looked at. */
#include "tests/simulation/plant.h"

void
keep_leaks_secret(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = fx->n; i > 0; i--)
        if (plant_is_record(&fx->items[i - 1], RECORD_THREAD_LEAK))
            plant_drop(fx, i - 1);
}

void
look_twice(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0, n = fx->n; i < n; i++)
        if (fx->items[i].type == FX_INSPECT)
            plant_signal(fx, FX_INSPECT, fx->items[i].worker, 0);
}
