/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "base/units.h"
#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

#define JOIN_US (1 * US_PER_S) /* whoever joins takes a moment */

/* Its scope goes on: then it should too. */
static bool
scope_lives(const struct process_facts *p, unsigned scope)
{
    for (size_t depth = 0; depth < p->n_scopes && scope < p->n_scopes; depth++) {
        if (p->scopes[scope].cancelled_us != 0 || p->scopes[scope].retired ||
            p->scopes[scope].closed)
            return false;
        if (scope == 0)
            break;
        scope = p->scopes[scope].parent;
    }
    return true;
}

static bool
token_lives(const struct process_facts *p, const struct claim *c)
{
    return c->cancelled_us == 0 && (c->deadline_us <= 0 || c->deadline_us > p->at_us);
}

static enum verdict
of_dead(const struct trial *t, const struct dead_facts *d)
{
    const struct process_facts *p = t->facts;
    const struct claim *c = &d->claim;

    if (c->vital_every_us >= 0 && token_lives(p, c) && !t->asked && scope_lives(p, c->scope_index))
        return VERDICT_DEAD_WATCHER;
    /* While it should not have ended, whoever is to join it may come later. */
    if (!d->ghost && d->joinable &&
        ((c->cancelled_us != 0 && facts_span(c->cancelled_us, p->at_us) > JOIN_US) || t->past ||
         !scope_lives(p, c->scope_index)))
        return VERDICT_UNJOINED;
    return VERDICT_CLEAN;
}

void
trial_dead(struct trial *t)
{
    struct judgements *js = t->ret;
    const struct process_facts *p = t->facts;

    if (p->untrusted)
        return;
    for (size_t i = 0; i < p->n_dead; i++) {
        enum verdict verdict = of_dead(t, &p->dead[i]);
        struct judgement *j = &js->of[js->n];

        if (verdict == VERDICT_CLEAN)
            continue;
        *j = (struct judgement){.thread = NOBODY,
                                .dead = i,
                                .verdict = verdict,
                                .conduct = CONDUCT_ENDED,
                                .by_contract = true,
                                .waits_for = NOBODY,
                                .culprit = verdict == VERDICT_DEAD_WATCHER};
        if (verdict == VERDICT_DEAD_WATCHER)
            judgement_say(j, p->dead[i].ghost
                                 ? "it ended without a word: killed, or by a system call"
                                 : "it returned from its function");
        js->n++;
    }
}
