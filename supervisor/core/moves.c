/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* The rows of the three tables once more, by name: for whoever wants to be there when one is taken. */

struct edge {
    const char *name;
    enum life life;
    int from, event, to;
};

#define EDGE(word, life, state, happens, from, event, to)                                \
    {                                                                                    \
        word ":" #from "-" #event "->" #to, life, state##from, happens##event, state##to \
    }
#define IGNORE(from, event)

static const struct edge edges[] = {
#define ROW(from, event, to, fn) EDGE("worker", LIFE_WORKER, WORKER_, WE_, from, event, to),
#include "supervisor/core/worker_fsm.def"
#undef ROW
#define ROW(from, event, to, fn) \
    EDGE("generation", LIFE_GENERATION, GENERATION_, GE_, from, event, to),
#include "supervisor/core/generation_fsm.def"
#undef ROW
#define ROW(from, event, to, fn) EDGE("reload", LIFE_RELOAD, RELOAD_, RE_, from, event, to),
#include "supervisor/core/reload_fsm.def"
#undef ROW
};
#undef IGNORE

const char *
move_edge(size_t i)
{
    return i < ARRAY_LEN(edges) ? edges[i].name : NULL;
}

const char *
move_name(const struct move *m)
{
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        const struct edge *e = &edges[i];

        if (e->life == m->life && e->from == m->from && e->event == m->event && e->to == m->to)
            return e->name;
    }
    return "?";
}

static void
note(struct core *c, const struct move *move)
{
    if (c->n_moves < CORE_MOVES)
        c->moves[c->n_moves++] = *move;
    else
        c->moves_lost++;
}

/* Whoever stays where it is has been there all along. */
static void
stamp(const struct core *c, int64_t *since_us, int from, int to)
{
    if (from != to)
        *since_us = c->now_us;
}

void
move_worker(struct core *c, struct worker *w, enum worker_event e, enum worker_state to)
{
    const struct generation *g = w->generation;
    struct move m = {.life = LIFE_WORKER,
                     .from = (int)w->state,
                     .event = (int)e,
                     .to = (int)to,
                     .service = g->service->id,
                     .id = w->id,
                     .since_us = w->since_us,
                     .started_us = g->started_us,
                     .generation = g->number,
                     .reload = g->reload,
                     .slot = w->slot,
                     .pid = w->pid,
                     .relieved = w->state != WORKER_STARTING && g->relief[0]};

    memcpy(m.trace, m.relieved ? g->relief : g->trace, sizeof(m.trace));
    note(c, &m);
    stamp(c, &w->since_us, m.from, m.to);
}

/* The run that relieves it may be over by then: what serves now was made by it. */
static void
leave_in(struct generation *g)
{
    const struct service *s = g->service;
    const struct generation *next = service_serving(s);
    bool made_way = next && next->number > g->number;

    memcpy(g->relief,
           s->reload.state != RELOAD_IDLE ? s->reload.trace
           : made_way                     ? next->trace
                                          : g->trace,
           sizeof(g->relief));
}

void
move_generation(struct core *c, struct generation *g, enum generation_event e,
                enum generation_state to)
{
    struct move m = {.life = LIFE_GENERATION,
                     .from = (int)g->state,
                     .event = (int)e,
                     .to = (int)to,
                     .service = g->service->id,
                     .id = g->number,
                     .since_us = g->since_us,
                     .started_us = g->started_us,
                     .generation = g->number,
                     .reload = g->reload,
                     .leaks = g->leaks,
                     .relieved = g->relief[0] != '\0'};

    memcpy(m.trace, m.relieved ? g->relief : g->trace, sizeof(m.trace));
    note(c, &m);
    stamp(c, &g->since_us, m.from, m.to);
    if (to == GENERATION_DRAINING)
        leave_in(g);
    else if (to == GENERATION_STARTING) /* restored: it stays after all */
        g->relief[0] = '\0';
}

void
move_reload(struct core *c, struct service *s, enum reload_event e, enum reload_state to)
{
    struct reload *r = &s->reload;
    struct move m = {.life = LIFE_RELOAD,
                     .from = (int)r->state,
                     .event = (int)e,
                     .to = (int)to,
                     .service = s->id,
                     .id = r->id,
                     .since_us = r->since_us,
                     .started_us = r->started_us,
                     .reload = r->id};

    memcpy(m.trace, r->trace, sizeof(m.trace));
    note(c, &m);
    stamp(c, &r->since_us, m.from, m.to);
}
