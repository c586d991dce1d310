/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/fd.h"
#include "base/units.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

#define NEW_PATIENCE 3 /* times the usual, until HELLO */
#define STOP_UNFINISHED \
    3 /* we are to stop, and so many did not get as far as END: do it ourselves */

int64_t
keeper_patience_until(const struct keeper *k)
{
    int64_t patience_us = k->options->patience_us;

    if (k->master.pid == 0 || k->master.killed || patience_us <= 0)
        return TIME_NEVER;
    return k->link.heard_us + (k->link.phase == LINK_NEW ? NEW_PATIENCE : 1) * patience_us;
}

/* After a death, or a start that failed: when the next one is due, or that there is none. */
static void
plan_next(struct keeper *k, int64_t lived_us, bool finished, int64_t now_us)
{
    struct restart *r = &k->facts.restart;
    int64_t wait_us = restart_died(r, lived_us, finished);

    if (k->facts.stopping && (r->unfinished >= STOP_UNFINISHED || r->young > RESTART_DISTRUST)) {
        keeper_log("error", "keeper_gave_up", 0,
                   "msg=\"told to stop, and no master can do it: ending the workers\"");
        workers_end(k);
        keeper_end(k, 1);
        return;
    }
    if (restart_give_up(r)) {
        int status = WIFEXITED(k->facts.wait_status) ? WEXITSTATUS(k->facts.wait_status) : 0;

        keeper_log("error", "keeper_gave_up", 0,
                   "masters=%u msg=\"no master ever got to work: see what they said\"",
                   k->facts.masters);
        keeper_end(k, status ? status : EX_UNAVAILABLE);
        return;
    }
    k->master.began_us = now_us + wait_us;
    keeper_log("warning", "master_restart", 0, "wait_ms=%d young=%u kept=%u",
               (int)(wait_us / US_PER_MS), r->young, k->kept.n);
    systemd_tell(&k->systemd, "STATUS=The master is being replaced; the workers go on");
}

void
master_start(struct keeper *k, int64_t now_us)
{
    static char title[] = KEEPER_TITLE;
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
        keeper_log("error", "master_not_started", 0, "msg=\"socketpair: %s\"",
                   strerrordesc_np(errno));
        plan_next(k, 0, false, now_us);
        return;
    }
    k->facts.masters++;
    k->master = (struct master){.began_us = now_us, .pidfd = -1};
    pid = launch(&(struct launch){k->exe_fd, ends[1], k->argv, title}, &k->facts.nofile,
                 &k->master.pidfd);

    (void)fd_close(ends[1]);
    if (pid < 0) {
        (void)fd_close(ends[0]);
        keeper_log("error", "master_not_started", 0, "msg=\"fork: %s\"", strerrordesc_np(-pid));
        plan_next(k, 0, false, now_us);
        return;
    }
    k->master.pid = pid;
    link_open(&k->link, ends[0], k->obituaries.first, now_us);
    if (k->facts.masters > 1)
        keeper_log("info", "master_started", pid, "masters=%u", k->facts.masters);
}

void
master_kill(struct keeper *k)
{
    if (k->master.pid == 0 || k->master.killed)
        return;
    k->master.killed = true;
    if (pidfd_send_signal(k->master.pidfd, SIGKILL, NULL, 0) == -1 && errno != ESRCH)
        keeper_log("error", "master_not_killed", k->master.pid, "msg=\"%s\"",
                   strerrordesc_np(errno));
}

static void
say_death(const struct keeper *k, const struct master *m, int wait_status, int64_t now_us)
{
    char how[48];

    keeper_log("warning", "master_died", m->pid, "%s lived_ms=%lld%s",
               keeper_exit(wait_status, how, sizeof how),
               (long long)((now_us - m->began_us) / US_PER_MS),
               !k->link.welcomed ? " msg=\"before it said HELLO\"" : "");
}

void
master_died(struct keeper *k, int wait_status, int64_t now_us)
{
    struct master m = k->master;
    bool finished = k->link.finished;
    bool young = now_us - m.began_us < RESTART_YOUNG_US;
    bool distrusts = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == KEEPER_EXIT_DISTRUST;

    k->master.pid = 0;
    k->master.pidfd = fd_close(k->master.pidfd);
    if (!m.leaving && k->next_fd == -1)
        say_death(k, &m, wait_status, now_us);
    link_close(&k->link);
    trial_cancel(k);
    if (m.leaving) { /* the last word: an upgrade that it asked for before is no longer wanted */
        keeper_end(k, m.status);
        return;
    }
    k->facts.wait_status = wait_status;
    k->facts.died_us = now_us;
    k->facts.why = KEEPER_SUCCEEDS | (m.stalled ? KEEPER_STALLED : 0U);
    if (k->next_fd >= 0) {
        upgrade_go(k, now_us);
        return;
    }
    if (k->facts.previous_fd >= 0 && young && (++k->facts.unproved >= 2 || distrusts)) {
        upgrade_back(k, now_us); /* the program before wrote the state, and can read it */
        return;
    }
    if (distrusts)
        k->facts.restart.young = RESTART_DISTRUST;
    plan_next(k, now_us - m.began_us, finished, now_us);
}
