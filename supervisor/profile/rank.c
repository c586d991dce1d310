/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"
#include "supervisor/profile/draw.h"
#include "supervisor/profile/profile.h"

/* The functions of a profile, and how much each has. */

struct ranked {
    struct table_node node;
    struct profile_top top;
    size_t seen; /* number of the last sample that had it, plus one: recursion counts once */
};

struct ranking {
    struct table by_name;
    struct ranked **all; /* owned, each */
    size_t n, room;
    size_t type;
};

static struct ranked *
ranked_new(struct ranking *r, const struct profile_line *l, const char *name, uint64_t key)
{
    struct ranked *made;

    if (r->n == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        struct ranked **all = reallocarray(r->all, room, sizeof(struct ranked *));

        if (!all)
            return NULL;
        r->all = all;
        r->room = room;
    }
    made = calloc(1, sizeof(*made));
    if (!made)
        return NULL;
    (void)snprintf(made->top.room, sizeof(made->top.room), "%s", name);
    made->top.function = l->function[0] ? l->function : NULL; /* NULL: its own room, see finish() */
    made->top.file = l->file;
    table_add(&r->by_name, &made->node, key);
    r->all[r->n++] = made;
    return made;
}

static struct ranked *
ranked_find(struct ranking *r, const struct profile_line *l)
{
    char unnamed[80];
    const char *name = l->function;
    struct table_node *t;
    uint64_t key;

    if (name[0] == '\0') {
        (void)snprintf(unnamed, sizeof(unnamed), "%.40s 0x%" PRIx64, l->module, l->address);
        name = unnamed;
    }
    key = table_key(name);
    for (t = table_find(&r->by_name, key); t; t = table_next(t)) {
        struct ranked *found = container_of(t, struct ranked, node);

        if (strcmp(found->top.function ? found->top.function : found->top.room, name) == 0)
            return found;
    }
    return ranked_new(r, l, name, key);
}

static int
count(void *env, const struct profile_view *v)
{
    struct ranking *r = env;
    int64_t value = v->values[r->type];

    for (size_t i = 0; i < v->n_lines; i++) {
        struct ranked *f = ranked_find(r, &v->lines[i]);

        if (!f)
            return -ENOMEM;
        if (i == 0 && __builtin_add_overflow(f->top.flat, value, &f->top.flat))
            f->top.flat = INT64_MAX;
        if (f->seen != v->sample + 1 && __builtin_add_overflow(f->top.cum, value, &f->top.cum))
            f->top.cum = INT64_MAX;
        f->seen = v->sample + 1;
    }
    return 0;
}

static uint64_t
size_of(int64_t n)
{
    return n < 0 ? -(uint64_t)n : (uint64_t)n;
}

static int
by_size(const void *a, const void *b)
{
    const struct profile_top *x = a, *y = b;

    if (x->flat != y->flat)
        return size_of(x->flat) > size_of(y->flat) ? -1 : 1;
    if (x->cum != y->cum)
        return size_of(x->cum) > size_of(y->cum) ? -1 : 1;
    return strcmp(x->function ? x->function : x->room, y->function ? y->function : y->room);
}

static int
hand_out(const struct ranking *r, struct profile_top **ret, size_t *ret_n)
{
    struct profile_top *all = calloc(r->n + 1, sizeof(*all));
    size_t n = 0;

    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < r->n; i++)
        if (r->all[i]->top.flat != 0 || r->all[i]->top.cum != 0)
            all[n++] = r->all[i]->top;
    qsort(all, n, sizeof(*all), by_size);
    for (size_t i = 0; i < n; i++)
        if (!all[i].function)
            all[i].function = all[i].room;
    *ret = all;
    *ret_n = n;
    return 0;
}

int
profile_rank(const struct profile *p, size_t type, struct profile_top **ret, size_t *ret_n)
{
    struct ranking r = {.type = type};
    int e = profile_each(p, count, &r);

    e = e < 0 ? e : hand_out(&r, ret, ret_n);
    for (size_t i = 0; i < r.n; i++)
        free(r.all[i]);
    free(r.all);
    table_finish(&r.by_name);
    return e;
}

char *
profile_amount(int64_t value, const char *unit, char *buf, size_t room)
{
    static const struct {
        const char *unit, *name;
        double size;
    } units[] = {
        {"nanoseconds", "s",   1e9       },
        {"nanoseconds", "ms",  1e6       },
        {"nanoseconds", "us",  1e3       },
        {"bytes",       "GiB", 1073741824},
        {"bytes",       "MiB", 1048576   },
        {"bytes",       "KiB", 1024      },
        {"bytes",       "B",   1         },
    };
    double n = (double)value, size = n < 0 ? -n : n;

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(units[i].unit, unit) == 0 && size >= units[i].size) {
            (void)snprintf(buf, room, "%.2f %s", n / units[i].size, units[i].name);
            return buf;
        }
    (void)snprintf(buf, room, "%" PRId64, value);
    return buf;
}
