/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/core/event.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"

/*
 * A worker that calls shutdown() on a shared listener closes it for everybody. The kernel then
 * reports EPOLLHUP, which needs no event mask: an epoll of our own that asks for no traffic stays silent
 * whatever traffic there is, and becomes readable at the instant of such a shutdown. listen() undoes it.
 */

#define HUP_BURST 16

/* A unix socket cannot listen again: there is a new one at its path, which running workers do not hold. */
static void
renew_holders(struct master *m, const struct listener *l)
{
    for (size_t i = 0; i < m->spec->n_services; i++) {
        const struct service_spec *spec = m->spec->services[i];
        const struct service *s = core_service_by_name(m->core, spec->name);

        for (size_t j = 0; s && j < spec->n_listen; j++) {
            struct event ev = {.type = EVENT_RELOAD, .service = s->id};

            if (strcmp(spec->listen[j].address, l->address) != 0)
                continue;
            ev.request.force = true;
            ev.request.cause = "its unix socket was shut down by a worker and had to be made anew";
            master_post(m, &ev);
        }
    }
}

static void
undo_shutdown(struct master *m, struct listener *l)
{
    struct error err = {0};
    int r = listener_relisten(l, &err);

    m->count.relistens++;
    journal_say(m->journal, LOG_LEVEL_WARNING, "listener_shut_down",
                "a worker called shutdown() on %s: %s", l->address,
                r < 0 ? err.text : "it listens again");
    if (r >= 0)
        listen_guard_add(m, l);
    if (r > 0)
        keep_listener(m, l);
    if (r > 0)
        renew_holders(m, l);
}

static void
on_hup(EV_P_ ev_io *io, int revents)
{
    struct master *m = container_of(io, struct master, listener_hup);
    struct epoll_event events[HUP_BURST];
    int n = epoll_wait(m->listener_epoll, events, HUP_BURST, 0);

    (void)loop;
    (void)revents;
    for (int i = 0; i < n; i++) {
        list_for_each (node, &m->listeners.all) {
            struct listener *l = container_of(node, struct listener, node);

            if (l->fd != events[i].data.fd || listener_is_listening(l))
                continue;
            undo_shutdown(m, l);
            break;
        }
    }
}

int
listen_guard_init(struct master *m, struct error *reterr)
{
    m->listener_epoll = epoll_create1(EPOLL_CLOEXEC);
    if (m->listener_epoll == -1)
        return error_set(reterr, -errno, "create an epoll");
    ev_io_init(&m->listener_hup, on_hup, m->listener_epoll, EV_READ);
    ev_io_start(m->loop, &m->listener_hup);
    return 0;
}

void
listen_guard_finish(struct master *m)
{
    ev_io_stop(m->loop, &m->listener_hup);
    m->listener_epoll = fd_close(m->listener_epoll);
}

void
listen_guard_add(struct master *m, struct listener *l)
{
    /* Otherwise it goes unguarded, which costs only this safety net. */
    if (listener_guard(l, m->listener_epoll) < 0)
        journal_say(m->journal, LOG_LEVEL_WARNING, "listener_not_guarded", "%s", l->address);
}
