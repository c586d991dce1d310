/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/plain.h"
#include "base/units.h"
#include "supervisor/io/lint_state.h"
#include "supervisor/probe/registry.h"

/*
 * Whose line it is: by the number of the thread in it, or by its name, in the registry of the worker. A
 * registry is some microseconds to copy, and lines may come by the million: what was found holds for a
 * second, and so many registries are read in one and no more. A line beyond that is counted by its own words.
 */
#define KNOWN       64
#define KNOWN_US    US_PER_S
#define LOOKS       50                   /* a second */
#define NAME_DIGEST UINT32_C(0x80000000) /* in place of a number that is not there */

static void
copy_name(char *to, size_t size, const char *bytes, size_t n)
{
    n = n < size - 1 ? n : size - 1;
    if (n > 0)
        memcpy(to, bytes, n);
    to[n] = '\0';
    plain_text(to);
}

/* Threads without a number in their lines are kept apart by their names. */
static uint32_t
key_of(const struct lint_found *f)
{
    uint32_t hash = 5381;

    if (f->tid > 0 && f->tid < NAME_DIGEST)
        return (uint32_t)f->tid;
    if (f->thread.n == 0)
        return 0;
    for (size_t i = 0; i < f->thread.n && i < 48; i++)
        hash = hash * 33 + (unsigned char)f->thread.at[i];
    return hash | NAME_DIGEST;
}

static void
take_claim(const struct registry_thread *t, struct lint_thread *ret)
{
    const struct claim *c = &t->claim;

    (void)snprintf(ret->name, sizeof(ret->name), "%s", c->name);
    if (c->creator_file[0])
        (void)snprintf(ret->creator, sizeof(ret->creator), "%s at %.96s:%u", c->creator_function,
                       c->creator_file, c->creator_line);
    else
        (void)snprintf(ret->creator, sizeof(ret->creator), "%s", c->creator_name);
    ret->has_trace = c->trace_id[0] != '\0' && strspn(c->trace_id, "0") < 32;
}

/* The last one of that number or name: an earlier one does not print any more. */
static const struct registry_thread *
last_of(const struct registry_thread *of, size_t n, const struct lint_found *f)
{
    for (size_t i = n; i > 0; i--) {
        const struct registry_thread *t = &of[i - 1];

        if (f->tid > 0 ? t->tid == (pid_t)f->tid
                       : strlen(t->claim.name) == f->thread.n &&
                             memcmp(t->claim.name, f->thread.at, f->thread.n) == 0)
            return t;
    }
    return NULL;
}

/* A thread may have ended before its line is read: the registry remembers the last ones for a while. */
static void
look_in_registry(const struct lint_seen *line, struct lint_thread *ret)
{
    const struct registry_thread *found;
    struct registry_view view = {0};
    struct error err;

    if (registry_read(line->from->registry_fd, &view, &err) < 0)
        return;
    found = last_of(view.threads, view.n, &line->found);
    if (!found)
        found = last_of(view.ended, view.n_ended, &line->found);
    if (found)
        take_claim(found, ret);
    registry_view_finish(&view);
}

/* The kernel's word for a thread that is not registered. */
static void
look_in_proc(const struct lint_seen *line, struct lint_thread *ret)
{
    auto_fd int fd = -1;
    char path[64], name[64];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)line->from->pid,
                   (int)line->found.tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, name, sizeof(name)) : 0;
    if (n > 1)
        copy_name(ret->name, sizeof(ret->name), name, (size_t)n - 1);
}

static bool
may_look(struct lint *l, int64_t now_us)
{
    if (now_us - l->looks_from_us >= US_PER_S) {
        l->looks_from_us = now_us;
        l->looks = 0;
    }
    return l->looks++ < LOOKS;
}

static struct lint_known *
place_of(struct lint *l, pid_t pid, uint32_t key)
{
    if (!l->known)
        l->known = calloc(KNOWN, sizeof(*l->known));
    return l->known ? &l->known[(key ^ (uint32_t)pid * 31) % KNOWN] : NULL;
}

void
lint_who(struct lint *l, const struct lint_seen *line, struct lint_thread *ret)
{
    uint32_t key = key_of(&line->found);
    struct lint_known *k = key ? place_of(l, line->from->pid, key) : NULL;
    int64_t now_us;

    if (!k)
        return;
    now_us = mono_now_us();
    if (k->pid == line->from->pid && k->tid == key && now_us < k->until_us) {
        *ret = k->is;
        return;
    }
    copy_name(ret->name, sizeof(ret->name), line->found.thread.at, line->found.thread.n);
    if (!may_look(l, now_us))
        return;
    if (line->from->registry_fd >= 0)
        look_in_registry(line, ret);
    if (ret->name[0] == '\0' && line->found.tid > 0)
        look_in_proc(line, ret);
    *k = (struct lint_known){line->from->pid, key, now_us + KNOWN_US, *ret};
}
