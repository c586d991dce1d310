/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

/* What more can be said of one that is the cause and waits: who could have ended that? */

static bool
cancelled_others(const struct process_facts *p, const char *name)
{
    for (size_t i = 0; i < p->n_scopes && name[0] != '\0' && !p->untrusted; i++)
        if (p->scopes[i].cancelled_us != 0 && strcmp(p->scopes[i].who, name) == 0)
            return true;
    return false;
}

#define COMPANIONS_MAX 3 /* more say nothing: they come and go */

/* One that ended, in the same scope, and might have been the one that was to wake it. */
static const struct claim *
companion(const struct process_facts *p, const struct claim *of)
{
    const struct claim *found = NULL;
    unsigned n = 0;

    for (size_t i = 0; i < p->n_dead && !p->untrusted; i++) {
        const struct claim *c = &p->dead[i].claim;

        if (c->preload || c->scope_index != of->scope_index || c->name[0] == '\0' ||
            strcmp(c->name, of->name) == 0)
            continue;
        found = found ? found : c;
        n++;
    }
    return n <= COMPANIONS_MAX ? found : NULL;
}

void
trial_say_more(struct trial *t, size_t i, bool moves)
{
    const struct thread_facts *f = &t->facts->threads[i];
    struct judgement *j = &t->ret->of[i];
    const struct claim *dead;

    if (j->why[0] != '\0' || j->verdict != VERDICT_LEAKED_BLOCKED)
        return;
    if (t->of[i].bound && cancelled_others(t->facts, f->claim.name)) {
        judgement_say(j, "it was cancelling others and has not come to the end of it");
        return;
    }
    if (t->of[i].bound && (dead = companion(t->facts, &f->claim))) {
        judgement_say(j, "`%.40s` of the same scope has ended", dead->name);
        return;
    }
    if (!moves && !trial_moves(t, i))
        judgement_say(j, "nobody is left who could wake it: all others wait too");
}
