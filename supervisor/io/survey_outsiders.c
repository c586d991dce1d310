/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/survey.h"
#include "supervisor/probe/capture_peers.h"
#include "supervisor/probe/proc.h"

/*
 * Descriptors may be sent to anybody, so everybody is asked: all of /proc, once for all generations of a
 * helper, within a bound. Who comes from us is looked at as such, and has what it was given; who started
 * us gave us sockets, or keeps them for us. The rest are outsiders.
 */

#define FDS_MAX       262144             /* descriptors of all processes together */
#define SCAN_CPU_US   (200 * US_PER_MS)  /* what others take of the processor does not count … */
#define SCAN_US       (1200 * US_PER_MS) /* … as long as there is time */
#define ANCESTORS_MAX 128                /* a longer chain is one that changed while it was read */
#define ABOVE_MAX     32                 /* who started us, and whoever started that */
#define KERNEL_THREAD 0x00200000U        /* the kernel's PF_KTHREAD: not in any header for us */

/* What is looked for. Sorted by inode, which comes first for that. */
struct want {
    uint64_t inode;
    unsigned subject;
};

struct scan {
    const struct survey_request *rq;
    struct outsiders *found;
    struct want *of; /* owned */
    size_t n, fds;
    int64_t until_us, cpu_until_us;
    pid_t above[ABOVE_MAX];
    size_t n_above;
};

static int64_t
cpu_us(void)
{
    struct timespec used;

    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0
               ? used.tv_sec * US_PER_S + used.tv_nsec / 1000
               : 0;
}

static int
by_inode(const void *a, const void *b)
{
    const struct want *x = a, *y = b;

    return (x->inode > y->inode) - (x->inode < y->inode);
}

static bool
collect(struct scan *s)
{
    s->of = calloc(s->rq->n * HELD_MAX + 1, sizeof(*s->of));
    for (size_t i = 0; s->of && i < s->rq->n; i++)
        for (size_t k = 0; k < HELD_MAX && s->rq->of[i].held[k].inode; k++)
            s->of[s->n++] = (struct want){s->rq->of[i].held[k].inode, (unsigned)i};
    if (s->of)
        qsort(s->of, s->n, sizeof(*s->of), by_inode);
    return s->of != NULL;
}

/* Whose child is the keeper, and so on. */
static void
find_above(struct scan *s)
{
    struct proc_stat st;
    pid_t pid = s->rq->top[1] > 0 ? s->rq->top[1] : s->rq->top[0];

    while (s->n_above < ABOVE_MAX && pid > 0 && proc_stat_read(pid, &st) == 0 && st.ppid > 0)
        s->above[s->n_above++] = pid = st.ppid;
}

static bool
is_above(const struct scan *s, pid_t pid)
{
    for (size_t i = 0; i < s->n_above; i++)
        if (s->above[i] == pid)
            return true;
    return false;
}

/*
 * Is it a worker that lives, or comes from one, which was given that? Or comes from us without one? 0: an
 * inode nobody has, so that only "is it ours" is asked.
 */
static bool
is_ours(const struct scan *s, pid_t pid, uint64_t inode)
{
    const struct survey_request *rq = s->rq;
    struct proc_stat st;
    int r;

    for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++, pid = st.ppid) {
        if (pid == getpid() || pid == rq->top[0] || pid == rq->top[1])
            return true;
        r = rq->was_given(rq->env, pid, inode);
        if (r >= 0)
            return r > 0 || inode == 0;
        if (proc_stat_read(pid, &st) < 0)
            return true; /* it is gone, and holds nothing */
    }
    return false;
}

static void
note(struct outsiders *found, pid_t pid, unsigned subject)
{
    size_t i = found->n;

    if (found->n > 0 && found->who[found->n - 1].pid == pid)
        i = found->n - 1; /* one after the other */
    if (i == OUTSIDERS_MAX) {
        found->more++;
        return;
    }
    found->who[i].pid = pid;
    found->who[i].of |= UINT64_C(1) << subject;
    found->n = i + 1;
}

static void
on_end(struct scan *s, pid_t pid, uint64_t inode)
{
    size_t i = inode_first(s->of, s->n, sizeof(*s->of), inode);

    if (i == s->n || s->of[i].inode != inode || is_ours(s, pid, inode))
        return;
    for (; i < s->n && s->of[i].inode == inode; i++)
        note(s->found, pid, s->of[i].subject);
}

/* Its descriptors may not be seen: does it have any, and is it for us to wonder? */
static bool
is_unread(const struct scan *s, pid_t pid)
{
    struct proc_stat st;

    return proc_stat_read(pid, &st) == 0 && !(st.flags & KERNEL_THREAD) && !proc_is_dead(&st) &&
           !is_ours(s, pid, 0);
}

/* Its first thread has ended, and with it went its descriptors: those of the others are there. */
static DIR *
fds_of_voice(pid_t pid)
{
    struct proc_stat st;
    char number[16];

    if (proc_stat_read(pid, &st) < 0 || st.state != 'Z' || proc_is_dead(&st))
        return NULL;
    (void)snprintf(number, sizeof(number), "%d", (int)proc_voice(&st));
    return fds_open(number);
}

/* Return: all of it was seen, or need not be. */
static bool
ask_all_of(struct scan *s, pid_t pid, DIR *d, bool *ret_none)
{
    size_t n = 0;

    for (struct dirent *e;
         (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        struct end end;

        if (e->d_name[0] == '.')
            continue;
        n++;
        if (++s->fds > FDS_MAX)
            return false;
        if (end_read(dirfd(d), e->d_name, &end))
            on_end(s, pid, end.inode);
    }
    *ret_none = n == 0;
    return true;
}

static bool
ask(struct scan *s, pid_t pid, const char *name)
{
    auto_dir DIR *d = fds_open(name), *voice = NULL;
    bool none = false;

    if (!d)
        return (errno != EACCES && errno != EPERM) || !is_unread(s, pid);
    if (!ask_all_of(s, pid, d, &none))
        return false;
    voice = none ? fds_of_voice(pid) : NULL;
    return !voice || ask_all_of(s, pid, voice, &none);
}

static bool
is_late(const struct scan *s)
{
    return mono_now_us() > s->until_us || cpu_us() > s->cpu_until_us;
}

void
outsiders_find(const struct survey_request *rq, struct outsiders *ret)
{
    struct scan s = {.rq = rq,
                     .found = ret,
                     .until_us = mono_now_us() + SCAN_US,
                     .cpu_until_us = cpu_us() + SCAN_CPU_US};
    auto_dir DIR *d = NULL;

    *ret = (struct outsiders){.unread = 0};
    if (!collect(&s))
        ret->unread++;
    if (s.n > 0) {
        find_above(&s);
        ret->unread += proc_hides(); /* nobody knows how many */
        d = opendir("/proc");
        ret->unread += d == NULL;
    }
    for (struct dirent *e;
         d && (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

        if (pid <= 0 || pid == getpid() || is_above(&s, pid) || pid == rq->top[0] ||
            pid == rq->top[1])
            continue;
        if (s.fds > FDS_MAX || is_late(&s) || !ask(&s, pid, e->d_name))
            ret->unread++;
    }
    free(s.of);
}
