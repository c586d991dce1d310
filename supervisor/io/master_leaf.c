/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"

/*
 * One cgroup for each generation that was started from a snapshot; where there are none, nothing. It
 * keeps its name when a signal hands its workers over to another generation.
 */

static size_t
ours(const struct master *m, pid_t ret[2])
{
    ret[0] = getpid();
    ret[1] = getppid();
    return m->fdstore ? 2 : 1;
}

int
leaves_begin(struct master *m, struct error *reterr)
{
    pid_t own[2];
    struct cgroup_request rq = {m->spec ? m->spec->cgroup : m->first_cgroup, own, ours(m, own)};
    int r = cgroup_tree_create(m->loop, &rq, &m->cgroups, reterr);

    if (r == 0 && !m->spec)
        (void)cgroup_tree_sweep(m->cgroups, NULL, NULL); /* of a stint that was killed */
    return r;
}

static void
leaf_open(struct snapshot *snap, const char *service, uint64_t generation)
{
    struct master *m = snap->master;
    struct error err = {0};

    if (snap->leaf || !m->cgroups)
        return;
    if (cgroup_leaf_open(m->cgroups, service, generation, &snap->leaf, &err) < 0)
        journal_say(m->journal, LOG_LEVEL_WARNING, "no_cgroup", "%s, generation %llu: %s", service,
                    (unsigned long long)generation, err.text);
    else
        snap->leaf_generation = generation;
}

struct cgroup_leaf *
leaf_of(const struct hand *h)
{
    const struct worker *w = core_worker(h->master->core, h->worker);

    leaf_open(h->snapshot, h->service, w ? w->generation->root : h->generation);
    return h->snapshot->leaf;
}

/* A group that was left by setsid() is not left here. Only whoever is alone in it is killed so. */
void
leaf_kill(struct master *m, const struct hand *h)
{
    const struct worker *w = core_worker(m->core, h->worker);
    struct error err = {0};

    if (!w || !h->snapshot || !h->snapshot->leaf)
        return;
    list_for_each (n, &w->generation->workers) {
        const struct worker *other = container_of(n, struct worker, node);

        if (other != w && other->state != WORKER_KILLED && other->state != WORKER_ABANDONED)
            return; /* it has time left */
    }
    retained_in_leaf(m, h->snapshot, "SIGKILL, with its worker");
    if (cgroup_leaf_kill(h->snapshot->leaf, &err) < 0)
        journal_say(m->journal, LOG_LEVEL_WARNING, "cgroup_not_killed", "%s: %s", h->service,
                    err.text);
}

void
leaves_adopted(struct master *m)
{
    list_for_each (n, &m->core->services) {
        const struct service *s = container_of(n, struct service, node);

        list_for_each (k, &s->generations) {
            const struct generation *g = container_of(k, struct generation, node);
            struct snapshot *snap = snapshot_find(m, g->snapshot);

            if (snap && (!list_empty(&g->workers) || g->survey_us != TIME_NEVER))
                leaf_open(snap, s->name, g->root);
        }
    }
    (void)cgroup_tree_sweep(m->cgroups, NULL, NULL);
}

/* Whoever is still in it has no worker any more: nobody asked him to stay. */
void
leaf_retire(struct snapshot *snap)
{
    struct master *m = snap->master;
    struct error err = {0};

    if (!snap->leaf)
        return;
    if (cgroup_leaf_remove(snap->leaf, &err) == 0) {
        snap->leaf = NULL;
        return;
    }
    journal_say(m->journal, LOG_LEVEL_WARNING, "cgroup_not_empty",
                "%s, generation %llu: somebody is left in its cgroup: SIGKILL", snap->spec->name,
                (unsigned long long)snap->leaf_generation);
    retained_in_leaf(m, snap, "SIGKILL, its generation is gone");
    (void)cgroup_leaf_kill(snap->leaf, NULL);
    if (cgroup_leaf_remove(snap->leaf, NULL) < 0)
        cgroup_leaf_remove_later(snap->leaf); /* not dead yet */
    snap->leaf = NULL;
}

void
leaves_finish(struct master *m)
{
    pid_t own[2];
    size_t n = ours(m, own);

    list_for_each_safe (pos, &m->snapshots) {
        struct snapshot *snap = container_of(pos, struct snapshot, node);

        leaf_retire(snap);
    }
    if (m->cgroups && !m->making_way) {
        (void)cgroup_tree_sweep(m->cgroups, NULL, NULL);
        cgroup_tree_leave(m->cgroups, own, n);
    }
    cgroup_tree_destroy(m->cgroups);
    m->cgroups = NULL;
}
