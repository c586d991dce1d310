/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/config.h"
#include "supervisor/core/event.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/forget.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_export.h"
#include "supervisor/io/master_hooks.h"
#include "supervisor/io/master_logs.h"
#include "supervisor/io/master_outdated.h"
#include "supervisor/io/master_spans.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/orphans.h"
#include "supervisor/io/peek.h"
#include "supervisor/io/watch.h"

/* ---- what wakes the master ---------------------------------------------------------------------- */

/*
 * Time is up, but a loop that was late or interrupted may not have heard yet what came before. One
 * turn more hears it: who is dead is not ready, and who is ready is not late.
 */
static void
on_tick(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, tick);

    (void)loop;
    (void)revents;
    if (ev_is_active(&m->tock))
        return;
    ev_timer_set(&m->tock, 0., 0.);
    ev_timer_start(m->loop, &m->tock);
}

static void
on_tock(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, tock);
    struct event ev = {.type = EVENT_TICK};

    (void)loop;
    (void)revents;
    graves_dig(m);
    if (m->graves) { /* who is dead but has more to say has left in time: that is some turns of reading */
        ev_timer_start(m->loop, &m->tock);
        return;
    }
    if (m->graves_wait) { /* … or has to wait for its log, which does not take long */
        ev_timer_set(&m->tock, 0.01, 0.);
        ev_timer_start(m->loop, &m->tock);
        return;
    }
    master_post(m, &ev);
}

static void
on_hint(void *env, uint32_t tag, const char *path)
{
    struct master *m = env;
    struct event ev = {.type = EVENT_HINT, .service = tag, .hint.path = path};

    if (tag == 0)
        config_hint(m);
    else if (tag == OUTDATED_TAG)
        outdated_hint(m);
    else
        master_post(m, &ev);
}

void
master_stop(struct master *m, const char *cause)
{
    struct event ev = {.type = EVENT_STOP_ALL, .request.cause = cause};

    journal_say(m->journal, LOG_LEVEL_INFO, "stopping", "%s", cause);
    master_post(m, &ev);
}

static void
master_hup(struct master *m)
{
    announcer_reload(m, "SIGHUP");
    m->hup_waits = true; /* config_reload() sees to it, now or when it knows all names */
    (void)config_reload(m, "SIGHUP", NULL); /* said in the journal and in every status */
}

static void
on_signal(EV_P_ ev_io *io, int revents)
{
    struct master *m = container_of(io, struct master, signals);
    struct signalfd_siginfo si;

    (void)loop;
    (void)revents;
    while (read(m->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        if (si.ssi_signo == SIGCHLD)
            m->strangers = true; /* the dead we know are told by their pidfds */
        else if (si.ssi_signo == SIGHUP)
            master_hup(m);
        else if (si.ssi_signo == SIGUSR1 || si.ssi_signo == SIGUSR2)
            journal_say(m->journal, LOG_LEVEL_WARNING, "signal_ignored",
                        "SIG%s means nothing here: HUP reloads, TERM stops",
                        sigabbrev_np((int)si.ssi_signo));
        else
            master_stop(m, si.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
    }
}

/* ---- beginnings -------------------------------------------------------------------------------------- */

static int
master_signals(struct master *m, struct error *reterr)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1); /* meant for another kind of daemon: no reason to die */
    sigaddset(&set, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        return error_set(reterr, -errno, "block signals");
    /* A log nobody reads and a file that may not grow are errors of a write, no reason to die. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return error_set(reterr, -errno, "ignore SIGPIPE and SIGXFSZ");
    m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (m->signal_fd == -1)
        return error_set(reterr, -errno, "create a signalfd");
    ev_io_init(&m->signals, on_signal, m->signal_fd, EV_READ);
    ev_io_start(m->loop, &m->signals);
    return 0;
}

static void
master_watchers(struct master *m)
{
    ev_timer_init(&m->tick, on_tick, 0., 0.);
    ev_timer_init(&m->tock, on_tock, 0., 0.);
    ev_set_priority(&m->tock, -1); /* after what was heard in its turn */
    turn_init(m);
    graves_init(m);
    config_init(m);
    outdated_begin(m);
    usage_init(m);
    leaks_begin(m);
    deadlines_init(m);
    worker_spans_init(m);
    master_queue_init(m);
}

static int
master_create(struct master *m, struct error *reterr)
{
    struct journal_options journal = {.fd = STDERR_FILENO, .level = LOG_LEVEL_INFO};
    const int first = forget_next();
    uint64_t seed;
    int r;

    m->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!m->loop)
        return error_set(reterr, -ENOMEM, "create the event loop");
    forget_init(m->loop, first);
    /* First of all: the inotify library wants a small descriptor number. */
    r = watch_create(m->loop, on_hint, m, &m->watch, reterr);
    if (r < 0)
        return r;
    r = keep_open(m, reterr);
    if (r < 0)
        return r;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return error_set(reterr, -errno, "get random bytes");
    r = core_create(seed, &m->core);
    journal.ring_fd = fdstore_take(m->fdstore, "journal");
    if (r == 0)
        r = journal_create(m->loop, &journal, &m->journal);
    if (r == 0)
        r = fdstore_put(m->fdstore, "journal", journal_ring_fd(m->journal));
    if (r == 0)
        r = master_logs(m);
    if (r == 0)
        master_spans_open(m);
    if (r == 0)
        r = master_export(m);
    (void)spawn_raise_nofile(); /* not: then surroundings say when it is too low */
    if (r == 0)
        r = peek_init();
    if (r == 0)
        r = subreaper_set();
    if (r == 0 && !takeover_wanted(m)) /* else they are in the state */
        r = graves_elders(m);
    if (r < 0)
        return error_set(reterr, r, "start");
    r = master_signals(m, reterr);
    if (r == 0)
        r = listen_guard_init(m, reterr);
    if (r == 0) {
        master_watchers(m);
        keep_begin(m);
    }
    return r;
}

static void
master_finish(struct master *m)
{
    upgrade_finish(m);
    operator_destroy(m->desk);
    if (m->loop && m->core && m->journal) {
        relics_finish(m);
        graves_finish(m);
        leaks_finish(m);
        deadlines_finish(m);
        worker_spans_finish(m);
        outdated_finish(m);
        hooks_finish(m);
        usage_finish(m);
        list_for_each_safe (n, &m->inspections)
            inspection_destroy(container_of(n, struct inspection, node));
        list_for_each_safe (n, &m->snapshots)
            snapshot_destroy(container_of(n, struct snapshot, node));
        config_finish(m);
        listeners_finish(&m->listeners); /* they leave the guard before it goes */
        listen_guard_finish(m);
    }
    fd_close(m->schedstat_fd);
    specs_finish(m);
    master_queue_finish(m);
    core_destroy(m->core);
    watch_destroy(m->watch);
    exporter_destroy(m->exporter);
    spans_destroy(m->spans);
    logs_destroy(m->logs);
    if (m->loop)
        keep_finish(m);
    fd_close(m->signal_fd);
    journal_destroy(m->journal);
    if (m->loop)
        ev_loop_destroy(m->loop);
    table_finish(&m->pins);
    table_finish(&m->hand_by_worker);
    table_finish(&m->hand_by_pid);
    table_finish(&m->snapshot_by_id);
    table_finish(&m->inspection_by_service);
    strv_finish(&m->numbers);
    surroundings_finish(&m->surroundings);
    free(m->elders);
    free(m->runtime_dir);
    free(m->state_dir);
    free(m->config_path);
}

/* @path as it is when absolute, else below the working directory. Links stay: they are watched. */
static char *
path_absolute(const char *path)
{
    auto_free char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *absolute = NULL;

    if (path[0] == '/')
        return strdup(path);
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    if (!here || asprintf(&absolute, "%s/%s", here, path) == -1)
        return NULL;
    return absolute;
}

int
master_run(const struct master_options *options, struct error *reterr)
{
    struct master m = {.started_us = mono_now_us(),
                       .master_us = mono_now_us(),
                       .signal_fd = -1,
                       .schedstat_fd = -1,
                       .listener_epoll = -1,
                       .exit_status = EX_OSERR,
                       .exit_when_failed = options->exit_when_failed};
    int r;

    list_init(&m.queue);
    list_init(&m.hands);
    list_init(&m.snapshots);
    list_init(&m.inspections);
    list_init(&m.errands);
    list_init(&m.specs);
    list_init(&m.gated);
    list_init(&m.relics);
    listeners_init(&m.listeners);
    EDGE_BEGIN(&m);
    m.config_path =
        path_absolute(options->config_path); /* watches and messages outlive a chdir() */
    r = m.config_path ? master_create(&m, reterr) : error_set(reterr, -ENOMEM, "start");
    if (r == 0 && takeover_wanted(&m)) {
        EDGE("takeover-given");
        r = takeover_restore(&m, reterr);
        if (r < 0 && r != -ENODATA)
            takeover_give_up(&m, reterr);
    } else if (r == 0) {
        r = -ENODATA;
    }
    if (r == -ENODATA) {
        r = master_paths(&m, reterr);
        if (r == 0)
            r = takeover_anew(&m, reterr);
    }
    if (r == 0)
        r = master_begin(&m, reterr);
    if (r == 0) {
        if (!core_stopped(m.core)) /* when it took over, already: nothing would wake it */
            ev_run(m.loop, 0);
        m.exit_status = (int)m.core->exit_status;
        if (m.making_way)
            takeover_make_way(&m);
        journal_say(m.journal, LOG_LEVEL_INFO, "stopped", "everything has stopped");
        operator_farewell(m.desk, FAREWELL_US);
        exporter_flush(m.exporter, FAREWELL_US);
        logs_flush(m.logs, FAREWELL_US);
        journal_flush(m.journal, FAREWELL_US);
    }
    announcer_end(&m, r < 0 ? reterr->text : NULL);
    takeover_leave(&m);
    master_finish(&m);
    return m.exit_status;
}
