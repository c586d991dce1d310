/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/edge.h"

#ifdef STINT_EDGES

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/io/child.h"
#include "supervisor/io/master_state.h"

/* One worker that has a process, of the first or the last generation that has one. */
static struct hand *
edge_victim(const struct master *m, const char *name, bool newest)
{
    const struct service *s = name ? core_service_by_name(m->core, name) : NULL;
    struct hand *found = NULL;

    if (!s)
        return NULL;
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        list_for_each (k, &g->workers) {
            struct hand *h = hand_find(m, container_of(k, struct worker, node)->id);

            if (h && h->pidfd >= 0 && (newest || !found))
                found = h;
        }
    }
    return found;
}

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
static void
edge_strike(const struct master *m, const char *action)
{
    struct hand *h;

    if (strcmp(action, "kill") == 0)
        (void)raise(SIGKILL);
    if (strcmp(action, "stop") == 0)
        (void)raise(SIGSTOP);
    h = edge_victim(m, getenv("STINT_EDGE_SERVICE"), strcmp(action, "kill-new") == 0);
    if (h)
        (void)child_signal(h->pidfd, SIGKILL);
}

void
edge_reached(struct master *m, const char *name)
{
    const char *wish = getenv("STINT_EDGE"), *once = getenv("STINT_EDGE_ONCE");
    const char *action = wish ? strrchr(wish, ':') : NULL;

    if (!action || !once || strlen(name) != (size_t)(action - wish) ||
        strncmp(wish, name, strlen(name)) != 0)
        return;
    if (unlink(once) == 0)
        edge_strike(m, action + 1);
}

void
edge_effect(struct master *m, const char *when, const struct effect *e)
{
    char name[64];

    if (!getenv("STINT_EDGE"))
        return;
    (void)snprintf(name, sizeof(name), "%s:%s", when, effect_type_name(e->type));
    edge_reached(m, name);
}

void
edge_moves(struct master *m, const char *when)
{
    if (!getenv("STINT_EDGE"))
        return;
    for (size_t i = 0; i < m->core->n_moves; i++) {
        char name[160];

        (void)snprintf(name, sizeof(name), "%s:%s", when, move_name(&m->core->moves[i]));
        edge_reached(m, name);
    }
}
/* NOLINTEND(concurrency-mt-unsafe) */

#endif
