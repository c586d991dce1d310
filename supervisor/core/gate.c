/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* Who has clients, in a service that is gated: nobody before the whole generation is ready. */

bool
worker_open(const struct worker *w)
{
    const struct generation *g = w->generation;

    return g->spec->gated && w->state == WORKER_READY && !w->escapee &&
           (g->state == GENERATION_SOAKING || g->state == GENERATION_SERVING);
}

void
worker_let_in(struct core *c, const struct worker *w)
{
    if (worker_open(w))
        worker_effect(c, w, FX_OPEN, 0);
}

void
generation_let_in(struct core *c, const struct generation *g)
{
    list_for_each (n, &g->workers)
        worker_let_in(c, container_of(n, struct worker, node));
}
