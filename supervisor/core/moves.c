/* SPDX-License-Identifier: GPL-2.0-or-later */
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

void
move_note(struct core *c, struct move move)
{
    if (c->n_moves < CORE_MOVES)
        c->moves[c->n_moves++] = move;
    else
        c->moves_lost++;
}
