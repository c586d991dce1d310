/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_NAMES_RESOLVE_H
#define STINT_PROBE_NAMES_RESOLVE_H

#include "supervisor/probe/names_internal.h"

struct dw;

/* One run of names_resolve(). */
struct resolving {
    struct names *owner; /* borrowed */
    size_t first, n;     /* in owner->wants */
    struct name *names;  /* one for each of them; in `shared` */
    struct dw *dw;       /* NULL = not loaded; the child's */
    struct {
        bool no_libdw, replaced;
        struct name names[];
    } * shared; /* by child and parent */
};

struct part {
    struct module *module;
    size_t *items; /* indices in resolving.names */
    size_t n;
};

/* resolve_all - in the child: everything that can be found, the most useful first. */
void resolve_all(struct resolving *all);
void resolve_part(struct resolving *all, struct part *part); /* of one module */

#endif
