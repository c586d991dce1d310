/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge after each step, when nothing moves any more (I4), and at the end (I7). */
#include <inttypes.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/units.h"
#include "tests/simulation/judge.h"

#define LATENESS_US  (100 * US_PER_MS) /* of ticks */
#define LADDER_RUNGS 6

void
judge_discard(struct judge *j, const struct effect *e)
{
    const struct snapshot *given = world_snapshot(j->world, e->snapshot);

    if (!given)
        judge_say(j, LAW_SNAPSHOTS, "snapshot %" PRIu64 " was never handed out", e->snapshot);
    else if (given->given_back)
        judge_say(j, LAW_SNAPSHOTS, "snapshot %" PRIu64 " is given back twice", e->snapshot);
    list_for_each (n, &j->core->services) {
        list_for_each (m, &container_of(n, struct service, node)->generations) {
            const struct generation *g = container_of(m, struct generation, node);

            if (g->snapshot == e->snapshot)
                judge_say(j, LAW_SNAPSHOTS,
                          "snapshot %" PRIu64 " is given back, %s/%" PRIu64 " still has it",
                          e->snapshot, g->service->name, g->number);
        }
    }
}

/* ---- after each step ----------------------------------------------------------------------------- */

static void
one_of_each(struct judge *j, const struct service *s)
{
    unsigned candidates = 0, serving = 0;

    list_for_each (n, &s->generations) {
        const struct generation *g = container_of(n, struct generation, node);
        bool active = g->state == GENERATION_STARTING || g->state == GENERATION_SOAKING ||
                      g->state == GENERATION_SERVING;

        candidates += active && !g->has_served;
        serving += active && g->has_served;
    }
    if (candidates > 1 || serving > 1)
        judge_say(j, I3, "%s has %u candidates and %u serving generations", s->name, candidates,
                  serving);
}

static void
nobody_vanishes(struct judge *j)
{
    for (size_t i = j->first_open; i < j->n_stints; i++) {
        const struct stint *g = &j->stints[i];
        const struct service *s = core_service(j->core, g->service);

        if (!g->ended && (!s || !service_generation(s, g->number)))
            judge_say(j, I9, "%s/%" PRIu64 " is gone without a certificate", wish_name(g->wish),
                      g->number);
    }
}

void
judge_step(struct judge *j, const struct event *ev)
{
    const struct subject *w = ev->type == EVENT_EXIT ? judge_subject(j, ev->worker) : NULL;
    int64_t stop_by;

    if (w && w->obituaries != 1)
        judge_say(j, I5, "pid %d died and got %u obituaries", (int)w->pid, w->obituaries);
    list_for_each (n, &j->core->services) {
        one_of_each(j, container_of(n, struct service, node));
        judge_gate_step(j, container_of(n, struct service, node));
        judge_leaks_step(j, container_of(n, struct service, node));
    }
    if (!j->blind)
        judge_spans_step(j);
    nobody_vanishes(j);
    j->stopped = j->stopped || core_stopped(j->core); /* the master leaves then */
    stop_by = j->stop_us + j->wishes->stop_budget_us;
    if (stop_by < j->back_us)
        stop_by = j->back_us; /* nobody was there to end it in time */
    if (!j->stopped && j->stop_us > 0 && j->now_us > stop_by + LATENESS_US)
        judge_say(j, I7, "the stop budget is over, and not everything has stopped");
    /* One deadline may set the next for now (a grace of 0), but the ladder has few rungs. */
    j->ticks_due = ev->type == EVENT_TICK && core_next_deadline_us(j->core) <= j->now_us
                       ? j->ticks_due + 1
                       : 0;
    if (j->ticks_due > LADDER_RUNGS)
        judge_say(j, LAW_SOUND, "ticks leave a deadline behind that has come");
}

void
judge_takeover(struct judge *j, int64_t now_us)
{
    j->now_us = j->back_us = now_us;
    judge_spans_takeover(j);
    j->ticks_due = 0;
}

/* ---- at rest --------------------------------------------------------------------------------------- */

/* Its run rests: it waits for somebody. */
static bool
held(const struct service *s)
{
    return s->reload.state == RELOAD_WAITING || s->reload.state == RELOAD_QUEUED;
}

static bool
dependency_missing(const struct judge *j, unsigned wish)
{
    for (unsigned on = 0; on < WISHES; on++) {
        const struct generation *g;
        const struct service *s;

        if (!(j->wishes->list[wish].depends & (1U << on)))
            continue;
        s = core_service_by_name(j->core, wish_name(on));
        g = s ? service_serving(s) : NULL; /* maybe one of the other type, from before */
        if (!s || (j->wishes->list[on].oneshot ? service_state(s) != SERVICE_COMPLETED || held(s)
                                               : !g || g->state != GENERATION_SERVING))
            return true;
    }
    return false;
}

static unsigned
ready_workers(const struct judge *j, const struct generation *g)
{
    unsigned n = 0;

    list_for_each (m, &g->workers) {
        uint64_t id = container_of(m, struct worker, node)->id;

        n += id < j->n_subjects && j->subjects[id].ready && !j->subjects[id].gone;
    }
    return n;
}

/* The version of the input that it has; 0: there is no such generation. */
static uint64_t
made_from(const struct judge *j, const struct stint *g)
{
    if (!g || g->version > 0)
        return g ? g->version : 0;
    return world_snapshot(j->world, g->snapshot)->version;
}

/* I4, for one service that shall be up. */
static void
converged(struct judge *j, unsigned i, const struct service *s)
{
    const struct wish *wish = &j->wishes->list[i];
    const struct affair *a = &j->affairs[i];
    const struct generation *g = service_serving(s);
    struct stint *known = g ? judge_stint(j, s->id, g->number) : NULL;
    uint64_t disk = j->world->inputs[i].version;
    uint64_t version = made_from(j, known);
    bool newest = known && version == disk && known->launch == wish->launch;
    char why[200];

    if (newest && g->state == GENERATION_COMPLETED && known->once && !s->input_rejected)
        return;
    if (newest && g->state == GENERATION_SERVING) {
        if (ready_workers(j, g) != wish->workers)
            judge_say(j, I4, "%s rests with %u workers, %u are wanted", s->name,
                      ready_workers(j, g), wish->workers);
        return;
    }
    if (s->input_rejected && s->rejected_reason[0] != '\0' &&
        ((a->looked && a->seen == disk) || j->world->inputs[i].look_lost))
        return;
    if ((!g || held(s)) && dependency_missing(j, i) &&
        service_why(j->core, s, why, sizeof(why))[0] != '\0')
        return;
    judge_say(j, I4,
              "%s rests %s: disk %" PRIu64 " seen %" PRIu64 " launch %u, serving %" PRIu64
              " made from %" PRIu64 " launch %u, %s, '%s'",
              s->name, service_state_name(service_state(s)), disk, a->seen, wish->launch,
              g ? g->number : 0, version, known ? known->launch : 0,
              s->input_rejected ? "rejected" : "not rejected",
              service_why(j->core, s, why, sizeof(why)));
}

static void
settled(struct judge *j, unsigned i)
{
    const struct service *s = core_service_by_name(j->core, wish_name(i));

    if (!j->wishes->list[i].present) {
        if (s)
            judge_say(j, I4, "%s is not configured any more and still there", s->name);
    } else if (!s) {
        judge_say(j, I4, "%s is configured and not there", wish_name(i));
    } else if (j->affairs[i].down || j->stop_us > 0) {
        if (!list_empty(&s->generations) || service_state(s) != SERVICE_STOPPED)
            judge_say(j, I7, "%s was stopped and rests %s", s->name,
                      service_state_name(service_state(s)));
    } else {
        converged(j, i, s);
    }
}

/* Its run may be open as long as a service it depends on has failed or was stopped. */
static bool
rests_waiting(const struct judge *j, uint64_t id)
{
    const struct service *s = core_service(j->core, j->runs[id].service);
    unsigned wish = s ? wish_of(s->name) : WISHES;
    char why[200];

    return wish < WISHES && j->affairs[wish].run == id && (!service_serving(s) || held(s)) &&
           dependency_missing(j, wish) && service_why(j->core, s, why, sizeof(why))[0] != '\0';
}

/* … and with it the one that trails it. */
static bool
trails_waiting(const struct judge *j, uint64_t promised)
{
    list_for_each (n, &j->core->services) {
        const struct reload *r = &container_of(n, struct service, node)->reload;

        if (r->trailing && r->trailing_id == promised && r->id < j->n_runs)
            return rests_waiting(j, r->id);
    }
    return false;
}

static bool
somebody_holds(const struct judge *j, uint64_t snapshot)
{
    list_for_each (n, &j->core->services) {
        const struct service *s = container_of(n, struct service, node);

        if (s->reload.snapshot == snapshot)
            return true;
        list_for_each (m, &s->generations)
            if (container_of(m, struct generation, node)->snapshot == snapshot)
                return true;
    }
    return false;
}

void
judge_rest(struct judge *j)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < WISHES; i++)
        settled(j, i);
    judge_hooks_rest(j);
    judge_tally_rest(j);
    for (uint64_t id = 1; id < j->n_runs; id++)
        if (j->runs[id].begun && j->runs[id].verdicts != 1 && !rests_waiting(j, id))
            judge_say(j, LAW_VERDICTS, "reload %" PRIu64 " got no verdict", id);
    for (unsigned i = 0; i < j->n_promised; i++)
        if (trails_waiting(j, j->promised[i]))
            j->promised[kept++] = j->promised[i];
        else if (!judge_run(j, j->promised[i]))
            judge_say(j, LAW_VERDICTS, "reload %" PRIu64 " was promised and never ran",
                      j->promised[i]);
    j->n_promised = kept;
    for (size_t i = 0; i < j->world->n_snapshots; i++)
        if (!j->world->snapshots[i].given_back && !somebody_holds(j, i + 1))
            judge_say(j, LAW_SNAPSHOTS, "snapshot %zu is lost: nobody has it", i + 1);
    for (size_t i = j->first_open; i < j->n_stints; i++)
        if ((j->stints[i].relieved || j->stints[i].aborted) && !j->stints[i].ended)
            judge_say(j, I9, "%s/%" PRIu64 " left and never got a certificate",
                      wish_name(j->stints[i].wish), j->stints[i].number);
}

void
judge_end(struct judge *j)
{
    if (!core_stopped(j->core))
        judge_say(j, I7, "everybody is dead, and the core says it has not stopped");
    judge_rest(j);
}
