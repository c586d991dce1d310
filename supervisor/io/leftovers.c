/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/cgroup_internal.h"
#include "supervisor/probe/proc.h"

#define ANCESTORS_MAX 128 /* a longer chain is one that changed while it was read */

struct found {
    struct {
        pid_t pid, worker;
    } of[LEFTOVERS_SEEN];
    pid_t members[LEFTOVERS_SEEN]; /* of the cgroup */
    size_t n;
    pid_t root;
};

static bool
has(const struct found *f, pid_t pid)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->of[i].pid == pid)
            return true;
    return false;
}

static bool
on_child(void *env, const struct proc_stat *child)
{
    struct found *f = env;

    if (f->n == LEFTOVERS_SEEN)
        return false;
    if (proc_is_dead(child) || has(f, child->pid))
        return true;
    f->of[f->n].pid = child->pid;
    f->of[f->n++].worker = f->root;
    return true;
}

static bool
is_known(const struct leftovers_request *rq, pid_t pid)
{
    for (size_t i = 0; i < rq->n_known; i++)
        if (rq->known[i] == pid)
            return true;
    return false;
}

/* Another worker's: it ends with that one. */
static bool
is_anothers(const struct leftovers_request *rq, pid_t pid)
{
    struct proc_stat st;

    for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++, pid = st.ppid) {
        if (is_known(rq, pid))
            return true;
        if (proc_stat_read(pid, &st) < 0)
            return false;
    }
    return false;
}

static void
find_members(const struct leftovers_request *rq, struct found *f)
{
    auto_fd int fd = open(rq->leaf, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int n = fd == -1 ? 0 : cgroup_pids(fd, f->members, LEFTOVERS_SEEN);

    for (int i = 0; i < n && f->n < LEFTOVERS_SEEN; i++) {
        pid_t pid = f->members[i];

        if (pid == rq->root || has(f, pid) ||
            (rq->whole ? is_known(rq, pid) : is_anothers(rq, pid)))
            continue;
        f->of[f->n++].pid = pid;
    }
}

int
leftovers_find(const struct leftovers_request *rq, struct leftovers *ret)
{
    auto_free struct found *f = calloc(1, sizeof(*f));
    struct leftovers l = {0};

    l.of = f ? calloc(rq->max + 1, sizeof(*l.of)) : NULL;
    if (!l.of)
        return -ENOMEM;
    f->root = rq->root;
    if (rq->root > 0)
        (void)proc_children(rq->root, NULL, on_child, f); /* it is gone, or none may be seen */
    for (size_t i = 0; i < f->n; i++)                     /* theirs come behind them */
        (void)proc_children(f->of[i].pid, NULL, on_child, f);
    if (rq->leaf)
        find_members(rq, f);
    for (size_t i = 0; i < f->n; i++) {
        if (l.n == rq->max) {
            l.total++;
            continue;
        }
        if (leftover_read(f->of[i].pid, &rq->look, &l.of[l.n]) < 0)
            continue;
        l.of[l.n++].worker = f->of[i].worker;
        l.total++;
    }
    *ret = l;
    return 0;
}

void
leftovers_finish(struct leftovers *l)
{
    free(l->of);
    *l = (struct leftovers){0};
}

void
leftovers_tell(const struct leftovers *l, const struct held *held, size_t most, struct text *out)
{
    if (l->total == 0)
        return;
    text_addf(out, l->total == 1 ? "%zu process of it is left: " : "%zu processes of it are left: ",
              l->total);
    for (size_t i = 0; i < l->n && i < most; i++) {
        text_addf(out, "%s%d ", i ? "; " : "", (int)l->of[i].pid);
        leftover_tell(&l->of[i], held, out);
    }
    if (l->total > most)
        text_addf(out, "; and %zu more", l->total - (l->n < most ? l->n : most));
}

json_t *
leftovers_json(const struct leftovers *l, const struct held *held)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < l->n; i++)
        (void)json_array_append_new(/* NULL: no memory, and then there are fewer */
                                    list, leftover_json(&l->of[i], held));
    return list;
}
