/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/edge.h"

#ifdef STINT_EDGES

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/child.h"
#include "supervisor/io/master_state.h"

static struct master *the_master; /* borrowed; NULL: nobody to strike at */

void
edge_begin(struct master *m)
{
    the_master = m;
}

/* One worker that has a process, of the first or the last generation that has one. */
static struct hand *
edge_victim(const struct master *m, const char *name, bool newest)
{
    const struct service *s = name && m->core ? core_service_by_name(m->core, name) : NULL;
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
edge_trace(const char *name)
{
    const char *path = getenv("STINT_EDGE_TRACE");
    auto_fd int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd >= 0)
        (void)dprintf(fd, "%s\n", name);
}

/* wish - does the environment want something here? Return: the action, once; NULL: nothing. */
static const char *
edge_wish(const char *name)
{
    const char *wish = getenv("STINT_EDGE"), *once = getenv("STINT_EDGE_ONCE");
    char path[512];

    for (int i = 0; wish && once; i++) {
        const char *end = strchrnul(wish, ' ');
        const char *action = memrchr(wish, ':', (size_t)(end - wish));

        if (action && strlen(name) == (size_t)(action - wish) &&
            strncmp(wish, name, strlen(name)) == 0) {
            (void)snprintf(path, sizeof(path), "%s.%d", once, i);
            if (unlink(path) == 0)
                return action + 1;
        }
        wish = *end ? end + 1 : NULL;
    }
    return NULL;
}
/* NOLINTEND(concurrency-mt-unsafe) */

static bool
edge_is(const char *action, const char *word)
{
    return strncmp(action, word, strlen(word)) == 0 && strchr(" ", action[strlen(word)]);
}

static void
edge_strike(const struct master *m, const char *action)
{
    const char *name = getenv("STINT_EDGE_SERVICE"); /* NOLINT(concurrency-mt-unsafe) */
    struct hand *h;

    if (edge_is(action, "kill"))
        (void)raise(SIGKILL);
    if (edge_is(action, "stop"))
        (void)raise(SIGSTOP);
    h = edge_victim(m, name, edge_is(action, "kill-new"));
    edge_trace(h ? "!struck" : "!nobody"); /* a test wants to know whether there was one */
    if (h)
        (void)child_signal(h->pidfd, SIGKILL);
}

void
edge_reached(const char *name)
{
    const char *action;

    if (!the_master)
        return;
    edge_trace(name);
    action = edge_wish(name);
    if (action)
        edge_strike(the_master, action);
}

bool
edge_wrong(const char *name)
{
    const char *action = edge_wish(name);

    return action && edge_is(action, "wrong");
}

void
edge_hold(const char *name)
{
    const char *hold = getenv("STINT_EDGE_HOLD"); /* NOLINT(concurrency-mt-unsafe) */
    struct pollfd gate = {.fd = -1, .events = POLLIN};
    char path[512];

    if (!hold)
        return;
    (void)snprintf(path, sizeof(path), "%s.%s", hold, name);
    gate.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "%s.%s.told", hold, name);
    auto_fd int told = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    if (gate.fd >= 0 && told >= 0 && write(told, "!", 1) == 1)
        (void)poll(&gate, 1, -1);
    (void)fd_close(gate.fd);
}

void
edge_effect(const char *when, const struct effect *e)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%s:%s", when, effect_type_name(e->type));
    edge_reached(name);
}

void
edge_moves(const char *when)
{
    if (!the_master)
        return;
    for (size_t i = 0; i < the_master->core->n_moves; i++) {
        char name[160];

        (void)snprintf(name, sizeof(name), "%s:%s", when, move_name(&the_master->core->moves[i]));
        edge_reached(name);
    }
}

#endif
