/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "supervisor/keeper/state.h"

#define TURN_MAX        256 /* children; the next turn goes on */
#define STAT_START_TIME 22  /* its field in proc(5) */

/* The name and the start time of a zombie. Without /proc it is a death without a name. */
static void
identify(struct keeper_obituary *o)
{
    char path[32], text[1024];
    char *open_paren, *close_paren, *p;
    ssize_t n;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", o->pid);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

    n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (n <= 0)
        return;
    text[n] = '\0';
    open_paren = strchr(text, '(');
    close_paren = strrchr(text, ')'); /* the name may hold any of them */
    if (!open_paren || !close_paren || close_paren < open_paren)
        return;
    *close_paren = '\0';
    (void)snprintf(o->name, sizeof o->name, "%s", open_paren + 1);
    p = close_paren + 1;
    for (int field = 3; field < STAT_START_TIME && p; field++)
        p = strchr(p + 1, ' ');
    if (p)
        o->start_time = strtoull(p, NULL, 10);
}

static int
wait_status(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

static int64_t
time_us(const struct timeval *t)
{
    return t->tv_sec * US_PER_S + t->tv_usec;
}

/* Raw, because libc's has no rusage. */
static void
bury(struct keeper_obituary *o)
{
    struct rusage usage = {0};
    siginfo_t info = {0};

    if (syscall(SYS_waitid, P_PID, o->pid, &info, WEXITED | WNOHANG, &usage) == -1)
        return;
    o->user_us = time_us(&usage.ru_utime);
    o->system_us = time_us(&usage.ru_stime);
    o->rss_max_kib = usage.ru_maxrss;
}

void
reap_children(struct keeper *k, int64_t now_us)
{
    for (int i = 0; i < TURN_MAX; i++) {
        siginfo_t info = {0};
        struct keeper_obituary o = {.at_us = now_us};

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid == 0) {
            k->reap = false;
            return;
        }
        o.pid = info.si_pid;
        o.wait_status = wait_status(&info);
        if (o.pid == k->master.pid) {
            talk_hear(k, INT_MAX, now_us); /* its last words, before they are judged by its death */
            bury(&o);
            master_died(k, o.wait_status, now_us);
            if (k->done)
                return; /* the others may not be ours to bury any more */
            continue;
        }
        if (o.pid == k->facts.trial_pid) {
            bury(&o);
            trial_died(k);
            continue;
        }
        identify(&o);
        bury(&o);
        obituaries_add(&k->obituaries, &o);
    }
}
