/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/orphans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/plain.h"
#include "supervisor/probe/proc.h"

int
subreaper_set(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1 ? -errno : 0;
}

struct search {
    bool (*is_known)(void *env, pid_t pid);
    void (*on_orphan)(void *env, struct orphan *o);
    void (*on_reaped)(void *env, const struct stranger *s);
    void *env;
    int n;
};

static uint64_t
environ_number(pid_t pid, const char *name)
{
    char text[32];

    return proc_environ_get(pid, name, text, sizeof(text)) == 0 ? strtoull(text, NULL, 10) : 0;
}

/* attribute - what its environment says: it was given to the worker, and inherited. */
static void
attribute(struct orphan *o, pid_t voice)
{
    o->spawn_id = environ_number(voice, "STINT_SPAWN_ID");
    o->generation = environ_number(voice, "STINT_GENERATION");
    o->slot = (unsigned)environ_number(voice, "STINT_SLOT");
    if (proc_environ_get(voice, "STINT_SERVICE", o->service, sizeof(o->service)) < 0)
        o->service[0] = '\0';
    plain_text(o->service);
}

int
orphan_read(pid_t pid, struct orphan *ret)
{
    struct proc_stat st;
    int r = proc_stat_read(pid, &st);

    if (r < 0)
        return r;
    *ret = (struct orphan){
        .pid = pid, .pidfd = -1, .start_time = st.start_time, .session = st.session};
    attribute(ret, proc_voice(&st));
    return 0;
}

static bool
known(void *env, pid_t pid)
{
    struct search *s = env;

    return s->is_known(s->env, pid);
}

static bool
on_living_child(void *env, const struct proc_stat *child)
{
    struct search *s = env;
    struct proc_stat now;
    struct orphan o = {
        .pid = child->pid, .pidfd = -1, .start_time = child->start_time, .session = child->session};

    if (proc_is_dead(child))
        return true;
    memcpy(o.comm, child->comm, sizeof(o.comm));
    plain_text(o.comm);
    o.pidfd = pidfd_open(child->pid, 0);
    if (o.pidfd == -1) /* gone; or no descriptor is left, and the next search finds it */
        return true;
    /* the number may have a new owner; a child of ours that we did not reap keeps its own */
    if (proc_stat_read(child->pid, &now) == 0 && now.start_time == child->start_time) {
        attribute(&o, proc_voice(&now));
        s->on_orphan(s->env, &o);
        s->n++;
    }
    (void)fd_close(o.pidfd);
    return true;
}

/* Of one that /proc does not show the kernel tells the session all the same. */
static void
on_hidden_child(void *env, pid_t pid)
{
    struct search *s = env;
    struct orphan o = {.pid = pid, .hidden = true, .comm = "?"};

    o.pidfd = pidfd_open(pid, 0);
    if (o.pidfd == -1)
        return;
    o.session = getsid(pid);
    if (o.session > 0 && proc_hidden(pid)) {
        s->on_orphan(s->env, &o);
        s->n++;
    }
    (void)fd_close(o.pidfd);
}

int
orphans_find(pid_t parent, bool (*is_known)(void *env, pid_t pid),
             void (*on_orphan)(void *env, struct orphan *o), void *env, struct error *reterr)
{
    struct search s = {.is_known = is_known, .on_orphan = on_orphan, .env = env};
    int r = proc_children(parent, known, on_living_child, &s);

    proc_hidden_children(parent, known, on_hidden_child, &s);
    return r < 0 ? error_set(reterr, r, "look for orphans") : s.n;
}

/* reap - a dead child that nobody knows. It keeps its name until it is reaped, so ask before. */
static void
reap(struct search *s, pid_t pid, const struct proc_stat *st)
{
    struct stranger dead = {.pid = pid, .session = st->session};

    memcpy(dead.comm, st->comm, sizeof(dead.comm));
    plain_text(dead.comm);
    if (waitpid(pid, &dead.wait_status, WNOHANG) != pid)
        return;
    s->n++;
    s->on_reaped(s->env, &dead);
}

static bool
on_dead_child(void *env, const struct proc_stat *child)
{
    struct search *s = env;

    if (child->state == 'Z')
        reap(s, child->pid, child);
    return s->n < STRANGERS_MAX;
}

/*
 * waitid(P_ALL) shows the first dead child again and again. As long as that is a stranger, reaping
 * it shows the next. When it is a known one it hides those behind it, and only /proc has them.
 */
int
strangers_reap(bool (*is_known)(void *env, pid_t pid),
               void (*on_reaped)(void *env, const struct stranger *s), void *env)
{
    struct search s = {.is_known = is_known, .on_reaped = on_reaped, .env = env};

    while (s.n < STRANGERS_MAX) {
        struct proc_stat st = {0};
        siginfo_t info = {0};
        int before = s.n;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1)
            return errno == ECHILD ? s.n : -errno;
        if (info.si_pid == 0)
            break;
        if (is_known(env, info.si_pid)) {
            int r = proc_children(getpid(), known, on_dead_child, &s);

            return r < 0 ? r : s.n;
        }
        (void)proc_stat_read(info.si_pid, &st); /* nameless at worst */
        reap(&s, info.si_pid, &st);
        if (s.n == before) /* it cannot be: but never spin on it */
            break;
    }
    return s.n;
}
