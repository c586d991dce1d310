/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is seen of the threads of a process, at its end and while it lives. */
#include "tests/simulation/world.h"

static void
act_evidence(struct world *w, const struct effect *e, int64_t now_us)
{
    struct news n = {.at_us = now_us + patience(w) / 4};

    n.event.type = EVENT_EVIDENCE;
    n.event.worker = e->worker;
    n.event.evidence.stragglers = (unsigned)random_between(&w->random, 0, 3);
    n.event.evidence.text = "thread 'flush' in read(9)";
    queue_add(&w->queue, n);
}

/* In a calm world what leaked comes to its end, and nobody is looked at without need. */
static void
act_inspect(struct world *w, const struct effect *e, int64_t now_us)
{
    struct news n = {.at_us = now_us + patience(w) / 4};
    bool leaks = !w->calm && random_chance(&w->random, 40);

    n.event.type = EVENT_INSPECTED;
    n.event.worker = e->worker;
    n.event.inspected.seen = random_chance(&w->random, 90);
    n.event.inspected.leaked = leaks ? (unsigned)random_between(&w->random, 1, 3) : 0;
    n.event.inspected.over = !w->calm && random_chance(&w->random, 20);
    n.event.inspected.text = "thread 'flush' in read(9)";
    n.event.inspected.compare = random_chance(&w->random, 50) ? "12 threads, 11 before" : NULL;
    n.event.inspected.trend = !w->calm && random_chance(&w->random, 10) ? "'flush': 1, 2, 3" : NULL;
    if (!answer_is_lost(w))
        queue_add(&w->queue, n);
}

void
process_look(struct world *w, const struct effect *e, int64_t now_us)
{
    if (e->type == FX_EVIDENCE)
        act_evidence(w, e, now_us);
    else
        act_inspect(w, e, now_us);
}
