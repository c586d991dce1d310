/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on places: no more workers are on their way to be ready at once than the configuration allows. */
#include <inttypes.h>

#include "base/mem.h"
#include "config/spec.h"
#include "tests/simulation/judge.h"

static unsigned
starting_of(const struct service *s)
{
    unsigned n = 0;

    if (service_serving(s)) /* it may not be kept waiting */
        return 0;
    list_for_each (gn, &s->generations) {
        const struct generation *g = container_of(gn, struct generation, node);

        list_for_each (wn, &g->workers)
            n += container_of(wn, struct worker, node)->state == WORKER_STARTING &&
                 g->spec->ready.mode != READY_ASSUME && g->spec->type != TYPE_ONESHOT;
    }
    return n;
}

void
judge_places(struct judge *j, const struct effect *e)
{
    const struct service *of = core_service(j->core, e->service);
    unsigned most = j->wishes->max_starting, n = 0;

    if (most == 0 || !of || starting_of(of) == 0)
        return;
    list_for_each (sn, &j->core->services)
        n += starting_of(container_of(sn, struct service, node));
    if (n > most)
        judge_say(j, LAW_PLACES, "worker %" PRIu64 " of %s starts, and %u are on their way at once",
                  e->worker, of->name, n);
}
