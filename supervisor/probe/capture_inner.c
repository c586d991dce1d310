/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process in a pid namespace of its own knows its threads by other numbers than we do: in its locks
 * and in its registry are those. Nobody else's program is like that, so it costs one read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/capture_parts.h"

struct inner {
    pid_t inner, outer;
};

static int
by_inner(const void *a, const void *b)
{
    const struct inner *x = a, *y = b;

    return (x->inner > y->inner) - (x->inner < y->inner);
}

/* innermost - the last number of "NSpid:\t12\t3", and how many there are. 0: not told. */
static unsigned
innermost(const char *path, pid_t *ret)
{
    auto_free char *text = NULL;
    const char *at;
    unsigned n = 0;

    if (file_read(path, (size_t)64 << 10, &text, NULL, NULL) < 0)
        return 0;
    at = strstr(text, "\nNSpid:");
    if (!at)
        return 0;
    for (at += strlen("\nNSpid:"); *at == '\t' || *at == ' ';) {
        char *end;

        *ret = (pid_t)strtol(at, &end, 10);
        if (end == at)
            break;
        at = end;
        n++;
    }
    return n;
}

int
capture_inner_read(struct capture *c)
{
    const struct process_facts *f = c->facts;
    char path[64];
    pid_t pid;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)f->pid);
    if (innermost(path, &pid) <= 1)
        return 0;
    c->inner = calloc(f->n + 1, sizeof(*c->inner));
    if (!c->inner)
        return -ENOMEM;
    for (size_t i = 0; i < f->n && !capture_late(c); i++) {
        pid_t tid;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)f->pid,
                       (int)f->threads[i].tid);
        if (innermost(path, &tid) > 1)
            c->inner[c->n_inner++] = (struct inner){tid, f->threads[i].tid};
    }
    qsort(c->inner, c->n_inner, sizeof(*c->inner), by_inner);
    return 0;
}

pid_t
capture_outer(const struct capture *c, pid_t tid)
{
    const struct inner key = {.inner = tid};
    const struct inner *found;

    if (!c->inner)
        return tid;
    found = bsearch(&key, c->inner, c->n_inner, sizeof(key), by_inner);
    return found ? found->outer : 0;
}

pid_t
capture_inner(const struct capture *c, pid_t tid)
{
    for (size_t i = 0; i < c->n_inner; i++)
        if (c->inner[i].outer == tid)
            return c->inner[i].inner;
    return c->inner ? 0 : tid;
}
