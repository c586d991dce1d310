/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master_leaks.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/held.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/probing.h"
#include "supervisor/profile/kinds.h"

#define EVIDENCE_US       (8 * US_PER_S)    /* the core waits 10 s past the grace before it kills */
#define EVIDENCE_LEAST_US (300 * US_PER_MS) /* however little time a stop has left */
#define INSPECT_US        (20 * US_PER_S)   /* the core waits half as long again */
#define THREADS_US        (8 * US_PER_S)    /* for people, who wait ten */

/* Its cgroup, unless too many live in it for who else is there to be told from theirs. */
static void
request_leaf(const struct worker *w, const struct hand *h, struct probing_request *rq)
{
    unsigned n = 0;

    rq->leaf = h->snapshot ? cgroup_leaf_path(h->snapshot->leaf) : NULL;
    list_for_each (k, &w->generation->workers) {
        const struct worker *other = container_of(k, struct worker, node);

        if (other == w || other->pid == 0)
            continue;
        if (n == PROBING_KNOWN)
            rq->leaf = NULL;
        else
            rq->known[n++] = other->pid;
    }
}

static struct probing_request
request_of(const struct hand *h, const struct worker *w, int64_t patience_us)
{
    struct probing_request rq = {
        .pid = h->pid,
        .registry_fd = h->registry_fd,
        .book = ledger_book(h->master->leaks.ledger, h->service),
        .cancelled_us = w->drain_us,
        .grace_us = w->generation->spec->drain_timeout_us,
        .deadline_us = mono_now_us() + patience_us,
        .top = {getpid(), getppid()},
    };

    held_of(h->snapshot, h, rq.held);
    request_leaf(w, h, &rq);
    return rq;
}

static void
note_look(struct hand *h, const struct probing_answer *a)
{
    if (!a->seen)
        return;
    h->leaks.seen_us = mono_now_us();
    h->leaks.registry = a->registry;
    h->leaks.known = a->known;
    h->leaks.leaked = a->leaked;
}

/* ---- at the end of a drain -------------------------------------------------------------------- */

void
leaks_give(struct master *m, uint64_t worker, unsigned leaked, const char *text)
{
    struct event ev = {.type = EVENT_EVIDENCE, .worker = worker};

    ev.evidence.stragglers = leaked;
    ev.evidence.text = text;
    master_post(m, &ev);
}

/* It should be gone, and with it all who descend from it. */
static void
retain(const struct hand *h, const json_t *report)
{
    const json_t *list = json_object_get(report, "processes");

    for (size_t i = 0; i < json_array_size(list); i++)
        ledger_retain(h->master->leaks.ledger, h->service, h->generation, json_array_get(list, i));
}

static void
on_evidence(void *env, const struct probing_answer *a)
{
    struct hand *h = env;

    struct ledger_news none;

    note_look(h, a);
    ledger_look(h->master->leaks.ledger, h->service, h->generation, h->pid, a->report, &none);
    retain(h, a->report);
    EDGE("evidence-taken");
    if (!leaks_keep(h, a->leaked, a->summary, a->report))
        leaks_give(h->master, h->worker, a->leaked, a->summary);
}

/*
 * A stop has a budget. The core kills nobody of whom it has no evidence before that is over, and SIGKILL
 * takes no time: half of what is kept for it, a twentieth, is enough.
 */
static int64_t
evidence_deadline_us(const struct master *m)
{
    const struct core *c = m->core;
    int64_t now_us = mono_now_us(), until_us = now_us + EVIDENCE_US;

    if (c->stopping && c->stop_deadline_us - c->stop_budget_us / 20 < until_us)
        until_us = c->stop_deadline_us - c->stop_budget_us / 20;
    return until_us < now_us + EVIDENCE_LEAST_US ? now_us + EVIDENCE_LEAST_US : until_us;
}

void
leaks_evidence(struct master *m, const struct effect *e)
{
    struct hand *h = hand_find(m, e->worker);
    const struct worker *w = core_worker(m->core, e->worker);
    struct probing_request rq;

    if (!h || !w) {
        leaks_give(m, e->worker, 0, "no evidence: it has no process");
        return;
    }
    probing_cancel(h->leaks.evidence); /* it was asked for twice */
    leaks_keep_not(h);
    rq = request_of(h, w, 0);
    h->leaks.until_us = evidence_deadline_us(m);
    rq.deadline_us = h->leaks.until_us;
    rq.urgent = true;
    rq.on_done = on_evidence;
    rq.env = h;
    probing_ask(m->leaks.probing, &rq, &h->leaks.evidence);
}

/* ---- while it lives --------------------------------------------------------------------------- */

static void
on_inspected(void *env, const struct probing_answer *a)
{
    struct hand *h = env;
    struct event ev = {.type = EVENT_INSPECTED, .worker = h->worker};
    struct ledger_news news;

    note_look(h, a);
    /* First into the book: who is killed over it looks again, and the book knows a look it has. */
    ledger_look(h->master->leaks.ledger, h->service, h->leaks.generation, h->pid, a->report, &news);
    EDGE("inspected");
    ev.inspected.seen = a->seen;
    ev.inspected.leaked = a->leaked;
    ev.inspected.text = a->summary;
    ev.inspected.over = a->over;
    ev.inspected.budget = a->budget;
    ev.inspected.compare = news.compare[0] ? news.compare : NULL;
    ev.inspected.trend = news.trend[0] ? news.trend : NULL;
    master_post(h->master, &ev);
}

void
leaks_inspect(struct master *m, const struct effect *e)
{
    struct hand *h = hand_find(m, e->worker);
    const struct worker *w = core_worker(m->core, e->worker);
    struct probing_request rq;

    if (!h || !w)
        return; /* its end is on the way */
    probing_cancel(h->leaks.inspection);
    rq = request_of(h, w, INSPECT_US);
    h->leaks.generation = h->generation;
    rq.patient = true;
    rq.spec = w->generation->spec;
    rq.on_done = on_inspected;
    rq.env = h;
    probing_ask(m->leaks.probing, &rq, &h->leaks.inspection);
}

/* ---- for people -------------------------------------------------------------------------------- */

void
leaks_threads(void *env, const struct worker *w, const struct probing_request *want,
              struct probing_look **ret)
{
    struct master *m = env;
    const struct hand *h = hand_find(m, w->id);
    struct probing_answer none = {.summary = "no evidence: it has no process"};
    struct probing_request rq;

    *ret = NULL;
    if (!h) {
        want->on_done(want->env, &none);
        return;
    }
    rq = request_of(h, w, THREADS_US);
    rq.all = want->all;
    rq.on_done = want->on_done;
    rq.env = want->env;
    probing_ask(m->leaks.probing, &rq, ret);
}

bool
leaks_profile(void *env, const struct worker *w, struct profile_target *ret)
{
    const struct hand *h = hand_find(env, w->id);

    if (!h || h->pid <= 0 || h->dead)
        return false;
    ret->pid = h->pid;
    ret->registry_fd = h->registry_fd;
    ret->channel_fd = h->channel ? channel_fd(h->channel) : -1;
    return true;
}

/* ---- life --------------------------------------------------------------------------------------- */

void
leaks_hand_gone(struct hand *h)
{
    probing_cancel(h->leaks.inspection);
    leaks_keep_not(h);
    probing_cancel(h->leaks.evidence); /* it is not alive past its deadline any more */
    if (h->pid <= 0)
        return;
    probing_forget(h->master->leaks.probing, h->pid);
    ledger_gone(h->master->leaks.ledger, h->service, h->pid, h->leaks.killed);
}

void
leaks_begin(struct master *m)
{
    list_init(&m->leaks.heaps);
    m->leaks.probing = probing_create(m->loop);
    surveys_begin(m);
}

void
leaks_finish(struct master *m)
{
    heaps_finish(m);
    surveys_finish(m);
    probing_destroy(m->leaks.probing);
    m->leaks.probing = NULL;
    ledger_close(m->leaks.ledger);
    m->leaks.ledger = NULL;
}
