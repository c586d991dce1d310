/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LINT_STATE_H
#define STINT_IO_LINT_STATE_H

/* What lint.c (counting) and lint_who.c (whose line it is) share. */
#include "supervisor/io/lint.h"
#include "supervisor/io/lint_memory.h"

/* A thread as its line, the registry and the kernel know it. */
struct lint_thread {
    char name[48], creator[160];
    bool has_trace; /* it says so in the registry */
};

/* … and for how long that is believed. */
struct lint_known {
    pid_t pid;
    uint32_t tid; /* 0 = free */
    int64_t until_us;
    struct lint_thread is;
};

struct lint_seen {
    const struct lint_origin *from;
    const char *bytes;
    size_t n;
    struct lint_found found;
};

struct lint_shapes;

struct lint {
    struct lint_keys keys; /* its names are those below */
    char trace_key[LINT_NAME_MAX], span_key[LINT_NAME_MAX];
    struct lint_place at; /* where it is counted … */
    struct lint_head
        own; /* … unless that is told: here, and then the rest is owned, NULL until there is some */
    struct lint_shapes *shapes; /* owned; NULL until a line had both ids */
    struct lint_known *known;   /* owned; NULL until somebody was asked about */
    int64_t looks_from_us;      /* registries are read so many times a second at most … */
    unsigned looks;             /* … since then */
    void (*found)(void *env, const struct lint_finding *f);
    void *env;
};

/* lint_who - the thread that printed @line, where the line says. All empty: it does not. */
void lint_who(struct lint *l, const struct lint_seen *line, struct lint_thread *ret);

#endif
