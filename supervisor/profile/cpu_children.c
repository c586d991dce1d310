/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/cpu_children.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/plain.h"
#include "base/text.h"
#include "supervisor/probe/proc.h"
#include "supervisor/profile/profile.h"

#define FAMILY_MAX 512
#define NAMED_MAX  8

struct member {
    pid_t pid;
    uint64_t start_time, ticks;
    char comm[sizeof(((struct proc_stat *)0)->comm)];
};

struct family {
    struct member of[FAMILY_MAX];
    size_t n, left_out;
    uint64_t ended_ticks; /* of children of theirs that ended and were waited for */
};

struct cpu_children {
    pid_t worker;
    struct family before, after;
};

static bool
on_child(void *env, const struct proc_stat *child)
{
    struct family *f = env;
    struct member *m = &f->of[f->n];

    if (f->n == FAMILY_MAX) {
        f->left_out++;
        return true;
    }
    *m = (struct member){child->pid, child->start_time, child->cpu_ticks, ""};
    memcpy(m->comm, child->comm, sizeof(m->comm));
    plain_text(m->comm);
    f->ended_ticks += child->children_ticks;
    f->n++;
    return true;
}

/* Return: false: it is gone, and who they were is not known. */
static bool
look(pid_t worker, struct family *f)
{
    struct proc_stat stat;

    if (proc_stat_read(worker, &stat) < 0 || stat.state == 'Z')
        return false;
    f->ended_ticks = stat.children_ticks;
    (void)proc_children(worker, NULL, on_child, f);
    for (size_t i = 0; i < f->n; i++)
        (void)proc_children(f->of[i].pid, NULL, on_child, f);
    return true;
}

struct cpu_children *
cpu_children_look(pid_t worker)
{
    struct cpu_children *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->worker = worker;
    (void)look(worker, &c->before); /* if it is gone, the other look says so */
    return c;
}

static uint64_t
used_meanwhile(const struct cpu_children *c, const struct member *m)
{
    for (size_t i = 0; i < c->before.n; i++) {
        const struct member *then = &c->before.of[i];

        if (then->pid == m->pid && then->start_time == m->start_time)
            return m->ticks > then->ticks ? m->ticks - then->ticks : 0;
    }
    return m->ticks; /* it began meanwhile */
}

static int
most_first(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return x->ticks < y->ticks ? 1 : x->ticks > y->ticks ? -1 : 0;
}

static void
add_seconds(struct text *to, uint64_t ticks)
{
    long hz = sysconf(_SC_CLK_TCK);
    uint64_t hundredths = hz > 0 ? ticks * 100 / (uint64_t)hz : ticks;

    text_addf(to, "%" PRIu64 ".%02" PRIu64 " s", hundredths / 100, hundredths % 100);
}

int
cpu_children_tell(struct cpu_children *c, struct profile *p)
{
    auto_text struct text words = TEXT_INIT;
    struct family *f = &c->after;
    uint64_t ended, rest = 0;

    if (!look(c->worker, f))
        return profile_comment(p, "processes that it started are not in it");
    ended = f->ended_ticks > c->before.ended_ticks ? f->ended_ticks - c->before.ended_ticks : 0;
    if (f->n == 0 && ended == 0)
        return profile_comment(p, "it had no children");
    for (size_t i = 0; i < f->n; i++)
        f->of[i].ticks = used_meanwhile(c, &f->of[i]);
    qsort(f->of, f->n, sizeof(f->of[0]), most_first);
    for (size_t i = 0; i < f->n && i < NAMED_MAX; i++) {
        text_addf(&words, "%s%d (%s) used ", i > 0 ? ", " : "", (int)f->of[i].pid, f->of[i].comm);
        add_seconds(&words, f->of[i].ticks);
    }
    for (size_t i = NAMED_MAX; i < f->n; i++)
        rest += f->of[i].ticks;
    if (f->n > NAMED_MAX) {
        text_addf(&words, ", %zu more ", f->n + f->left_out - NAMED_MAX);
        add_seconds(&words, rest);
    }
    if (ended > 0) {
        text_addf(&words, "%sthose that ended ", f->n > 0 ? ", " : "");
        add_seconds(&words, ended);
    }
    return profile_comment(p, "processes that it started are not in it: %s of CPU time",
                           text_str(&words));
}

void
cpu_children_free(struct cpu_children *c)
{
    free(c);
}
