/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/io/operator_profile.h"

/* Who asks for a profile of whom, and whether he gets it. */

#define HZ_MAX 1000

static void
tell_refusal(struct desk *op, const struct control_request *rq, const char *service,
             enum profile_kind kind)
{
    const struct control_peer *peer = control_peer(rq);
    struct journal_field fields[] = {
        FIELD_TEXT("service", service),
        FIELD_TEXT("kind", profile_kind_name(kind)),
        FIELD_TEXT("outcome", "refused"),
        FIELD_NUMBER("by_uid", peer->uid),
        FIELD_NUMBER("by_pid", peer->pid),
        FIELD_BOOL("allowed", false),
        FIELD_TEXT("msg", "'profiling' of the service does not allow it"),
    };

    journal_event(op->options.journal, LOG_LEVEL_WARNING, "profile", fields, ARRAY_LEN(fields));
}

struct wanted {
    struct service *service;
    enum profile_kind kind;
    uint64_t generation, slot; /* UINT64_MAX: all slots; 0: the generation that serves */
    uint64_t seconds, hz;
    uint64_t below; /* `previous`: of the newest before that one; 0: of that one */
    bool kept;      /* what is kept of it will do, and is better than of one that leaves */
};

/* That which serves; none does: the newest there is. */
static const struct generation *
generation_of(const struct wanted *w)
{
    const struct generation *serving =
        w->generation == 0 && w->below == 0 ? service_serving(w->service) : NULL;
    const struct generation *best = NULL;

    list_for_each (pos, &w->service->generations) {
        const struct generation *g = container_of(pos, struct generation, node);

        if (w->below > 0 && (g->number >= w->below || g->aborted || list_empty(&g->workers)))
            continue;
        if (w->generation > 0 ? g->number == w->generation : !best || g->number > best->number)
            best = g;
    }
    return serving ? serving : best;
}

/* False: @rq was answered. */
static bool
read_query(struct desk *op, struct control_request *rq, struct wanted *w)
{
    const char *kind = control_query(rq, "kind");

    *w = (struct wanted){.slot = UINT64_MAX, .seconds = PROFILING_SECONDS};
    if (!query_service(op, rq, &w->service))
        return false;
    w->kind = kind ? profile_kind_named(kind) : PROFILE_KIND_COUNT;
    if (!w->service || w->kind == PROFILE_KIND_COUNT) {
        control_answer_error(rq, 400, "bad-query",
                             w->service ? "'kind' is cpu, heap or threads"
                                        : "'service' says whose profile");
        return false;
    }
    if (!operator_query_number(rq, "seconds", PROFILING_SECONDS_MAX, &w->seconds) ||
        !operator_query_number(rq, "hz", HZ_MAX, &w->hz) ||
        !operator_query_number(rq, "generation", INT64_MAX, &w->generation) ||
        !operator_query_number(rq, "slot", UINT32_MAX, &w->slot))
        return false;
    w->seconds = w->seconds > 0 ? w->seconds : 1;
    w->kept = operator_query_flag(rq, "kept");
    if (operator_query_flag(rq, "previous")) {
        const struct generation *g = generation_of(w);

        w->below = g ? g->number : w->generation > 0 ? w->generation : UINT64_MAX;
        w->generation = 0;
    }
    return true;
}

static bool
allowed(const struct service_spec *spec, enum profile_kind kind)
{
    switch (kind) {
    case PROFILE_CPU:
        return spec->profiling.cpu;
    case PROFILE_HEAP:
        return spec->profiling.heap;
    case PROFILE_THREADS:
        return spec->profiling.threads;
    case PROFILE_KIND_COUNT:
    default:
        return false;
    }
}

/*
 * What is kept is told instead: of a generation that is gone, and for a comparison also of one that
 * leaves, since that gives back what it held.
 */
static void
kept(const struct wanted *w, const char *state_dir, size_t found, struct profiling_request *ret)
{
    const struct generation *g = found > 0 ? generation_of(w) : NULL;

    if (w->kind != PROFILE_HEAP || w->slot != UINT64_MAX || !state_dir || (found > 0 && !w->kept) ||
        (w->generation == 0 && w->below == 0))
        return;
    ret->kept.state_dir = state_dir;
    ret->kept.above = w->generation > 0 ? w->generation - 1 : 0;
    ret->kept.below = w->generation > 0 ? w->generation + 1 : w->below;
    if (g && g->state != GENERATION_DRAINING) /* only one that is newer than who is there */
        ret->kept.above = g->number;
}

/* Return: how many; more than there is room for are counted only. */
static size_t
pick(const struct desk *op, const struct wanted *w, struct profiled *p,
     struct profile_target targets[PROFILING_WORKERS_MAX])
{
    const struct generation *g = generation_of(w);
    size_t n = 0;

    if (!g)
        return 0;
    list_for_each (pos, &g->workers) {
        const struct worker *k = container_of(pos, struct worker, node);
        struct profile_target t = {.service = w->service->name,
                                   .generation = g->number,
                                   .slot = k->slot,
                                   .cancelled_us = k->drain_us,
                                   .grace_us = g->spec->drain_timeout_us};

        if ((w->slot != UINT64_MAX && k->slot != w->slot) || !op->options.profile ||
            !op->options.profile(op->options.env, k, &t))
            continue;
        if (n < PROFILING_WORKERS_MAX) {
            targets[n] = t;
            p->workers[n] = k->id;
        }
        n++;
    }
    return n;
}

/* Somebody who is taking a profile of one of them; NULL: nobody. */
static const struct profiled *
busy(const struct desk *op, const struct profiled *p)
{
    list_for_each (pos, &op->profiled) {
        const struct profiled *other = container_of(pos, struct profiled, node);

        for (size_t i = 0; other->profiling && i < other->n; i++)
            for (size_t k = 0; k < p->n; k++)
                if (other->workers[i] == p->workers[k])
                    return other;
    }
    return NULL;
}

static void
begin(struct profiled *p, const struct wanted *w, const struct profile_target *targets)
{
    struct profiling_request rq = {.kind = w->kind,
                                   .seconds = (unsigned)w->seconds,
                                   .hz = (unsigned)w->hz,
                                   .service = w->service->name,
                                   .targets = targets,
                                   .n = p->n,
                                   .on_progress = profiled_progress,
                                   .on_done = profiled_done,
                                   .env = p};
    struct control_request *ask = p->rq;
    struct error err = {0};
    int r;

    kept(w, p->op->options.state_dir, p->n, &rq);
    r = profiling_start(p->op->options.loop, &rq, &p->profiling);

    if (r < 0) {
        (void)error_set(&err, r, "cannot start a process that looks");
        profiled_destroy(p);
        control_answer_error(ask, 500, "no-profile", "%s", err.text);
        return;
    }
    list_add(&p->op->profiled, &p->node);
    profiled_tell(p, "begun", 0, NULL);
    if (operator_query_flag(ask, "progress"))
        profiled_stream(p, "application/x-stint-profile");
    profiled_progress(p, 0); /* it has begun */
}

/* Return: whether it may begin; else @p->rq was answered. */
static bool
may_begin(const struct profiled *p, const struct wanted *w, size_t found)
{
    const struct profiled *other = busy(p->op, p);
    struct profiling_request rq = {.n = 0};

    kept(w, p->op->options.state_dir, found, &rq);
    if (found == 0 && rq.kept.state_dir)
        return true;
    if (found == 0)
        control_answer_error(p->rq, 409, "no-worker", "'%s' has no such worker now", p->service);
    else if (found > PROFILING_WORKERS_MAX)
        control_answer_error(p->rq, 409, "too-many",
                             "'%s' has %zu workers, and %d is as many as are profiled at once: "
                             "name a slot",
                             p->service, found, PROFILING_WORKERS_MAX);
    else if (other)
        control_answer_error(p->rq, 409, "busy",
                             "a %s profile of it is being taken by uid %u, pid %d, since %" PRId64
                             " s: one at a time",
                             profile_kind_name(other->kind), (unsigned)other->uid, (int)other->pid,
                             (mono_now_us() - other->started_us) / US_PER_S);
    else
        return true;
    return false;
}

void
operator_profile(struct desk *op, struct control_request *rq)
{
    struct profile_target targets[PROFILING_WORKERS_MAX];
    const struct control_peer *peer = control_peer(rq);
    struct profiled *p;
    struct wanted w;
    size_t found;

    if (!read_query(op, rq, &w))
        return;
    if (!allowed(w.service->spec, w.kind)) {
        tell_refusal(op, rq, w.service->name, w.kind);
        control_answer_error(rq, 403, "profiling-off",
                             "'%s' does not allow %s profiles: set 'profiling: {%s: true}' in its "
                             "configuration; it takes effect without a restart",
                             w.service->name, profile_kind_name(w.kind), profile_kind_name(w.kind));
        return;
    }
    p = calloc(1, sizeof(*p));
    if (!p) {
        control_answer_error(rq, 500, "out-of-memory", "out of memory");
        return;
    }
    list_init(&p->node);
    p->op = op;
    p->rq = rq;
    p->kind = w.kind;
    p->seconds = w.kind == PROFILE_CPU ? (unsigned)w.seconds : 0;
    p->uid = peer->uid;
    p->pid = peer->pid;
    p->started_us = mono_now_us();
    p->fd = -1;
    (void)snprintf(p->service, sizeof(p->service), "%s", w.service->name);
    found = pick(op, &w, p, targets);
    p->n = found < PROFILING_WORKERS_MAX ? found : PROFILING_WORKERS_MAX;
    if (may_begin(p, &w, found))
        begin(p, &w, targets);
    else
        profiled_destroy(p);
}
