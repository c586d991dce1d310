/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

/*
 * Each thread waits for at most one other, so that the graph is a set of chains, each of which ends in
 * a thread that waits for nobody known, or in a circle.
 */

static bool
is_lock(enum wait_class wait)
{
    return wait == WAIT_MUTEX || wait == WAIT_RWLOCK;
}

static bool
is_within(const struct process_facts *p, unsigned scope, unsigned outer)
{
    for (size_t depth = 0; depth < p->n_scopes; depth++) {
        if (scope == outer)
            return true;
        if (scope == 0 || scope >= p->n_scopes)
            return false;
        scope = p->scopes[scope].parent;
    }
    return false;
}

/* It waits for all of a scope: for each of them, then. The first will do, one that waits for it is better. */
static size_t
member_of(const struct trial *t, size_t i, unsigned scope)
{
    size_t first = NOBODY;

    for (size_t k = 0; k < t->facts->n; k++) {
        size_t m = t->by_tid[k];
        const struct thread_facts *f = &t->facts->threads[m];

        if (m == i || !t->of[m].bound || t->of[m].conduct == CONDUCT_ENDED || f->claim.task ||
            !is_within(t->facts, f->claim.scope_index, scope))
            continue;
        if (f->owner == t->facts->threads[i].tid && is_lock(f->wait))
            return m;
        if (first == NOBODY)
            first = m;
    }
    return first;
}

/* Whoever joins one that was born a moment ago is not stuck behind it: it may be starting them in turns. */
static bool
is_new(const struct trial *t, size_t i)
{
    return t->facts->threads[i].fresh;
}

/* What it says of itself, of a wait that the kernel's side does not tell. */
static void
tie_by_word(struct trial *t, size_t i)
{
    const struct claim *c = &t->facts->threads[i].claim;
    size_t whom = NOBODY;

    if (!t->of[i].bound || t->of[i].conduct == CONDUCT_ENDED)
        return;
    if (c->awaits_tid > 0)
        whom = trial_find(t, c->awaits_tid);
    else if (c->awaits_scope > 0)
        whom = member_of(t, i, c->awaits_scope - 1);
    if (whom == NOBODY || is_new(t, whom))
        return;
    t->of[i].waits_for = whom;
    t->of[i].tie = TIE_JOIN;
}

static void
tie(struct trial *t, size_t i)
{
    const struct thread_facts *f = &t->facts->threads[i];
    struct standing *s = &t->of[i];
    size_t owner;

    if (f->owner <= 0 || s->conduct == CONDUCT_ENDED ||
        (!is_lock(f->wait) && f->wait != WAIT_JOIN)) {
        tie_by_word(t, i);
        return;
    }
    owner = trial_find(t, f->owner);
    if (is_lock(f->wait) && s->firm && f->owner_gone) {
        s->orphan = owner == NOBODY;
    } else if (owner != NOBODY && (is_lock(f->wait) || !is_new(t, owner))) {
        s->waits_for = owner;
        s->tie = is_lock(f->wait) ? TIE_LOCK : TIE_JOIN;
        t->of[owner].wanted |= s->tie == TIE_LOCK && owner != i;
    }
}

/* It was asked to leave, by its token or with the whole process, and its grace is over. */
bool
trial_late(const struct trial *t, size_t i)
{
    return t->of[i].past || (t->past && !t->bound);
}

/*
 * The main thread waits for others to end, by a join or by a count and a condition of its own, or for
 * events; and nobody waits for what it holds.
 */
static bool
merely_main(const struct trial *t, size_t i)
{
    enum wait_class wait = t->facts->threads[i].wait;

    if (i != t->main || t->of[i].wanted || t->of[i].orphan)
        return false;
    return wait == WAIT_JOIN || wait == WAIT_SIGNAL || wait == WAIT_CHILD || wait == WAIT_EPOLL ||
           wait == WAIT_POLL || wait == WAIT_SLEEP || wait == WAIT_COND || wait == WAIT_SEM ||
           wait == WAIT_BARRIER || wait == WAIT_FUTEX;
}

size_t
trial_walk(const struct trial *t, size_t i)
{
    for (size_t steps = 0; steps < t->facts->n && t->of[i].waits_for != NOBODY; steps++) {
        if (t->of[i].cycle)
            break;
        i = t->of[i].waits_for;
    }
    return i;
}

/* ---- circles -------------------------------------------------------------------------------- */

static int
add_cycle(struct trial *t, size_t first)
{
    struct judgements *j = t->ret;
    struct judgement_cycle *grown = realloc(j->cycles, (j->n_cycles + 1) * sizeof(*j->cycles)), *c;
    size_t i = first;

    if (!grown)
        return -ENOMEM;
    j->cycles = grown;
    c = &j->cycles[j->n_cycles++];
    *c = (struct judgement_cycle){0};
    do {
        if (c->n < sizeof(c->members) / sizeof(c->members[0]))
            c->members[c->n++] = i;
        c->concluded |= t->of[i].tie == TIE_GUESS;
        t->of[i].cycle = true;
        i = t->of[i].waits_for;
    } while (i != first);
    return 0;
}

/* Firm waits alone make a circle: one that ends by itself undoes it. */
static size_t
next_of(const struct trial *t, size_t i)
{
    return t->of[i].firm ? t->of[i].waits_for : NOBODY;
}

static int
cycles(struct trial *t)
{
    size_t *seen =
        calloc(t->facts->n + 1, sizeof(*seen)); /* the round in which each was met, from 1 */
    int r = seen ? 0 : -ENOMEM;

    for (size_t k = 0; r == 0 && k < t->facts->n; k++) {
        size_t i = t->by_tid[k];

        while (i != NOBODY && seen[i] == 0) {
            seen[i] = k + 1;
            i = next_of(t, i);
        }
        if (i != NOBODY && seen[i] == k + 1 && !t->of[i].cycle)
            r = add_cycle(t, i);
    }
    free(seen);
    return r;
}

/* ---- who holds a lock and waits for what only those can bring that want the lock ---------------- */

/* Nobody moves by himself: all who could wake anybody wait too. */
static bool
all_wait(const struct trial *t)
{
    for (size_t i = 0; i < t->facts->n; i++)
        if (!t->of[i].runtime && !merely_main(t, i) && !t->facts->threads[i].claim.exempt &&
            trial_moves(t, i))
            return false;
    return true;
}

static int
holders(struct trial *t)
{
    int r = 0;

    if (!all_wait(t))
        return 0;
    for (size_t k = 0; r == 0 && k < t->facts->n; k++) {
        size_t w = t->by_tid[k], h = t->of[w].waits_for;

        if (h == NOBODY || t->of[w].tie != TIE_LOCK || !t->of[w].firm || !trial_late(t, w) ||
            t->of[w].cycle)
            continue;
        if (t->of[h].waits_for != NOBODY || t->of[h].orphan || !t->of[h].firm || trial_moves(t, h))
            continue;
        if (!trial_late(t, h) && t->of[h].bound)
            continue;
        t->of[h].waits_for = w;
        t->of[h].tie = TIE_GUESS;
        r = add_cycle(t, w);
    }
    return r;
}

/*
 * A circle with a wait in it that ends by itself: that wait is a reason of its own, so the chain ends
 * there. What is left are chains and firm circles.
 */
static void
cut_at_soft_waits(struct trial *t, size_t first)
{
    size_t i = first;

    do {
        size_t next = t->of[i].waits_for;

        if (!t->of[i].firm) {
            t->of[i].waits_for = NOBODY;
            t->of[i].tie = TIE_NONE;
        }
        i = next;
    } while (i != first);
}

static int
soft_circles(struct trial *t)
{
    size_t *seen = calloc(t->facts->n + 1, sizeof(*seen)); /* as in cycles() */

    if (!seen)
        return -ENOMEM;
    for (size_t k = 0; k < t->facts->n; k++) {
        size_t i = t->by_tid[k];

        while (i != NOBODY && seen[i] == 0) {
            seen[i] = k + 1;
            i = t->of[i].waits_for;
        }
        if (i != NOBODY && seen[i] == k + 1 && !t->of[i].cycle)
            cut_at_soft_waits(t, i);
    }
    free(seen);
    return 0;
}

/* Each chain is walked once, however many hang on it. */
static int
ends(struct trial *t)
{
    size_t *path = calloc(t->facts->n + 1, sizeof(*path));
    size_t n;

    if (!path)
        return -ENOMEM;
    for (size_t i = 0; i < t->facts->n; i++)
        t->of[i].end = NOBODY;
    for (size_t from = 0; from < t->facts->n; from++) {
        size_t i = from, end;

        for (n = 0; n < t->facts->n && t->of[i].end == NOBODY; n++) {
            path[n] = i;
            if (t->of[i].waits_for == NOBODY || t->of[i].cycle)
                break;
            i = t->of[i].waits_for;
        }
        end = t->of[i].end != NOBODY ? t->of[i].end : i;
        for (size_t k = 0; k < n; k++)
            t->of[path[k]].end = end;
        t->of[from].end = end;
    }
    free(path);
    return 0;
}

int
trial_graph(struct trial *t)
{
    int r;

    for (size_t i = 0; i < t->facts->n; i++)
        tie(t, i);
    for (size_t i = 0; i < t->facts->n; i++)
        t->of[i].waits = merely_main(t, i);
    r = trial_readers(t);
    if (r == 0)
        r = cycles(t);
    if (r == 0)
        r = holders(t);
    if (r == 0)
        r = soft_circles(t);
    return r == 0 ? ends(t) : r;
}
