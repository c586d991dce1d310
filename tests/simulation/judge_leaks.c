/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on threads that leak in a worker that goes on: who is looked at, and what is told of it. */
#include <inttypes.h>

#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "tests/simulation/judge.h"

#define LEAST_US  US_PER_S /* from look to look */
#define ANSWER_US (30 * US_PER_S)

void
judge_inspect_told(struct subject *w, const struct event *ev)
{
    if (ev->type == EVENT_INSPECT)
        w->inspect_reason = true;
}

void
judge_inspect(struct judge *j, struct subject *w, const struct stint *g)
{
    bool again = w->inspect_us > 0 && j->now_us < w->inspect_us + LEAST_US;

    if (w->asked_us > 0 || g->aborted)
        judge_say(j, LAW_LEAKS, "worker %" PRIu64 " leaves, and its threads are looked at", w->id);
    if (again && j->back_us < w->inspect_us)
        judge_say(j, LAW_LEAKS, "worker %" PRIu64 " is looked at twice within a second", w->id);
    /* Once there was one, an answer that was lost may be another. */
    if (!w->inspect_reason)
        judge_say(j, LAW_LEAKS, "worker %" PRIu64 " is looked at without a reason", w->id);
    w->inspect_us = j->now_us;
}

void
judge_leak_said(struct judge *j, struct subject *w, const struct record *r)
{
    if (r->kind == RECORD_RECOVERED) {
        if (w->leaks_said == 0)
            judge_say(j, LAW_LEAKS, "worker %" PRIu64 " recovers from nothing", w->id);
        w->leaks_said = 0;
        return;
    }
    if (r->count == 0)
        judge_say(j, LAW_LEAKS, "a leak of worker %" PRIu64 " is none", w->id);
    w->leaks_said = r->count;
}

static void
step_worker(struct judge *j, const struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;
    struct subject *s = judge_subject(j, w->id);

    if (s && (spec->leak_look_us > 0 || spec->n_leak_budget > 0))
        s->inspect_reason = true;
    if (!s || w->escapee || w->state != WORKER_READY)
        return;
    if ((w->leaking > 0) != (s->leaks_said > 0))
        judge_say(j, LAW_LEAKS, "worker %" PRIu64 " leaks %u threads, and people were told of %u",
                  w->id, w->leaking, s->leaks_said);
    if (w->leaking > 0 && w->inspect_us == TIME_NEVER && w->answer_us == TIME_NEVER)
        judge_say(j, LAW_LEAKS, "worker %" PRIu64 " leaks, and nobody will look again", w->id);
    if (w->answer_us != TIME_NEVER && w->answer_us > j->now_us + ANSWER_US)
        judge_say(j, LAW_LEAKS, "an answer about worker %" PRIu64 " is awaited for ever", w->id);
}

void
judge_leaks_step(struct judge *j, const struct service *s)
{
    list_for_each (n, &s->generations)
        list_for_each (k, &container_of(n, struct generation, node)->workers)
            step_worker(j, container_of(k, struct worker, node));
}
