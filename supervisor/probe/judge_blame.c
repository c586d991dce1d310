/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

/*
 * A process that should be gone is alive. Its tokens may say why; when they do not, or when there are
 * none, the kernel's side of it has to: what does the main thread wait for, and what do those wait for?
 */

/* This thread is why, or has a right to be there still: by the kernel's side or by its token. */
static bool
explains(const struct trial *t, size_t i)
{
    enum verdict v = t->ret->of[i].verdict;

    if (i == t->main)
        return v == VERDICT_DEADLOCK;
    if (v == VERDICT_DRAINING) /* it beats, or its request has time left */
        return t->of[i].bound && t->of[i].asked_us != 0;
    return verdict_is_leak(v) || v == VERDICT_STOPPED || v == VERDICT_STUCK_KERNEL ||
           v == VERDICT_SHIELDED || v == VERDICT_PROCESS_RETAINED;
}

/* Why it has not gone yet is known already, or it is nobody's fault. */
static bool
is_explained(const struct trial *t)
{
    for (size_t i = 0; i < t->facts->n; i++)
        if (explains(t, i))
            return true;
    return t->main != NOBODY && t->of[t->main].end != t->main &&
           t->ret->of[t->of[t->main].end].verdict == VERDICT_EXEMPT;
}

/* It may be why: it is not the runtime's, has an own will, and no say of its token excuses it. */
static bool
is_suspect(const struct trial *t, size_t i)
{
    const struct standing *s = &t->of[i];
    enum verdict v = t->ret->of[i].verdict;

    if (i == t->main || s->runtime || s->judged || (t->facts->threads[i].fresh && !t->relay))
        return false;
    if (t->bound && s->bound)
        return false; /* its token is live: it does what it should */
    return v == VERDICT_DRAINING || v == VERDICT_UNREGISTERED;
}

static size_t
count_suspects(const struct trial *t, bool serving, bool program)
{
    size_t n = 0;

    for (size_t i = 0; i < t->facts->n; i++)
        n += is_suspect(t, i) && (!serving || !trial_serves(t, i)) &&
             (!program || !t->of[i].foreign);
    return n;
}

static void
retain(struct trial *t, size_t i)
{
    struct judgement *j = &t->ret->of[i];

    j->verdict = VERDICT_PROCESS_RETAINED;
    j->culprit = true;
    if (t->facts->threads[i].wait == WAIT_CHILD)
        judgement_say(j, "it waits for a child of the process");
    else if (t->facts->zombie_leader && !trial_serves(t, i))
        judgement_say(j, "the first thread has ended, and this one keeps the process");
    else
        judgement_say(j, "it serves a connection that its client keeps open");
}

static void
accuse(struct trial *t, size_t i)
{
    struct judgement *j = &t->ret->of[i];

    j->verdict = leak_of(t->of[i].conduct);
    j->by_contract = t->of[i].bound && t->of[i].past;
    if (j->asked_us == 0) {
        int64_t born_us = t->facts->threads[i].started_us;

        j->asked_us = born_us > t->facts->cancelled_us ? born_us : t->facts->cancelled_us;
    }
    j->overdue_us = facts_span(j->by_contract ? t->of[i].due_us : t->due_us, t->facts->at_us);
    if (t->facts->threads[i].fresh) {
        j->asked_us = t->facts->cancelled_us;
        judgement_say(j, "it was started since the earlier look, when all others stood still: each "
                         "starts the next");
    }
}

/* Nobody else is left, or the others do what they should: the main thread keeps it alive. */
static void
accuse_main(struct trial *t)
{
    const struct thread_facts *f;
    struct judgement *j;

    if (t->main == NOBODY || t->of[t->main].judged)
        return;
    f = &t->facts->threads[t->main];
    j = &t->ret->of[t->main];
    if (j->verdict != VERDICT_DRAINING && j->verdict != VERDICT_UNREGISTERED)
        return; /* shielded, exempt … */
    if (t->of[t->main].bound && t->of[t->main].asked_us != 0 && !t->of[t->main].past)
        return;
    if (trial_serves(t, t->main) || f->wait == WAIT_CHILD) {
        retain(t, t->main);
        return;
    }
    accuse(t, t->main);
    if (t->of[t->main].bound && t->of[t->main].asked_us == 0)
        judgement_say(j, "its token is live: the process was asked and has not heard it");
    else
        judgement_say(j, "nobody else keeps the process");
}

/* Whom the main thread waits for, at the end of the chain; NOBODY: it waits for nobody known. */
static size_t
awaited(const struct trial *t)
{
    size_t end = t->main != NOBODY ? t->of[t->main].end : NOBODY;

    return end == t->main ? NOBODY : end;
}

static void
accuse_suspects(struct trial *t)
{
    bool zombie = t->facts->zombie_leader && !t->bound;

    for (size_t i = 0; i < t->facts->n; i++) {
        if (!is_suspect(t, i))
            continue;
        if (trial_serves(t, i) || (zombie && t->of[i].waits_for == NOBODY))
            retain(t, i);
        else
            accuse(t, i);
    }
}

/* One that has a live token and that the main thread waits for all the same: a clean-up without end. */
static void
accuse_awaited(struct trial *t, size_t who)
{
    if (t->of[who].judged || t->of[who].runtime || !t->of[who].bound)
        return;
    if (trial_serves(t, who)) {
        retain(t, who);
        return;
    }
    accuse(t, who);
    judgement_say(&t->ret->of[who], "its token is live, and the process waits for its end");
}

static bool
same_kind(const struct process_facts *p, size_t a, size_t b)
{
    const struct thread_facts *x = &p->threads[a], *y = &p->threads[b];

    return x->wait == y->wait && x->start.pc == y->start.pc &&
           (x->start.pc != 0 || strcmp(x->comm, y->comm) == 0);
}

/*
 * It began like one that only another thread can wake, and is at work with something else meanwhile: of
 * one pool, then, and the idle ones may be told to leave when the busy ones have. Loops are no pools.
 */
static bool
same_pool(const struct trial *t, size_t busy, size_t idle)
{
    const struct thread_facts *x = &t->facts->threads[busy], *y = &t->facts->threads[idle];

    return x->start.pc != 0 && x->start.pc == y->start.pc && trial_within(y) && !trial_within(x) &&
           x->wait != WAIT_EPOLL && x->wait != WAIT_ACCEPT;
}

/*
 * There is a deadlock, say, and the first thread waits for another one: that one and its like keep the
 * process as well, and would when the deadlock is mended. Of all others nobody knows.
 */
static void
accuse_awaited_too(struct trial *t, size_t who)
{
    for (size_t i = 0; i < t->facts->n; i++)
        if (is_suspect(t, i) && !trial_serves(t, i) && !t->of[who].judged &&
            same_kind(t->facts, i, who))
            accuse(t, i);
}

static bool
is_alone(const struct trial *t)
{
    for (size_t i = 0; i < t->facts->n; i++)
        if (i != t->main && !t->of[i].runtime && t->of[i].conduct != CONDUCT_ENDED)
            return false;
    return true;
}

/* Nobody asked the process, but its own first thread's token is cancelled, and it waits for nobody. */
static void
accuse_main_by_token(struct trial *t)
{
    if (t->main != NOBODY && t->of[t->main].bound && t->of[t->main].past && t->of[t->main].waits &&
        t->of[t->main].waits_for == NOBODY && is_alone(t))
        accuse_main(t);
}

void
trial_blame(struct trial *t)
{
    size_t who = awaited(t);
    bool main_serves = t->main != NOBODY && t->of[t->main].waits && trial_serves(t, t->main);

    if (is_explained(t)) {
        if (t->past && !t->bound && who != NOBODY)
            accuse_awaited_too(t, who);
        return;
    }
    if (!t->past) {
        accuse_main_by_token(t);
        return;
    }
    if (main_serves && who == NOBODY) {
        retain(t, t->main);
        return;
    }
    if (who != NOBODY && t->of[who].bound && t->bound &&
        t->ret->of[who].verdict == VERDICT_DRAINING) {
        accuse_awaited(t, who);
        return;
    }
    if (t->bound && t->main != NOBODY && t->of[t->main].bound && t->of[t->main].past &&
        !t->of[t->main].waits && verdict_is_leak(t->ret->of[t->main].verdict))
        return; /* it ignores its own token */
    if (count_suspects(t, false, false) == 0 ||
        (who == NOBODY && count_suspects(t, false, true) == 0))
        accuse_main(t);
    else
        accuse_suspects(t);
}

/* ---- the cause and those who wait for it --------------------------------------------------------- */

/*
 * Without tokens everybody who is left is a suspect. When the main thread tells by its wait whom it
 * waits for, that one and its like are the cause, and who of its pool is busy; else those that run code of the program before those
 * of a library.
 */
static bool
is_cause(const struct trial *t, size_t i, size_t who, bool program)
{
    if (t->ret->of[i].by_contract || t->of[i].judged)
        return true;
    if (who != NOBODY && i != who)
        return same_kind(t->facts, i, who) || same_pool(t, i, who);
    return !program || !t->of[i].foreign || i == who;
}

/* Who holds the lock that another one who should be gone waits for, and does nothing wrong otherwise. */
static void
show_holder(struct trial *t, size_t waiter, size_t holder)
{
    struct judgement *j = &t->ret->of[holder];

    j->culprit = true;
    if (j->why[0] == '\0' && t->of[waiter].tie == TIE_LOCK)
        judgement_say(j, "it holds the lock that `%.40s` waits for", judge_name(t->facts, waiter));
    else if (j->why[0] == '\0' && t->of[waiter].tie == TIE_JOIN)
        judgement_say(j, "`%.40s` waits for its end", judge_name(t->facts, waiter));
}

/* Started when its token had long been cancelled: whoever does that is the cause, if he is left. */
static void
show_creator(struct trial *t, size_t child)
{
    size_t creator = trial_find(t, t->facts->threads[child].claim.creator_tid);
    struct judgement *j;

    if (creator == NOBODY || creator == child)
        return;
    j = &t->ret->of[creator];
    t->ret->of[child].culprit = false;
    j->culprit = true;
    if (creator == t->main && j->verdict == VERDICT_DRAINING && t->of[creator].past)
        j->verdict = leak_of(t->of[creator].conduct);
    judgement_say(j, "it goes on to start `%.40s`, whose token is cancelled",
                  judge_name(t->facts, child));
}

/*
 * Where a circle is closed by a conclusion, who holds the lock and waits is the cause, and who wants
 * the lock is not.
 */
static bool
is_concluded(const struct trial *t, size_t i)
{
    size_t next = t->of[i].waits_for;

    for (size_t steps = 0; steps < t->facts->n && next != i; steps++) {
        if (t->of[next].tie == TIE_GUESS)
            return true;
        next = t->of[next].waits_for;
    }
    return false;
}

void
trial_culprits(struct trial *t)
{
    struct judgements *js = t->ret;
    size_t who = t->bound ? NOBODY : awaited(t);
    bool program = count_suspects(t, false, true) > 0, moves = false;

    for (size_t i = 0; i < t->facts->n; i++) {
        moves |= !t->of[i].runtime && trial_moves(t, i);
        program |= verdict_is_leak(js->of[i].verdict) && i != t->main && !t->of[i].foreign;
    }
    for (size_t i = 0; i < t->facts->n; i++) {
        const struct standing *s = &t->of[i];

        if (!verdict_is_leak(js->of[i].verdict))
            continue;
        if (s->cycle)
            js->of[i].culprit = s->tie == TIE_GUESS || !is_concluded(t, i);
        else if (s->waits_for == NOBODY || s->orphan)
            js->of[i].culprit = is_cause(t, i, who, program);
    }
    for (size_t k = 0; k < t->facts->n; k++) {
        size_t i = t->by_tid[k], end = t->of[i].end;

        if (!verdict_is_leak(js->of[i].verdict))
            continue;
        if (end != i && !verdict_is_leak(js->of[end].verdict))
            show_holder(t, i, end);
        if (t->of[i].late_born)
            show_creator(t, i);
        if (js->of[i].culprit)
            trial_say_more(t, i, moves);
    }
}
