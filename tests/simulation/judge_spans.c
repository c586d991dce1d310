/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a move says of how long its object was where it was: spans are made of that, by any master. */
#include <inttypes.h>

#include "base/mem.h"
#include "tests/simulation/judge.h"

/* Where the judge's own book has the time; NULL: it does not know that one. */
static int64_t *
entered(struct judge *j, const struct move *m)
{
    struct stint *g;
    struct subject *w;
    struct run *r;

    switch (m->life) {
    case LIFE_WORKER:
        w = judge_subject(j, m->id);
        return w ? &w->phase_us : NULL;
    case LIFE_GENERATION:
        g = judge_stint(j, m->service, m->id);
        return g ? &g->phase_us : NULL;
    case LIFE_RELOAD:
        r = judge_run(j, m->id);
        return r ? &r->phase_us : NULL;
    }
    return NULL;
}

void
judge_spans_takeover(struct judge *j)
{
    j->unseen[j->n_unseen++ % ARRAY_LEN(j->unseen)] = j->core->now_us;
}

static bool
moved_unseen(const struct judge *j, int64_t at_us)
{
    for (size_t i = 0; i < j->n_unseen && i < ARRAY_LEN(j->unseen); i++)
        if (j->unseen[i] == at_us)
            return true;
    return false;
}

void
judge_spans_step(struct judge *j)
{
    for (size_t i = 0; i < j->core->n_moves; i++) {
        const struct move *m = &j->core->moves[i];
        int64_t *since = entered(j, m);

        if (since && *since > 0 && m->since_us != *since && !moved_unseen(j, m->since_us))
            judge_say(j, LAW_SPANS, "%s since %" PRId64 ", and says since %" PRId64, move_name(m),
                      *since, m->since_us);
        if (m->since_us > j->core->now_us)
            judge_say(j, LAW_SPANS, "%s: it begins when it is over", move_name(m));
        if (m->life == LIFE_GENERATION && m->relieved && !m->trace[0])
            judge_say(j, LAW_SPANS, "%s: nobody knows what relieves it", move_name(m));
        if (since && m->from != m->to)
            *since = j->core->now_us;
    }
    if (j->core->moves_lost > 0) /* a stop of everything: from here on the book would lie */
        j->blind = true;
}
