/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/io/survey.h"
#include "supervisor/probe/proc.h"

/* A list of processes is old when it has been read: it is read again until all of them outlived that. */
#define TRIES    20
#define PAUSE_NS 5000000L
#define CALM     3

static bool
add(struct survey_unknown *u, const struct proc_stat *child)
{
    if (proc_is_dead(child)) {
        u->moved = true;
        return true;
    }
    for (size_t i = 0; i < u->n; i++)
        if (u->of[i] == child->pid)
            return true;
    u->cut = u->n == SURVEY_UNKNOWN;
    if (!u->cut)
        u->of[u->n++] = child->pid;
    return !u->cut;
}

static bool
is_known(void *env, pid_t pid)
{
    struct survey_unknown *u = env;
    bool known = pid == getpid() || pid == u->rq->top[0] || u->rq->is_known(u->rq->env, pid);

    u->asked += !known;
    return known;
}

static bool
on_child(void *env, const struct proc_stat *child)
{
    struct survey_unknown *u = env;

    u->came++;
    return add(u, child);
}

static void
on_hidden(void *env, pid_t pid)
{
    struct survey_unknown *u = env;

    u->first_hidden = u->hidden++ ? u->first_hidden : pid;
}

/* Else those of all processes are asked about, and who of them is gone may have been anybody's child. */
static bool
is_listed(pid_t pid)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    return access(path, R_OK) == 0;
}

/* Return: everybody whom the kernel told lived until the end. */
static bool
find_once(struct survey_unknown *u)
{
    struct proc_stat st;
    bool all = true;

    *u = (struct survey_unknown){.rq = u->rq};
    for (size_t i = 0; i < 2; i++)
        if (u->rq->top[i] > 0) {
            (void)proc_children(u->rq->top[i], is_known, on_child, u); /* none may be seen */
            all = all && (u->asked == u->came || !is_listed(u->rq->top[i]));
            proc_hidden_children(u->rq->top[i], is_known, on_hidden, u);
            u->asked = u->came = 0;
        }
    for (size_t i = 0; i < u->n && !u->cut; i++) {
        (void)proc_children(u->of[i], NULL, on_child, u);
        proc_hidden_children(u->of[i], NULL, on_hidden, u);
    }
    for (size_t i = 0; i < u->n; i++)
        all = all && proc_stat_read(u->of[i], &st) == 0 && !proc_is_dead(&st);
    return (all && !u->moved) || u->hidden > 0;
}

static bool
is_same(const struct survey_unknown *a, const struct survey_unknown *b)
{
    return a->n == b->n && memcmp(a->of, b->of, a->n * sizeof(a->of[0])) == 0;
}

/*
 * Who forks and ends and forks is never there when he is looked at, and there all the time; and a list of
 * children may lack one who comes while it is read. So once somebody moved, nobody may for some looks.
 */
void
survey_unknown(const struct survey_request *rq, struct survey_unknown *u)
{
    static struct survey_unknown before;
    const struct timespec pause = {0, PAUSE_NS};
    int calm = 0, enough = rq->insist ? CALM : 1;

    u->rq = rq;
    for (int i = 0; i < TRIES; i++) {
        if (find_once(u) && (i == 0 || is_same(u, &before))) {
            calm++;
        } else {
            calm = 0;
            enough = CALM;
        }
        if (calm == enough)
            return;
        before = *u;
        (void)nanosleep(&pause, NULL);
    }
    u->restless = true;
}
