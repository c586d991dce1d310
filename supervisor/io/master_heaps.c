/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/heaps.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/master_leaks.h"
#include "supervisor/io/master_state.h"

/*
 * What a reload leaks is only seen beside what was before. So where a service allows heap profiles, that
 * of the generation that serves is kept when a reload of it begins, which is while nobody was asked to
 * leave yet; and once more when it is relieved, if that is much later. Nobody waits for it: a worker that
 * is gone first leaves what was kept before. A master that dies over one is followed by one that begins anew.
 */

#define ANEW_US (10 * US_PER_S) /* after so long it is worth another */
#define AT_ONCE 4

/* One that waits or is under way; of each service also the last, so that it is known when it was. */
struct keeping {
    struct list node; /* in master.leaks.heaps */
    struct master *master;
    struct heap_keep *under_way; /* owned; NULL = it waits, or is over */
    char service[65];
    uint64_t generation;
    int64_t at_us; /* when it was begun; 0 = it waits */
};

static struct keeping *
keeping_of(struct master *m, const char *service, uint64_t generation)
{
    list_for_each (n, &m->leaks.heaps) {
        struct keeping *k = container_of(n, struct keeping, node);

        if (k->generation == generation && strcmp(k->service, service) == 0)
            return k;
    }
    return NULL;
}

static void
keeping_free(struct keeping *k)
{
    heap_keep_cancel(k->under_way);
    list_del(&k->node);
    free(k);
}

/* @all: else those that are over. */
static void
forget(struct master *m, const char *service, bool all)
{
    list_for_each_safe (n, &m->leaks.heaps) {
        struct keeping *k = container_of(n, struct keeping, node);

        if (strcmp(k->service, service) == 0 && (all || (k->at_us != 0 && !k->under_way)))
            keeping_free(k);
    }
}

static void
tell(const struct keeping *k, const struct heap_keep_answer *a)
{
    const struct journal_field fields[] = {
        FIELD_TEXT("service", k->service),
        FIELD_NUMBER("gen", (int64_t)k->generation),
        FIELD_TEXT("path", a->path),
        FIELD_NUMBER("bytes", (int64_t)a->bytes),
        FIELD_TEXT("msg", a->words[0] ? a->words : NULL),
    };

    journal_event(k->master->journal, a->path ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                  a->path ? "heap_kept" : "heap_not_kept", fields, ARRAY_LEN(fields));
}

static void begin_waiting(struct master *m);

static void
on_kept(void *env, const struct heap_keep_answer *a)
{
    struct keeping *k = env;

    k->under_way = NULL;
    if (a->error != -ENODATA) /* else it was started before profiling was allowed */
        tell(k, a);
    begin_waiting(k->master);
}

static size_t
targets_of(struct master *m, const struct generation *g, struct profile_target *targets)
{
    size_t n = 0;

    list_for_each (pos, &g->workers) {
        const struct worker *w = container_of(pos, struct worker, node);
        struct profile_target t = {.service = g->service->name,
                                   .generation = g->number,
                                   .slot = w->slot,
                                   .registry_fd = -1,
                                   .channel_fd = -1};

        if (n == PROFILING_WORKERS_MAX || w->escapee || !leaks_profile(m, w, &t))
            continue;
        t.registry_fd = t.channel_fd = -1; /* it is not asked */
        targets[n++] = t;
    }
    return n;
}

static void
begin(struct keeping *k)
{
    struct master *m = k->master;
    struct profile_target targets[PROFILING_WORKERS_MAX];
    const struct service *s = core_service_by_name(m->core, k->service);
    const struct generation *g = s ? service_generation(s, k->generation) : NULL;
    struct heap_keep_request rq = {.state_dir = m->state_dir,
                                   .service = k->service,
                                   .generation = k->generation,
                                   .targets = targets,
                                   .n = g ? targets_of(m, g, targets) : 0,
                                   .on_done = on_kept,
                                   .env = k};
    struct heap_keep_answer none = {.error = -ESRCH, .words = "its workers were gone before"};

    k->at_us = mono_now_us();
    none.error = rq.n > 0 ? heap_keep_start(m->loop, &rq, &k->under_way) : -ESRCH;
    if (none.error < 0) {
        if (rq.n > 0)
            none.words = strerrordesc_np(-none.error);
        tell(k, &none);
    }
}

static void
begin_waiting(struct master *m)
{
    unsigned under_way = 0;

    list_for_each (n, &m->leaks.heaps)
        under_way += container_of(n, struct keeping, node)->under_way != NULL;
    list_for_each_safe (n, &m->leaks.heaps) {
        struct keeping *k = container_of(n, struct keeping, node);

        if (under_way >= AT_ONCE)
            return;
        if (k->at_us != 0)
            continue;
        begin(k);
        under_way += k->under_way != NULL;
    }
}

/* @anew: even if it was only just kept. */
static void
keep(struct master *m, const struct generation *g, bool anew)
{
    struct keeping *k = keeping_of(m, g->service->name, g->number);

    if (!g->service->spec->profiling.heap || g->aborted || !m->state_dir)
        return;
    if (k && (k->at_us == 0 || k->under_way || (!anew && mono_now_us() - k->at_us < ANEW_US)))
        return;
    forget(m, g->service->name, false);
    k = calloc(1, sizeof(*k));
    if (!k)
        return;
    k->master = m;
    k->generation = g->number;
    (void)snprintf(k->service, sizeof(k->service), "%s", g->service->name);
    list_add(&m->leaks.heaps, &k->node);
    begin_waiting(m);
}

void
heaps_record(struct master *m, const struct record *r)
{
    const struct service *s = core_service(m->core, r->service_id);
    const struct generation *g = NULL;

    if (!s) {
        forget(m, r->service, true);
        return;
    }
    if (r->kind == RECORD_RELOAD)
        g = service_serving(s);
    else if (r->kind == RECORD_DRAINING)
        g = service_generation(s, r->generation);
    if (g)
        keep(m, g, r->kind == RECORD_RELOAD);
}

void
heaps_resume(struct master *m)
{
    list_for_each (n, &m->core->services) {
        const struct service *s = container_of(n, struct service, node);
        const struct generation *serving = service_serving(s);

        if (serving && s->reload.state != RELOAD_IDLE)
            keep(m, serving, true);
    }
}

void
heaps_finish(struct master *m)
{
    list_for_each_safe (n, &m->leaks.heaps)
        keeping_free(container_of(n, struct keeping, node));
}
