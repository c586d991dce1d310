/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/child.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/state.h"

/*
 * How a master begins that is not the first: with the state of the one before it, or, when that
 * cannot be read, with its sockets alone. Sockets that systemd kept or opened come in the same way.
 */

bool
takeover_wanted(const struct master *m)
{
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);

    return w && (w->flags & KEEPER_SUCCEEDS) && !(w->flags & KEEPER_DISTRUST) &&
           fdstore_next(m->fdstore, "state");
}

/* ---- with the state ----------------------------------------------------------------------------------- */

int
takeover_restore(struct master *m, struct error *reterr)
{
    int fd = fdstore_take(m->fdstore, "state");
    int r = EDGE_WRONG("state-version")
                ? error_say(reterr, -EPROTO, "the state is of another version")
                : state_adopt(fd, &m->state, reterr);

    if (r < 0) {
        (void)fd_close(fd);
        return r;
    }
    if (!state_has(m->state, STATE_CONFIG, 0)) {
        state_destroy(
            steal(m->state)); /* killed before it had begun: there is nothing to go on with */
        return -ENODATA;
    }
    r = restore_all(m, reterr);
    if (r == 0)
        EDGE("takeover-restored");
    return r;
}

const char *
takeover_ending(const struct keeper_welcome *w, char *buf, size_t room)
{
    if (w->flags & KEEPER_STALLED)
        (void)snprintf(buf, room, "said nothing for too long and was killed");
    else if (w->flags & KEEPER_UPGRADED)
        (void)snprintf(buf, room, "made way for this program");
    else if (WIFSIGNALED(w->wait_status))
        (void)snprintf(buf, room, "was ended by SIG%s", sigabbrev_np(WTERMSIG(w->wait_status)));
    else
        (void)snprintf(buf, room, "exited with status %d", WEXITSTATUS(w->wait_status));
    return buf;
}

static size_t
hands_count(const struct master *m)
{
    size_t n = 0;

    list_for_each (pos, &m->hands)
        n++;
    return n;
}

/* What was given and belongs to nothing: of a worker that was buried, or never released. */
static void
drop_rest(struct master *m)
{
    const char *name;

    while ((name = fdstore_next(m->fdstore, "")) != NULL) {
        char copy[KEEPER_NAME_MAX];

        (void)snprintf(copy, sizeof(copy), "%s", name);
        fdstore_drop(m->fdstore, copy);
    }
}

void
takeover_begin(struct master *m)
{
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);
    int64_t gap_us = mono_now_us() - w->died_us;
    char how[128];
    const struct journal_field fields[] = {
        FIELD_NUMBER("masters", w->masters),
        FIELD_NUMBER("gap_ms", gap_us / US_PER_MS),
        FIELD_NUMBER("workers", (int64_t)hands_count(m)),
        FIELD_NUMBER("not_done", (int64_t)m->todo.n),
        FIELD_TEXT("previous", takeover_ending(w, how, sizeof(how))),
        FIELD_TEXT("msg", "took over from the master before"),
    };

    journal_event(m->journal, LOG_LEVEL_WARNING, "took_over", fields, ARRAY_LEN(fields));
    if (w->lost > 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "obituaries_lost",
                    "%u processes ended while nobody listened, and are not accounted for", w->lost);
    drop_rest(m);
    m->deaths = true; /* what the one before left half done is an orphan now */
    EDGE("takeover-told");
    usage_wake(m);
    deadlines_wake(m);
    heaps_resume(m);
    master_resume(m);
    EDGE("takeover-resumed");
    /* Its watches died with it, so every input of every service may have changed. */
    master_post(m, &(struct event){.type = EVENT_HINT});
    if ((w->flags & KEEPER_STOPPING) && !m->core->stopping)
        master_stop(m, "asked to before this master came");
}

/* ---- without it ------------------------------------------------------------------------------------------ */

/* A unix socket whose file is gone, or is another's, reaches nobody. */
static bool
still_at_its_path(const struct listener *l, struct stat *ret)
{
    const char *path = ((const struct sockaddr_un *)(const void *)&l->bound.sa)->sun_path;

    return lstat(path, ret) == 0 && S_ISSOCK(ret->st_mode);
}

/* One of a socket unit comes twice when it was parked, too: by the unit and from the store. */
static bool
same_socket(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static int
adopt_socket(struct master *m, int fd, bool foreign, struct listener **ret, struct error *reterr)
{
    struct listener *other, *l = NULL;
    struct stat st;
    int r = listener_adopt(fd, NULL, &l, reterr);

    if (r < 0) {
        (void)fd_close(fd);
        return r;
    }
    l->foreign = foreign;
    if (l->is_unix && !foreign) {
        if (!still_at_its_path(l, &st)) {
            listener_unref(l);
            return error_say(reterr, -ENOENT, "its file is gone");
        }
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    other = listeners_find(&m->listeners, l->address);
    if (other) {
        r = same_socket(l->fd, other->fd) ? -EALREADY : -EEXIST;
        listener_unref(l);
        return error_say(reterr, r, "there is another one of that address");
    }
    list_add(&m->listeners.all, &l->node);
    listen_guard_add(m, l);
    *ret = l;
    return 0;
}

/* Sockets that come back get numbers that none of them has: names of two must not cross on the way. */
static void
skip_given_numbers(struct master *m, const char *prefix)
{
    const char *given = NULL;

    while ((given = fdstore_after(m->fdstore, prefix, given)) != NULL) {
        uint64_t number = strtoull(given + strlen(prefix), NULL, 10);

        if (number > m->last_listener)
            m->last_listener = number;
    }
}

/* The first configuration takes those it wants and closes the others: m->bound holds them until then. */
static void
adopt_sockets(struct master *m, const char *prefix, bool foreign)
{
    const char *given;

    while ((given = fdstore_next(m->fdstore, prefix)) != NULL) {
        struct listener **more = realloc(m->bound, (m->n_bound + 1) * sizeof(struct listener *));
        struct listener *l = NULL;
        struct error err = {.text = "no memory"};
        char name[KEEPER_NAME_MAX];
        int r;

        (void)snprintf(name, sizeof(name), "%s", given);
        if (more)
            m->bound = more;
        r = more ? adopt_socket(m, fdstore_take(m->fdstore, name), foreign, &l, &err) : -ENOMEM;
        if (r < 0 || !l) {
            if (r != -EALREADY)
                journal_say(m->journal, LOG_LEVEL_WARNING, "socket_not_taken", "%s: %s", name,
                            err.text);
        } else {
            m->bound[m->n_bound++] = l;
            journal_say(m->journal, LOG_LEVEL_INFO, "socket_taken", "%s, open already: %s",
                        l->address, foreign ? "systemd opened it" : "it was kept");
        }
        fdstore_drop(m->fdstore, name);
        if (l)
            keep_listener(m, l);
    }
}

/* ---- old workers nobody knows any more ---------------------------------------------------------------------- */

/* Workers of a state that is not to be trusted: they are asked to leave, and made to. */
struct relic {
    struct list node;
    struct master *master;
    int pidfd; /* owned */
    ev_io gone;
};

static void
relic_free(struct relic *r)
{
    ev_io_stop(r->master->loop, &r->gone);
    list_del(&r->node);
    fd_close(r->pidfd);
    free(r);
}

static void
on_relic_gone(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    relic_free(container_of(io, struct relic, gone));
}

static void
on_relics_late(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, relics_late);

    (void)loop;
    (void)revents;
    list_for_each_safe (n, &m->relics) {
        struct relic *r = container_of(n, struct relic, node);

        journal_say(m->journal, LOG_LEVEL_WARNING, "relic_killed",
                    "a worker of the former state did not leave: SIGKILL");
        (void)child_signal(r->pidfd, SIGKILL); /* gone meanwhile is fine */
    }
}

static void
relic_end(struct master *m, int pidfd)
{
    struct relic *r = calloc(1, sizeof(*r));

    (void)child_signal(pidfd, SIGTERM); /* gone already is fine */
    if (!r) {
        (void)child_signal(pidfd, SIGKILL); /* nobody would come back to it */
        (void)fd_close(pidfd);
        return;
    }
    r->master = m;
    r->pidfd = pidfd;
    list_add(&m->relics, &r->node);
    ev_io_init(&r->gone, on_relic_gone, pidfd, EV_READ);
    ev_io_start(m->loop, &r->gone);
}

void
relics_finish(struct master *m)
{
    ev_timer_stop(m->loop, &m->relics_late);
    list_for_each_safe (n, &m->relics)
        relic_free(container_of(n, struct relic, node));
}

static void
relics_begin(struct master *m)
{
    const char *given;
    unsigned n = 0;

    ev_timer_init(&m->relics_late, on_relics_late, RELIC_PATIENCE_S, 0.);
    while ((given = fdstore_next(m->fdstore, KEEPER_WORKER_PREFIX)) != NULL) {
        char name[KEEPER_NAME_MAX];

        (void)snprintf(name, sizeof(name), "%s", given);
        relic_end(m, fdstore_take(m->fdstore, name));
        fdstore_drop(m->fdstore, name);
        n++;
    }
    journal_say(m->journal, LOG_LEVEL_ERROR, "state_not_trusted",
                "the state of the master before cannot be used: %u old workers were sent SIGTERM, "
                "every service is started anew; the sockets stay open",
                n);
    if (n > 0)
        ev_timer_start(m->loop, &m->relics_late);
}

int
takeover_anew(struct master *m, struct error *reterr)
{
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);
    int r;

    if (!w)
        return 0;
    if (w->flags & KEEPER_DISTRUST)
        relics_begin(m);
    skip_given_numbers(m, KEEPER_LISTENER_PREFIX);
    adopt_sockets(m, KEEPER_ACTIVATED_PREFIX, true); /* first: their files are not ours */
    adopt_sockets(m, KEEPER_LISTENER_PREFIX, false);
    drop_rest(m);
    r = state_create(&m->state, reterr);
    if (r == 0)
        r = fdstore_put(m->fdstore, "state", state_fd(m->state));
    if (r == 0)
        save_master(m);
    return r;
}

/* ---- ends ------------------------------------------------------------------------------------------------- */

/* What systemd keeps for the next start stays where it is, a socket's file too. */
void
takeover_leave(struct master *m)
{
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);

    if (w && w->listeners > 0) {
        list_for_each (n, &m->listeners.all)
            container_of(n, struct listener, node)->foreign = true;
    }
    leaves_finish(m);
    fdstore_leave(m->fdstore, m->exit_status, FAREWELL_US);
    if (m->loop)
        keep_finish(m);
}

void
takeover_give_up(struct master *m, const struct error *why)
{
    journal_say(m->journal, LOG_LEVEL_ERROR, "state_not_read", "%s", why->text);
    journal_flush(m->journal, FAREWELL_US);
    _exit(KEEPER_EXIT_DISTRUST);
}

void
takeover_make_way(struct master *m)
{
    operator_leave(m->desk); /* who waits for an answer gets it from the next */
    journal_flush(m->journal, FAREWELL_US);
    (void)fdstore_flush(m->fdstore, FAREWELL_US);
    _exit(0); /* as if killed: all that is open here is the next master's */
}
