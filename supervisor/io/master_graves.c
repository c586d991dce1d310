/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/capture.h"
#include "supervisor/io/child.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/held.h"
#include "supervisor/io/helper.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/notify.h"
#include "supervisor/io/orphans.h"
#include "supervisor/io/run.h"
#include "supervisor/io/watch.h"
#include "supervisor/probe/proc.h"

/*
 * Deaths are collected during a turn of the loop and buried together before it sleeps: looking for
 * orphans means reading /proc, which is done once for all of them.
 */

#define EXHUME_S         0.1
#define OBITUARY_WAIT_US (2 * US_PER_S) /* for the keeper, which is stopped if it takes so long */

bool
graves_knows(void *env, pid_t pid)
{
    return pid == getpid() || hand_of_pid(env, pid) || helper_knows(pid) || run_knows(pid);
}

static bool
on_elder(void *env, const struct proc_stat *child)
{
    struct master *m = env;
    struct elder *more = realloc(m->elders, (m->n_elders + 1) * sizeof(*more));

    if (!more)
        return false; /* then it is taken for an orphan, should a worker die */
    m->elders = more;
    m->elders[m->n_elders++] = (struct elder){child->pid, child->start_time};
    return true;
}

/* With a keeper it was that process which `exec stint run` became. */
int
graves_elders(struct master *m)
{
    return proc_children(fdstore_run_pid(m->fdstore), graves_knows, on_elder, m);
}

/* Look at the dead once more, though nobody dies. */
static void
graves_again(struct master *m, double after_s)
{
    if (ev_is_active(&m->exhume))
        return;
    ev_timer_set(&m->exhume, after_s, 0.);
    ev_timer_start(m->loop, &m->exhume);
}

static void
on_exhume(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, exhume);

    (void)loop;
    (void)revents;
    m->deaths = true; /* before the loop sleeps again */
}

/* How it ended; it is not collected yet. -EAGAIN: that is not known yet, another error: it never will be. */
static int
grave_status(struct hand *h, int *ret_status)
{
    int64_t now_us = mono_now_us();

    if (!h->adopted)
        return child_peek(h->pidfd, ret_status);
    if (h->dead_us == 0)
        h->dead_us = now_us;
    if (!h->told && now_us - h->dead_us < OBITUARY_WAIT_US)
        return -EAGAIN;
    if (!h->told)
        journal_say(h->master->journal, LOG_LEVEL_ERROR, "exit_status_unknown",
                    "%s/%u: the keeper does not tell how process %d ended", h->service, h->slot,
                    (int)h->pid);
    *ret_status = h->wait_status;
    return h->told ? 0 : -ENODATA;
}

/* It is in the books, so nobody has to hear of it again. */
static void
grave_close(struct hand *h)
{
    int status;

    EDGE("dead-not-collected");
    held_gone(h);
    deadlines_hand_gone(h);
    worker_spans_hand_gone(h);
    leaks_hand_gone(h);
    if (h->adopted)
        fdstore_buried(h->master->fdstore, h->pid, h->start_time);
    else
        (void)child_reap(h->pidfd, &status, NULL);
    EDGE("dead-collected");
    hand_destroy(h);
}

static void
graves_bury(struct hand *h)
{
    struct master *m = h->master;
    auto_text struct text last = TEXT_INIT, threads = TEXT_INIT;
    char step[512];
    int status = 0;
    struct event ev = {.type = EVENT_EXIT, .worker = h->worker};
    int r;

    if (h->notify)
        notify_drain(h->notify); /* "READY=1, then exit" is seen in that order */
    if (h->capture && !capture_drain(h->capture)) {
        if (capture_waits(h->capture)) /* hand_on_room() comes, within the log's `block` */
            m->graves_wait = true;
        else
            m->graves = true; /* there is more to read, so the next turn comes at once */
        return;
    }
    if (h->exec_fd >= 0)
        (void)spawn_exec_result(h->exec_fd, &h->exec_failure);
    r = grave_status(h, &status);
    if (r == -EAGAIN) { /* the keeper has not told yet; or its debugger has not let go: the pidfd
                           stays readable, so do not ask that */
        graves_again(m, EXHUME_S);
        return;
    }
    if (h->capture && status != 0)
        capture_last_lines(h->capture, &last);
    ev.death.wait_status = r == 0 ? status : 0;
    ev.death.unknown = r < 0;
    ev.death.last_lines = text_str(&last);
    survey_registry(h, &ev, &threads);
    if (r == 0) /* with its worker's group, say: then nobody has meant this process */
        h->leaks.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    deadlines_hand_gone(h); /* once its end is in the books nobody has its registry any more */
    worker_spans_hand_gone(h);
    if (h->exec_failure.step != SPAWN_STEP_NONE) {
        ev.death.exec_error = h->exec_failure.error;
        ev.death.exec_step =
            spawn_explain(&h->exec_failure, h->snapshot ? h->snapshot->exe_path : "?",
                          h->snapshot ? h->snapshot->spec->directory : NULL, step, sizeof(step));
    }
    master_post(m, &ev);
    grave_close(h);
}

static void
graves_on_stranger(void *env, const struct stranger *s)
{
    struct master *m = env;

    m->count.strangers++;
    journal_say(m->journal, LOG_LEVEL_DEBUG, "stranger_reaped", "process %d '%s' of session %d",
                (int)s->pid, s->comm, (int)s->session);
}

static void
graves_sweep(struct master *m)
{
    m->sweep = false;
    list_for_each_safe (n, &m->inspections) {
        struct inspection *d = container_of(n, struct inspection, node);

        if (!core_service(m->core, d->service))
            inspection_destroy(d);
    }
}

void
graves_dig(struct master *m)
{
    struct error err = {0};

    if (m->deaths) {
        m->deaths = false;
        if (orphans_find(getpid(), graves_knows, retained_orphan, m, &err) < 0 ||
            (m->fdstore && orphans_find(getppid(), graves_knows, retained_orphan, m, &err) < 0))
            journal_say(m->journal, LOG_LEVEL_WARNING, "orphan_scan", "%s", err.text);
        m->graves = true;
    }
    if (m->graves) {
        m->graves = false;
        list_for_each_safe (n, &m->hands) {
            struct hand *h = container_of(n, struct hand, node);

            if (h->dead)
                graves_bury(h);
        }
    }
}

static void
on_before_sleep(EV_P_ ev_prepare *w, int revents)
{
    struct master *m = container_of(w, struct master, graveyard);

    (void)loop;
    (void)revents;
    graves_dig(m);
    if (m->strangers) {
        m->strangers = strangers_reap(graves_knows, graves_on_stranger, m) == STRANGERS_MAX;
        if (m->strangers) /* there may be more, and no signal will say so again */
            graves_again(m, 0.);
    }
    if (m->sweep)
        graves_sweep(m);
}

void
graves_init(struct master *m)
{
    ev_timer_init(&m->exhume, on_exhume, 0., 0.);
    ev_prepare_init(&m->graveyard, on_before_sleep);
    ev_prepare_start(m->loop, &m->graveyard);
}

void
graves_finish(struct master *m)
{
    ev_prepare_stop(m->loop, &m->graveyard);
    ev_timer_stop(m->loop, &m->exhume);
    list_for_each_safe (n, &m->hands)
        hand_destroy(container_of(n, struct hand, node));
}
