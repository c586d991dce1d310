/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/notify.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/state.h"

/* What the keeper holds for us, by name. A name is the kind of thing and its number in the state. */

static void
keep(struct master *m, const char *kind, uint64_t id, int fd)
{
    char name[KEEPER_NAME_MAX];

    if (fdstore_put(m->fdstore, fdstore_name(name, kind, id), fd) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "not_kept",
                    "%s: no memory: it is lost should the master be killed", name);
}

void
keep_drop(struct master *m, const char *kind, uint64_t id)
{
    char name[KEEPER_NAME_MAX];

    fdstore_drop(m->fdstore, fdstore_name(name, kind, id));
}

static void
on_listener_close(void *env, struct listener *l)
{
    struct master *m = env;

    keep_drop(m, "listener", l->number);
    if (m->state)
        state_drop(m->state, STATE_LISTENER, l->number);
}

void
keep_listener(struct master *m, struct listener *l)
{
    if (l->number == 0)
        l->number = ++m->last_listener;
    l->on_close = on_listener_close;
    l->env = m;
    keep(m, "listener", l->number, l->fd);
    EDGE("listener-kept");
    save_listener(m, l);
}

void
keep_pin(struct master *m, uint64_t id, int fd)
{
    keep(m, "exe", id, fd);
}

void
keep_hand(struct master *m, const struct hand *h)
{
    keep(m, "pidfd", h->worker, h->pidfd);
    if (h->capture) {
        keep(m, "out", h->worker, capture_fd(h->capture, CAPTURE_STDOUT));
        keep(m, "err", h->worker, capture_fd(h->capture, CAPTURE_STDERR));
    }
    if (h->notify)
        keep(m, "notify", h->worker, notify_fd(h->notify));
    if (h->channel)
        keep(m, "channel", h->worker, channel_fd(h->channel));
    if (h->registry_fd >= 0)
        keep(m, "registry", h->worker, h->registry_fd);
}

void
keep_drop_hand(struct master *m, const struct hand *h)
{
    static const char *const kinds[] = {"pidfd",   "out",      "err",  "notify",
                                        "channel", "registry", "ready"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        keep_drop(m, kinds[i], h->worker);
    if (m->state && h->pid > 0) {
        state_drop(m->state, STATE_HAND, h->worker);
        state_drop(m->state, STATE_REST, h->worker * 2);
        state_drop(m->state, STATE_REST, h->worker * 2 + 1);
        state_drop(m->state, STATE_PIECE, h->worker * 2);
        state_drop(m->state, STATE_PIECE, h->worker * 2 + 1);
        m->specs_stale = true;
    }
}

/* ---- what the keeper says ---------------------------------------------------------------------------- */

/* Of one that /proc did not show (hidepid) the keeper knows the number alone; then it has to be dead. */
static bool
is_of(const struct hand *h, const struct keeper_obituary *o)
{
    struct pollfd p = {.fd = h->pidfd, .events = POLLIN};

    if (o->start_time == 0 && h->start_time != 0)
        return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
    return h->start_time == 0 || h->start_time == o->start_time;
}

static void
on_obituary(void *env, const struct keeper_obituary *o)
{
    struct master *m = env;
    struct hand *h = hand_of_pid(m, o->pid);

    if (h && h->adopted && is_of(h, o)) {
        h->told = true;
        h->wait_status = o->wait_status;
        h->dead = true; /* whether its pidfd was heard already or not */
        m->deaths = true;
        return;
    }
    m->count.strangers++;
    journal_say(m->journal, LOG_LEVEL_DEBUG, "stranger_reaped", "process %d '%.16s', by the keeper",
                (int)o->pid, o->name);
    fdstore_buried(m->fdstore, o->pid, o->start_time);
}

static void
on_refused(void *env, const char *name, int error)
{
    struct master *m = env;

    journal_say(m->journal, LOG_LEVEL_WARNING, "not_kept", "%s: %s", name,
                error == -E2BIG
                    ? "systemd's store is full: should the keeper be killed, it is lost; "
                      "raise FileDescriptorStoreMax="
                    : "the keeper has no room: should the master be killed, it is lost; "
                      "raise the limit of open files");
}

static void
on_upgrade(void *env, int error)
{
    upgrade_answered(env, error);
}

static void
on_lost(void *env)
{
    struct master *m = env;

    journal_say(m->journal, LOG_LEVEL_ERROR, "keeper_lost",
                "the keeper is gone: nothing is kept any more, stint stops");
    master_stop(m, "the keeper is gone");
}

static void
on_alive(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    struct fdstore *fs = container_of(t, struct master, alive)->fdstore;

    if (fdstore_counts(fs).waiting == 0) /* what waits says it as well */
        fdstore_alive(fs);
}

/* ---- beginning and end --------------------------------------------------------------------------------- */

static bool
is_keeper_socket(int fd)
{
    socklen_t bytes = sizeof(int);
    int type = 0;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_SEQPACKET;
}

int
keep_open(struct master *m, struct error *reterr)
{
    const struct keeper_welcome *w;
    int r;

    m->control_fd = m->control_lock_fd = m->next_fd = -1;
    if (!is_keeper_socket(KEEPER_FD))
        return 0;
    r = fdstore_open(KEEPER_FD, &m->fdstore, reterr);
    if (r < 0)
        return r;
    m->control_fd = fdstore_take(m->fdstore, "control");
    m->control_lock_fd = fdstore_take(m->fdstore, "control-lock");
    w = fdstore_welcome(m->fdstore);
    ev_timer_init(&m->alive, on_alive, (double)w->alive_us / 2 / US_PER_S,
                  (double)w->alive_us / 2 / US_PER_S);
    if (w->alive_us > 0)
        ev_timer_start(m->loop, &m->alive);
    return 0;
}

void
keep_begin(struct master *m)
{
    const struct fdstore_hooks hooks = {.on_obituary = on_obituary,
                                        .on_refused = on_refused,
                                        .on_upgrade = on_upgrade,
                                        .on_lost = on_lost,
                                        .env = m};

    fdstore_begin(m->fdstore, m->loop, &hooks);
}

void
keep_finish(struct master *m)
{
    if (m->fdstore)
        ev_timer_stop(m->loop, &m->alive);
    fdstore_close(m->fdstore);
    m->fdstore = NULL;
    state_destroy(m->state);
    m->state = NULL;
}
