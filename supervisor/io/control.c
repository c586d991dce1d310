/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/control_request.h"

#define ACCEPT_BURST       16
#define RESERVED           8 /* connections only root and our own user may take */
#define REQUEST_TIMEOUT_US (10 * US_PER_S)
#define SILENCE_TIMEOUT_S  60U                /* a client that takes nothing of its answer */
#define CONNECTION_BYTES   ((size_t)64 << 10) /* libmicrohttpd's pool: headers and write buffer */
#define SWEEP_S            0.5

static void
work(struct control *c)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    (void)MHD_run(c->daemon); /* only fails for a daemon with threads */
    c->pending = 0;           /* each has begun or failed by now */
    ev_timer_stop(c->loop, &c->timer);
    if (MHD_get_timeout(c->daemon, &timeout_ms) == MHD_YES) {
        ev_timer_set(&c->timer, (double)timeout_ms / 1000., 0.);
        ev_timer_start(c->loop, &c->timer);
    }
}

void
control_kick(struct control *c)
{
    ev_timer_stop(c->loop, &c->timer);
    ev_timer_set(&c->timer, 0., 0.);
    ev_timer_start(c->loop, &c->timer);
}

static void
on_work(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    work(io->data);
}

static void
on_timer(EV_P_ ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    work(timer->data);
}

/* libmicrohttpd's own timeout starts again with each byte; this one does not. */
static void
on_sweep(EV_P_ ev_timer *timer, int revents)
{
    struct control *c = timer->data;
    int64_t now_us = mono_now_us();

    (void)revents;
    if (c->choked) {
        c->choked = false;
        ev_io_start(EV_A_ & c->accepting);
    }
    if (list_empty(&c->connections)) {
        ev_timer_stop(EV_A_ timer);
        return;
    }
    list_for_each_safe (pos, &c->connections) {
        struct control_peer_state *p = container_of(pos, struct control_peer_state, node);

        if (p->since_us > 0 && now_us - p->since_us > c->request_timeout_us) {
            (void)shutdown(p->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes it */
            p->since_us = 0;
            c->counters.timed_out++;
        } else if (p->request && p->request->suspended) {
            control_request_poll(p->request);
        }
    }
}

static void
peer_of(int fd, uid_t own_uid, struct control_peer *ret)
{
    struct ucred cred = {.uid = (uid_t)-1};
    socklen_t bytes = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &bytes) == -1)
        cred =
            (struct ucred){.uid = (uid_t)-1}; /* nobody we know: may read, as the socket let it */
    ret->uid = cred.uid;
    ret->pid = cred.pid;
    ret->may_change = cred.uid == 0 || cred.uid == own_uid;
}

/* Said without waiting and without parsing: whoever is refused gets to know why. */
static void
refuse(struct control *c, int fd)
{
    static const char body[] =
        "{\"error\":{\"code\":\"busy\",\"message\":\"too many connections to the "
        "control socket, try again\"}}\n";
    char answer[512];
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     sizeof(body) - 1, body);

    c->counters.refused++;
    (void)send(fd, answer, (size_t)n,
               MSG_DONTWAIT | MSG_NOSIGNAL); /* or not: it is refused anyway */
    (void)fd_close(fd);
}

static void
admit(struct control *c, int fd)
{
    unsigned open_now = c->open + c->pending;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct control_peer peer;

    peer_of(fd, c->uid, &peer);
    if (open_now >= CONTROL_CONNECTIONS_MAX + (peer.may_change ? RESERVED : 0)) {
        refuse(c, fd);
        return;
    }
    c->counters.accepted++;
    c->pending++;
    /* It owns the fd from here on, also when it fails. */
    if (MHD_add_connection(c->daemon, fd, (struct sockaddr *)&sa, sizeof(sa)) != MHD_YES)
        c->counters.refused++;
    control_kick(c);
}

/* Out of descriptors: the listener stays readable, and would be asked in every turn. */
static void
accept_later(struct control *c)
{
    ev_io_stop(c->loop, &c->accepting);
    c->choked = true;
    if (!ev_is_active(&c->sweep))
        ev_timer_again(c->loop, &c->sweep);
}

static void
on_accept(EV_P_ ev_io *io, int revents)
{
    struct control *c = io->data;

    (void)loop;
    (void)revents;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd == -1) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                accept_later(c);
            return; /* or nobody is there any more */
        }
        admit(c, fd);
    }
}

static void
connection_begins(struct control *c, struct MHD_Connection *connection, void **slot)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct control_peer_state *p = info ? calloc(1, sizeof(*p)) : NULL;

    *slot = p;
    if (!p)
        return; /* control_on_request() closes a connection without a state */
    p->control = c;
    p->mhd = connection;
    p->fd = info->connect_fd;
    p->since_us = mono_now_us();
    peer_of(p->fd, c->uid, &p->peer);
    list_add(&c->connections, &p->node);
    c->open++;
    c->pending -= c->pending > 0;
    if (!ev_is_active(&c->sweep))
        ev_timer_again(c->loop, &c->sweep);
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **slot,
              enum MHD_ConnectionNotificationCode what)
{
    struct control_peer_state *p = *slot;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_begins(cls, connection, slot);
    } else if (p) {
        list_del(&p->node);
        p->control->open--;
        free(p);
        *slot = NULL;
    }
}

static int
daemon_start(struct control *c, struct error *reterr)
{
    const union MHD_DaemonInfo *info;

    c->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        control_on_request, c, MHD_OPTION_NOTIFY_COMPLETED, control_on_completed, c,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, c, MHD_OPTION_CONNECTION_TIMEOUT,
        SILENCE_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(2 * (CONTROL_CONNECTIONS_MAX + RESERVED)), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_BYTES, MHD_OPTION_END);
    info = c->daemon ? MHD_get_daemon_info(c->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info)
        return error_say(reterr, -EIO, "libmicrohttpd does not start");
    ev_io_init(&c->working, on_work, info->epoll_fd, EV_READ);
    c->working.data = c;
    ev_io_start(c->loop, &c->working);
    return 0;
}

static void
control_init(struct control *c, const struct control_options *options)
{
    c->loop = options->loop;
    c->handler = options->handler;
    c->request_timeout_us =
        options->request_timeout_us > 0 ? options->request_timeout_us : REQUEST_TIMEOUT_US;
    c->socket = (struct control_socket){.lock_fd = -1, .listen_fd = -1};
    c->uid = geteuid();
    list_init(&c->connections);
    ev_timer_init(&c->timer, on_timer, 0., 0.);
    ev_timer_init(&c->sweep, on_sweep, 0., SWEEP_S);
    ev_io_init(&c->accepting, on_accept, -1, EV_READ);
    ev_io_init(&c->working, on_work, -1, EV_READ);
    c->timer.data = c->sweep.data = c->accepting.data = c;
}

int
control_create(const struct control_options *options, struct control **ret, struct error *reterr)
{
    const struct control_place at = {.runtime_dir = options->runtime_dir,
                                     .listen_fd = options->listen_fd,
                                     .lock_fd = options->lock_fd,
                                     .pid = options->pid};
    struct control *c = calloc(1, sizeof(*c));
    int r;

    if (!c) {
        (void)fd_close(at.listen_fd > 0 ? at.listen_fd : -1);
        (void)fd_close(at.lock_fd > 0 ? at.lock_fd : -1);
        return error_set(reterr, -ENOMEM, "control socket");
    }
    control_init(c, options);
    r = control_socket_open(&at, &c->socket, reterr);
    if (r >= 0)
        r = daemon_start(c, reterr);
    if (r < 0) {
        control_destroy(c);
        return r;
    }
    for (int i = 0; i < c->socket.n_early; i++)
        admit(c, c->socket.early[i]);
    c->socket.n_early = 0;
    ev_io_set(&c->accepting, c->socket.listen_fd, EV_READ);
    ev_io_start(c->loop, &c->accepting);
    *ret = c;
    return 0;
}

/* libmicrohttpd refuses to stop while a connection is suspended. */
static void
resume_all(struct control *c)
{
    list_for_each_safe (pos, &c->connections) {
        struct control_peer_state *p = container_of(pos, struct control_peer_state, node);

        if (p->request && p->request->suspended) {
            p->request->gone = true;
            control_request_resume(p->request);
        }
    }
}

void
control_destroy(struct control *c)
{
    if (!c)
        return;
    ev_io_stop(c->loop, &c->accepting);
    ev_io_stop(c->loop, &c->working);
    resume_all(c);
    if (c->daemon) {
        (void)MHD_run(c->daemon);
        MHD_stop_daemon(c->daemon);
    }
    ev_timer_stop(c->loop, &c->timer);
    ev_timer_stop(c->loop, &c->sweep);
    control_socket_close(&c->socket);
    free(c);
}

int
control_listen_fd(const struct control *c)
{
    return c->socket.listen_fd;
}

int
control_lock_fd(const struct control *c)
{
    return c->socket.lock_fd;
}

void
control_leave(struct control *c)
{
    c->socket.leave = true;
}

static bool
answers_pending(const struct control *c)
{
    list_for_each (pos, &c->connections) {
        const struct control_peer_state *p = container_of(pos, struct control_peer_state, node);

        if (p->request && p->request->phase == REQUEST_ANSWERED)
            return true;
    }
    return false;
}

void
control_flush(struct control *c, int64_t budget_us)
{
    int64_t end_us = mono_now_us() + budget_us;

    ev_io_stop(c->loop, &c->accepting);
    c->choked = false;
    work(c);
    while (answers_pending(c) && mono_now_us() < end_us) {
        struct pollfd p = {.fd = c->working.fd, .events = POLLIN};

        (void)poll(&p, 1, 10); /* whatever it says, the daemon is asked */
        work(c);
    }
}

void
control_counters(const struct control *c, struct control_counters *ret)
{
    *ret = c->counters;
    ret->connections = c->open;
}
