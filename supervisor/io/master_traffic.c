/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/error.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/master_state.h"

/*
 * How a worker comes to its listeners: it inherits them, or, in a gated service, gets them by its
 * channel once its generation is ready. What it answers a probe on is inherited in any case.
 */

size_t
hand_inherits_names(const struct hand *h, const char *names[INHERITED_MAX])
{
    size_t n = 0;

    for (size_t i = 0; !h->spec->gated && i < h->spec->n_listen && n < INHERITED_MAX - 1; i++)
        names[n++] = h->spec->listen[i].name;
    if (h->probe)
        names[n++] = "probe";
    return n;
}

size_t
hand_inherits_fds(const struct hand *h, int fds[INHERITED_MAX])
{
    const struct snapshot *snap = h->snapshot;
    size_t n = 0;

    for (size_t i = 0; !h->spec->gated && i < snap->n_listeners && n < INHERITED_MAX - 1; i++)
        fds[n++] = snap->listeners[i]->fd;
    if (h->probe)
        fds[n++] = h->probe->fd;
    return n;
}

void
hand_give_listeners(struct hand *h)
{
    const char *names[INHERITED_MAX];
    int fds[INHERITED_MAX];
    size_t n = 0;
    int r;

    if (!h->channel || !h->spec || !h->spec->gated || !h->snapshot)
        return;
    for (; n < h->spec->n_listen && n < h->snapshot->n_listeners && n < INHERITED_MAX; n++) {
        names[n] = h->spec->listen[n].name;
        fds[n] = h->snapshot->listeners[n]->fd;
    }
    r = channel_listeners(h->channel, names, fds, n);
    EDGE("listeners-given");
    if (r == -EAGAIN)
        channel_await_room(h->channel);
    else if (r < 0 && r != -ENOTCONN) { /* gone: its death is on the way to us */
        struct error err;

        (void)error_set(&err, r, "send the worker its sockets");
        journal_say(h->master->journal, LOG_LEVEL_ERROR, "listeners_not_given",
                    "%s/%u, which has no clients until it is respawned: %s", h->service, h->slot,
                    err.text);
    }
}
