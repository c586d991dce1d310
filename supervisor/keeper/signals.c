/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

/* What keeps its meaning: faults, and what the terminal stops a job with. All others are ours to read. */
static const int untouched[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT,
                                SIGSYS,  SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};

int
signals_open(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;
    int fd;

    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
    (void)signal(SIGCHLD,
                 SIG_DFL); /* inherited as ignored, the kernel would bury our children itself */
    (void)sigfillset(&set);
    for (size_t i = 0; i < ARRAY_LEN(untouched); i++)
        (void)sigdelset(&set, untouched[i]);
    (void)sigdelset(&set, SIGPIPE);
    (void)sigdelset(&set, SIGXFSZ);
    if (sigprocmask(SIG_SETMASK, &set, NULL) == -1)
        return -errno;
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd == -1 ? -errno : fd;
}

/* Ctrl-C goes to all of the foreground's group, and a master past its start has it already. */
static bool
has_it_already(const struct keeper *k, const struct signalfd_siginfo *si)
{
    return si->ssi_code == SI_KERNEL && k->link.finished && k->master.pid > 0 &&
           getpgid(k->master.pid) == getpgrp();
}

static void
take(struct keeper *k, const struct signalfd_siginfo *si, int64_t now_us)
{
    switch (si->ssi_signo) {
    case SIGCHLD:
        k->reap = true;
        return;
    case SIGTERM:
    case SIGINT:
        k->facts.stopping = 1;
        if (k->master.pid == 0) /* who is told to stop does not wait out a back-off */
            k->master.began_us = now_us;
        break;
    case SIGHUP:
    case SIGUSR1:
    case SIGUSR2:
        break;
    case SIGQUIT:
        keeper_log("info", "signal_ignored", 0,
                   "signal=SIGQUIT msg=\"SIGTERM stops, SIGHUP reloads\"");
        return;
    default:
        return;
    }
    if (!has_it_already(k, si))
        k->facts.pending |= 1U << si->ssi_signo;
}

void
signals_read(struct keeper *k, int64_t now_us)
{
    struct signalfd_siginfo si;

    while (read(k->signal_fd, &si, sizeof si) == (ssize_t)sizeof si)
        take(k, &si, now_us);
}

void
signals_forward(struct keeper *k)
{
    for (int sig = 1; k->facts.pending != 0 && sig < 32; sig++) {
        uint32_t bit = 1U << sig;

        if (!(k->facts.pending & bit))
            continue;
        k->facts.pending &= ~bit;
        if (pidfd_send_signal(k->master.pidfd, sig, NULL, 0) == -1) {
            k->facts.pending |= bit; /* it is dead: the next one gets it */
            return;
        }
    }
}
