/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planted bugs of a core that lets programs reload themselves, and of one that believes in checks. */
#include <signal.h>

#include "base/list.h"
#include "base/mem.h"
#include "tests/simulation/plant.h"

/* A worker of the same generation that nobody has asked yet; @ready: … and that is ready, or not. */
static uint64_t
another_of(const struct core *c, uint64_t worker, bool ready)
{
    const struct worker *w = core_worker(c, worker);

    if (!w)
        return 0;
    list_for_each (n, &w->generation->workers) {
        const struct worker *other = container_of(n, struct worker, node);

        if (other != w && !other->escapee && other->pid > 0 && other->asked_us == 0 &&
            other->state == (ready ? WORKER_READY : WORKER_STARTING))
            return other->id;
    }
    return 0;
}

static void
ask_one_more(const struct core *c, struct effects *fx, bool ready)
{
    for (size_t i = 0, n = fx->n; i < n; i++) {
        uint64_t other =
            fx->items[i].type == FX_RELOAD ? another_of(c, fx->items[i].worker, ready) : 0;

        if (other > 0)
            plant_signal(fx, FX_RELOAD, other, SIGHUP);
    }
}

void
plant_ask_all(const struct core *c, struct effects *fx)
{
    ask_one_more(c, fx, true);
}

void
plant_ask_unready(const struct core *c, struct effects *fx)
{
    ask_one_more(c, fx, false);
}

void
plant_call_proved(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0; i < fx->n; i++)
        if (plant_is_record(&fx->items[i], RECORD_RELOADED))
            fx->items[i].record->grade = GRADE_NOTIFY;
}

void
plant_believe_checks(const struct core *c, struct event *ev)
{
    (void)c;
    if (ev->type == EVENT_CHECKED && !ev->checked.again) /* doors are for others */
        ev->checked.ok = true;
}
