/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on I1, I2 and I3: who may be touched in a handoff; and on who may start at all. */
#include <inttypes.h>

#include "base/list.h"
#include "base/mem.h"
#include "tests/simulation/judge.h"

/* A newer generation serves; that all of it was ready then, judge_handoff_serving() saw to. */
static bool
successor_serves(const struct judge *j, const struct stint *g)
{
    for (size_t i = j->n_stints; i > 0 && &j->stints[i - 1] != g; i--)
        if (j->stints[i - 1].service == g->service && j->stints[i - 1].served)
            return true;
    return false;
}

static bool
successor_failed(const struct judge *j, const struct stint *g)
{
    for (size_t i = j->n_stints; i > 0 && &j->stints[i - 1] != g; i--)
        if (j->stints[i - 1].service == g->service)
            return j->stints[i - 1].aborted;
    return false;
}

/* handoff: replace: the old one leaves first, but only after the check of the new one passed. */
static bool
replaced_after_check(const struct judge *j, const struct stint *g)
{
    const struct run *r = &j->runs[j->affairs[g->wish].run];

    return j->affairs[g->wish].run > 0 && !r->overlap_all_along &&
           (r->check_passed || !judge_wish(j, g)->check);
}

/* It asked for it, nothing of it works any more, and it has failed often enough. */
static bool
given_up(const struct judge *j, const struct stint *g)
{
    for (uint64_t id = 1; id < j->n_subjects; id++) {
        const struct subject *w = &j->subjects[id];

        if (w->id > 0 && w->service == g->service && w->generation == g->number && !w->gone &&
            !w->escapee && w->asked_us == 0 &&
            (w->ready || j->now_us < w->spawned_us + g->least_start_us)) /* or its time is up */
            return false;
    }
    return g->may_give_up && g->served && g->failures >= g->least_failures;
}

void
judge_handoff_relief(struct judge *j, struct stint *g)
{
    struct run *r = judge_run(j, j->affairs[g->wish].run);

    g->relief_was_right = true;
    g->given_up = given_up(j, g);
    if (judge_unwanted(j, g) || successor_serves(j, g))
        return;
    if (replaced_after_check(j, g)) {
        r->relieved_serving = true;
        return;
    }
    if (g->given_up)
        return;
    g->relief_was_right = false;
    judge_say(j, r && !r->overlap_all_along ? I2 : I1,
              "%s/%" PRIu64 " is relieved while nobody can take over", wish_name(g->wish),
              g->number);
}

void
judge_handoff_signal(struct judge *j, struct subject *w, struct stint *g)
{
    bool leaves = g->aborted || (g->relieved && g->relief_was_right) || judge_unwanted(j, g);
    bool scaled_away = w->scaled_away || w->slot >= judge_wish(j, g)->workers;
    bool late = !w->ready && j->now_us >= w->spawned_us + g->least_start_us;

    if (leaves || scaled_away || late || w->escapee || w->asked_us > 0 ||
        judge_relief_signal(j, w, g))
        return;
    if (successor_failed(j, g))
        judge_say(j, I2, "worker %" PRIu64 " of %s/%" PRIu64 " is signalled, its successor failed",
                  w->id, wish_name(g->wish), g->number);
    else
        judge_say(j, I1, "worker %" PRIu64 " of %s/%" PRIu64 " is signalled, nobody took over",
                  w->id, wish_name(g->wish), g->number);
}

static bool
slot_ready(const struct judge *j, const struct generation *g, unsigned slot)
{
    list_for_each (n, &g->workers) {
        const struct worker *w = container_of(n, struct worker, node);

        if (!w->escapee && w->slot == slot && w->id < j->n_subjects && j->subjects[w->id].ready &&
            !j->subjects[w->id].gone && j->subjects[w->id].asked_us == 0)
            return true;
    }
    return false;
}

void
judge_handoff_serving(struct judge *j, struct stint *g)
{
    const struct service *s = core_service(j->core, g->service);
    const struct generation *of = s ? service_generation(s, g->number) : NULL;

    for (unsigned i = 0; of && i < of->n_slots && g->version == 0; i++)
        if (!slot_ready(j, of, i))
            judge_say(j, I1, "%s/%" PRIu64 " is said to serve, but its worker %u is not ready",
                      wish_name(g->wish), g->number, i);
}

void
judge_handoff_verdict(struct judge *j, struct run *r, const struct record *v)
{
    const struct service *s = core_service(j->core, r->service);
    const char *name = v->service;
    uint64_t serving = judge_serving(j, r->service);
    const struct stint *before = judge_stint(j, r->service, r->serving_before);

    r->outcome = v->outcome;
    if (!s || v->outcome == OUTCOME_CANCELLED)
        return;
    if ((v->outcome == OUTCOME_SERVING || v->outcome == OUTCOME_COMPLETED) &&
        serving != r->candidate)
        judge_say(j, I2, "%s: the verdict says serving, but %" PRIu64 " serves", name, serving);
    if (v->outcome == OUTCOME_RESTORED && !r->relieved_serving)
        judge_say(j, I2, "%s: the verdict says restored, but nothing was stopped", name);
    if (v->outcome != OUTCOME_SERVING && v->outcome != OUTCOME_COMPLETED &&
        serving != r->serving_before && !(serving == 0 && before && before->given_up))
        judge_say(j, I2, "%s: verdict %s, yet %" PRIu64 " serves and not %" PRIu64, name,
                  outcome_name(v->outcome), serving, r->serving_before);
}

/* A new generation starts beside those that still drain. */
void
judge_crowd(struct judge *j, const struct stint *newest)
{
    unsigned draining = 0, allowed = j->affairs[newest->wish].allowed_draining;

    for (size_t i = j->first_open; i < j->n_stints; i++) {
        const struct stint *g = &j->stints[i];

        draining += g->service == newest->service && (g->relieved || g->aborted) && g->living > 0;
    }
    /* Where nothing serves, being up again matters more than how many still leave. */
    if (draining >= allowed && judge_serving(j, newest->service) > 0)
        judge_say(j, I3, "%s/%" PRIu64 " starts while %u generations drain, %u are allowed",
                  wish_name(newest->wish), newest->number, draining, allowed);
}

static bool
somebody_ready(const struct judge *j, uint32_t service)
{
    uint64_t serving = judge_serving(j, service);

    for (uint64_t id = 1; serving > 0 && id < j->n_subjects; id++) {
        const struct subject *w = &j->subjects[id];

        if (w->service == service && w->generation == serving && !w->escapee && w->ready &&
            !w->gone && w->asked_us == 0)
            return true;
    }
    return false;
}

/* In a reload: those that are to have completed have no run under way; as long as it had the choice. */
static void
oneshots_over(struct judge *j, const struct stint *newest, const struct run *r)
{
    const struct wish *w = judge_wish(j, newest);

    for (unsigned on = 0; on < WISHES && r->first_asked == 0 && !r->relieved_serving; on++)
        if ((w->depends & (1U << on)) && j->wishes->list[on].oneshot && j->affairs[on].run > 0 &&
            !j->affairs[on].down)
            judge_say(j, LAW_DEPENDS, "%s/%" PRIu64 " starts, and a run of %s is under way",
                      wish_name(newest->wish), newest->number, wish_name(on));
}

/* A first start, or one after a stop or a failure. In a reload the dependency was there before. */
void
judge_dependencies(struct judge *j, const struct stint *newest)
{
    const struct run *r = &j->runs[j->affairs[newest->wish].run];
    const struct wish *w = judge_wish(j, newest);

    if (judge_serving(j, newest->service) > 0 || r->relieved_serving) {
        oneshots_over(j, newest, r);
        return;
    }
    for (unsigned on = 0; on < WISHES; on++)
        if ((w->depends & (1U << on)) &&
            !(j->wishes->list[on].oneshot ? judge_once_fulfilled(j, j->affairs[on].id)
                                          : somebody_ready(j, j->affairs[on].id)))
            judge_say(j, LAW_DEPENDS, "%s/%" PRIu64 " starts, and %s is not %s",
                      wish_name(newest->wish), newest->number, wish_name(on),
                      j->wishes->list[on].oneshot ? "completed" : "ready");
}

/* A run starts what it looked at, whatever is configured meanwhile. */
void
judge_look(struct judge *j, const struct effect *e)
{
    for (unsigned i = 0; i < WISHES; i++)
        if (j->affairs[i].id == e->service)
            j->affairs[i].looked_for = j->wishes->list[i];
}

/* ---- who has clients ------------------------------------------------------------------------- */

void
judge_gate_open(struct judge *j, const struct effect *e)
{
    struct subject *w = judge_subject(j, e->worker);
    struct stint *g = w ? judge_stint(j, w->service, w->generation) : NULL;
    const struct service *s = w ? core_service(j->core, w->service) : NULL;
    const struct generation *of = s ? service_generation(s, w->generation) : NULL;

    if (!g)
        return;
    if (!w->ready)
        judge_say(j, LAW_GATE, "worker %" PRIu64 " is let in and is not ready", w->id);
    for (unsigned i = 0; of && !g->opened && i < of->n_slots; i++) /* NULL: handed over */
        if (!slot_ready(j, of, i))
            judge_say(j, LAW_GATE,
                      "worker %" PRIu64 " of %s/%" PRIu64 " is let in, and worker %u is not ready",
                      w->id, wish_name(g->wish), g->number, i);
    w->open = g->opened = true;
}

void
judge_gate_step(struct judge *j, const struct service *s)
{
    list_for_each (n, &s->generations) {
        list_for_each (k, &container_of(n, struct generation, node)->workers) {
            const struct worker *w = container_of(k, struct worker, node);

            if (worker_open(w) && !j->subjects[w->id].open)
                judge_say(j, LAW_GATE, "worker %" PRIu64 " serves and was not let in", w->id);
        }
    }
}
