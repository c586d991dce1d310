/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on I2 where a program reloads itself: who may be asked, and what counts as done. */
#include <inttypes.h>

#include "base/mem.h"
#include "tests/simulation/judge.h"

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void
judge_again(struct judge *j, unsigned wish, uint64_t generation)
{
    const struct affair *a = &j->affairs[wish];
    const struct run *r = judge_run(j, a->run);

    if (a->rejected > 0 && a->rejected == a->seen && a->rejected_launch == a->looked_for.launch &&
        !a->forced && !(r && r->forced))
        judge_say(j, I4, "%s/%" PRIu64 " tries what was rejected, and nobody forced it",
                  wish_name(wish), generation);
}

/* FX_RELOAD */
void
judge_signal_asked(struct judge *j, const struct effect *e)
{
    struct subject *w = judge_subject(j, e->worker);
    struct stint *g = w ? judge_stint(j, w->service, w->generation) : NULL;
    struct run *r = g ? judge_run(j, j->affairs[g->wish].run) : NULL;
    const struct subject *first;

    if (!w || !g || w->gone || w->pid == 0)
        return judge_say(j, I5, "worker %" PRIu64 " is asked to reload, but is not there",
                         e->worker);
    if (!r)
        return judge_say(j, I2, "worker %" PRIu64 " is asked to reload, and no run wants it",
                         w->id);
    if (judge_wish(j, g)->check && !r->check_passed)
        judge_say(j, I2, "worker %" PRIu64 " is asked to reload, and no check passed", w->id);
    judge_door(j, g, r);
    if (!w->ready)
        judge_say(j, I2, "worker %" PRIu64 " is asked to reload before it is ready", w->id);
    if (w->asked_us > 0 || judge_serving(j, w->service) != w->generation)
        judge_say(j, I2, "worker %" PRIu64 " is asked to reload, though it does not serve", w->id);
    first = judge_subject(j, r->first_asked);
    if (first && !first->gone && first->asked_us == 0 && r->reloaded == 0)
        judge_say(j, I2, "worker %" PRIu64 " is asked to reload, and %" PRIu64 " has not done it",
                  w->id, first->id);
    judge_again(j, g->wish, g->number);
    r->first_asked = w->id;
    w->reload_run = j->affairs[g->wish].run;
    w->reload_us = j->now_us;
    w->said_busy = w->said_done = w->rewritten = w->reloaded = false;
}

void
judge_signal_told(struct subject *w, const struct event *ev)
{
    if (ev->type == EVENT_RELOADING &&
        (ev->reloading.at_us == 0 || ev->reloading.at_us >= w->reload_us))
        w->said_busy = true;
    if (ev->type == EVENT_READY && w->said_busy)
        w->said_done = true;
    if (ev->type == EVENT_REWRITTEN)
        w->rewritten = true;
}

/* RECORD_RELOADED */
void
judge_signal_reloaded(struct judge *j, struct subject *w, const struct record *r)
{
    const struct stint *g = judge_stint(j, w->service, w->generation);
    struct run *run = judge_run(j, w->reload_run);

    if (!g || !run || j->affairs[g->wish].run != w->reload_run || w->gone)
        return judge_say(j, I2, "worker %" PRIu64 " is said to have reloaded, nobody asked it",
                         w->id);
    if ((r->grade == GRADE_NOTIFY && !w->said_done) || (r->grade == GRADE_FILE && !w->rewritten) ||
        r->grade == GRADE_NONE)
        judge_say(j, I2, "worker %" PRIu64 " is said to have reloaded by '%s', which it did not",
                  w->id, grade_name(r->grade));
    if (r->grade == GRADE_ASSUMED &&
        (w->said_busy || j->now_us < w->reload_us + g->least_assume_us))
        judge_say(j, I2, "worker %" PRIu64 " is assumed to have reloaded too early", w->id);
    w->reloaded = true;
    run->reloaded++;
}

/* RECORD_HANDED: whoever was there when the first was asked has done it, or is leaving. */
void
judge_signal_handed(struct judge *j, struct stint *g, const struct record *r)
{
    struct stint *old = judge_stint(j, g->service, judge_serving(j, g->service));
    const struct run *run = judge_run(j, r->reload);
    unsigned ready = 0;

    if (!old || !run) {
        judge_say(j, I2, "%s/%" PRIu64 " takes over workers, and nobody has any", r->service,
                  g->number);
        return;
    }
    for (uint64_t id = 1; id < j->n_subjects; id++) {
        struct subject *w = judge_subject(j, id);

        if (!w || w->service != g->service || w->generation != old->number)
            continue;
        if (!w->gone && !w->escapee && w->asked_us == 0 && !w->abandoned &&
            w->id < run->first_asked && !(w->reload_run == r->reload && w->reloaded))
            judge_say(j, I2, "%s/%" PRIu64 " takes over worker %" PRIu64 ", which did not reload",
                      r->service, g->number, w->id);
        w->generation = g->number;
        if (w->gone || w->abandoned)
            continue;
        g->living++;
        old->living--;
        ready += w->ready && !w->escapee && w->asked_us == 0;
    }
    if (ready == 0)
        judge_say(j, I1, "%s/%" PRIu64 " takes over, and nobody of it is ready", r->service,
                  g->number);
    g->spawned = 1; /* nobody of it has to be started */
    g->snapshot = old->snapshot;
    g->version = j->affairs[g->wish].seen;
    g->failures = old->failures;
    g->opened = old->opened;
    g->least_drain_us = earlier(g->least_drain_us, old->least_drain_us); /* of who leaves already */
    g->least_leak_us = earlier(g->least_leak_us, old->least_leak_us);
    for (unsigned i = 0; i < JUDGE_SLOTS; i++) {
        g->slots[i] = old->slots[i];
        g->slots[i].not_before_us = 0; /* the input is another one: who waits may be tried */
    }
    g->may_give_up = g->may_give_up || old->may_give_up;
    if (old->least_failures < g->least_failures)
        g->least_failures = old->least_failures;
    old->wants_hooks = 0; /* nobody leaves, and nobody has to be started */
    g->wants_hooks &= ~(1U << HOOK_BEFORE_START);
    old->relieved = old->relief_was_right = true;
}
