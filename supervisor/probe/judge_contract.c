/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

/* Who beats gets on with it, and may take longer: not for ever. */
#define PROGRESS_GRACES 10
#define PROGRESS_US     (60 * US_PER_S)

void
judgement_say(struct judgement *j, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was, one line above */
    (void)vsnprintf(j->why, sizeof(j->why), fmt, ap);
    va_end(ap);
}

enum verdict
leak_of(enum conduct conduct)
{
    static const enum verdict leaks[] = {
        [CONDUCT_BLOCKED] = VERDICT_LEAKED_BLOCKED,   [CONDUCT_SLEEPING] = VERDICT_LEAKED_SLEEPING,
        [CONDUCT_SPINNING] = VERDICT_LEAKED_SPINNING, [CONDUCT_KERNEL] = VERDICT_STUCK_KERNEL,
        [CONDUCT_STOPPED] = VERDICT_STOPPED,          [CONDUCT_ENDED] = VERDICT_CLEAN};

    return leaks[conduct];
}

static const char *
span(int64_t us, char buf[32])
{
    return duration_human(us > 0 ? us : 0, buf, 32);
}

/* ---- what the kernel and the locks say, whatever anybody was asked ------------------------------ */

static void
say_stopped(const struct trial *t, size_t i, struct judgement *j)
{
    pid_t tracer = t->facts->threads[i].tracer;

    if (tracer != 0)
        judgement_say(j, "process %d traces it", (int)tracer);
}

static const struct dead_facts *
dead_of(const struct process_facts *p, pid_t tid)
{
    for (size_t i = 0; i < p->n_dead && !p->untrusted; i++)
        if (p->dead[i].tid == tid)
            return &p->dead[i];
    return NULL;
}

static void
say_orphan(const struct trial *t, size_t i, struct judgement *j)
{
    pid_t owner = t->facts->threads[i].owner;
    const struct dead_facts *dead = dead_of(t->facts, owner);

    if (dead && dead->claim.name[0] != '\0')
        judgement_say(j, "its holder, `%.40s` (tid %d), ended with it", dead->claim.name,
                      (int)owner);
    else
        judgement_say(j, "its holder, tid %d, ended with it", (int)owner);
}

static void
say_cycle(const struct trial *t, size_t i, struct judgement *j)
{
    const struct standing *s = &t->of[i];

    if (s->waits_for == i)
        judgement_say(j, "it holds that lock itself");
    else if (s->tie == TIE_GUESS)
        judgement_say(j, "nobody else is left who could end that: the others wait for it");
    else
        judgement_say(j, "it waits for `%.40s`, which waits for it",
                      judge_name(t->facts, s->waits_for));
}

/* Into a circle by a lock: whoever holds it will never give it back. */
static bool
hopeless(const struct trial *t, size_t i)
{
    size_t steps = 0;

    while (t->of[i].tie == TIE_LOCK || t->of[i].tie == TIE_GUESS) {
        if (!t->of[i].firm || ++steps > t->facts->n)
            return false;
        i = t->of[i].waits_for;
        if (t->of[i].cycle)
            return true;
    }
    return false;
}

static bool
by_kernel(const struct trial *t, size_t i, struct judgement *j)
{
    const struct standing *s = &t->of[i];

    if (s->conduct == CONDUCT_ENDED) {
        j->verdict = VERDICT_CLEAN;
        judgement_say(j, "it has ended");
    } else if (s->runtime) {
        j->verdict = VERDICT_RUNTIME;
    } else if (s->conduct == CONDUCT_STOPPED) {
        j->verdict = VERDICT_STOPPED;
        say_stopped(t, i, j);
    } else if (s->conduct == CONDUCT_KERNEL) {
        j->verdict = VERDICT_STUCK_KERNEL;
    } else if (s->cycle) {
        j->verdict = VERDICT_DEADLOCK;
        say_cycle(t, i, j);
    } else if (s->orphan) {
        j->verdict = VERDICT_ORPHAN_LOCK;
        say_orphan(t, i, j);
    } else if (t->of[s->end].cycle && hopeless(t, i)) {
        j->verdict = VERDICT_DEADLOCK;
        judgement_say(j, "it waits for `%.40s`, which is in a deadlock",
                      judge_name(t->facts, s->waits_for));
    } else {
        return false;
    }
    return true;
}

/* ---- what its token says -------------------------------------------------------------------- */

static bool
vital_is_silent(const struct trial *t, const struct claim *c)
{
    int64_t silent_us = facts_span(c->beats_before_us, t->facts->at_us);

    return c->vital_every_us > 0 && c->cancelled_us == 0 && !t->asked && c->beats_before_us > 0 &&
           c->beats == c->beats_before && silent_us > c->vital_every_us;
}

/* A beat since the earlier look; how long that excuses it depends on how long it had. */
static bool
gets_on(const struct trial *t, size_t i)
{
    const struct claim *c = &t->facts->threads[i].claim;
    const struct standing *s = &t->of[i];
    int64_t had_us = facts_span(s->asked_us, s->due_us), most_us = PROGRESS_US;

    if (c->beats_before_us == 0 || c->beats <= c->beats_before)
        return false;
    if (had_us > most_us / PROGRESS_GRACES)
        most_us = had_us > INT64_MAX / PROGRESS_GRACES ? INT64_MAX : had_us * PROGRESS_GRACES;
    return facts_span(s->due_us, t->facts->at_us) <= most_us;
}

static void
leaked(const struct trial *t, size_t i, struct judgement *j)
{
    const struct thread_facts *f = &t->facts->threads[i];
    const struct claim *c = &f->claim;
    const struct standing *s = &t->of[i];
    char age[32];

    j->verdict = c->task ? VERDICT_LEAKED_REQUEST : leak_of(s->conduct);
    j->overdue_us = facts_span(s->due_us, t->facts->at_us);
    if (s->late_born)
        judgement_say(
            j, "it was started %s after that",
            span(facts_span(s->asked_us, c->started_us != 0 ? c->started_us : f->started_us), age));
    else if (c->shield_until_us > s->asked_us)
        judgement_say(j, "its shield ended %s ago",
                      span(facts_span(c->shield_until_us, t->facts->at_us), age));
    else if (c->exempt)
        judgement_say(j, "its exemption ended %s ago (%.80s)",
                      span(facts_span(c->exempt_until_us, t->facts->at_us), age), c->reason);
    else if (c->beats_before_us != 0 && c->beats > c->beats_before)
        judgement_say(j, "it beats, and does not leave");
}

static void
by_token(const struct trial *t, size_t i, struct judgement *j)
{
    const struct claim *c = &t->facts->threads[i].claim;
    const struct standing *s = &t->of[i];
    int64_t at_us = t->facts->at_us;
    char age[32];

    j->by_contract = true;
    if (vital_is_silent(t, c)) {
        j->verdict = VERDICT_DEAD_WATCHER;
        judgement_say(j, "no beat for %s", span(facts_span(c->beats_before_us, at_us), age));
    } else if (c->exempt && c->exempt_until_us > at_us) {
        j->verdict = VERDICT_EXEMPT;
        judgement_say(j, "%.120s", c->reason);
    } else if (s->asked_us == 0) {
        j->verdict = t->asked ? VERDICT_DRAINING : VERDICT_CLEAN;
        j->by_contract = !t->asked;
    } else if (c->shield_until_us > at_us) {
        j->verdict = VERDICT_SHIELDED;
        judgement_say(j, "%.100s, for another %s", c->reason,
                      span(facts_span(at_us, c->shield_until_us), age));
    } else if (!s->past) {
        j->verdict = VERDICT_DRAINING;
        if (c->task && c->deadline_us > at_us && c->deadline_us != INT64_MAX)
            judgement_say(j, "its request has %s left",
                          span(facts_span(at_us, c->deadline_us), age));
    } else if (gets_on(t, i)) {
        j->verdict = VERDICT_DRAINING;
        judgement_say(j, "it gets on: %llu beats since the earlier look",
                      (unsigned long long)(c->beats - c->beats_before));
    } else if (s->waits) {
        j->verdict = VERDICT_DRAINING;
        judgement_say(j, "it waits for the others");
    } else if (trial_serves(t, i) && !s->late_born) {
        j->verdict = VERDICT_PROCESS_RETAINED;
        j->culprit = true;
        judgement_say(j, "it serves a connection that its client keeps open");
    } else {
        leaked(t, i, j);
    }
}

static void
without_token(const struct trial *t, size_t i, struct judgement *j)
{
    if (t->bound && !t->of[i].told && i != t->main) {
        j->verdict = VERDICT_UNREGISTERED;
        if (t->facts->overflow > 0)
            judgement_say(j, "%u threads found no place in the registry", t->facts->overflow);
        else if (t->facts->torn > 0)
            judgement_say(j, "%u places of the registry could not be read", t->facts->torn);
    } else {
        j->verdict = t->asked ? VERDICT_DRAINING : VERDICT_CLEAN;
    }
}

void
trial_contract(struct trial *t)
{
    struct judgements *js = t->ret;

    js->n = t->facts->n;
    for (size_t i = 0; i < t->facts->n; i++) {
        const struct standing *s = &t->of[i];
        struct judgement *j = &js->of[i];

        *j = (struct judgement){.thread = i,
                                .dead = NOBODY,
                                .conduct = s->conduct,
                                .waits_for = s->waits_for,
                                .asked_us = s->asked_us};
        if (s->past)
            j->overdue_us = facts_span(s->due_us, t->facts->at_us);
        if (by_kernel(t, i, j))
            t->of[i].judged = true;
        else if (s->bound)
            by_token(t, i, j);
        else
            without_token(t, i, j);
    }
}
