/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/kinds.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

#define TYPES_MAX 4

static const struct kind {
    const char *name, *default_type;
    struct profile_type types[TYPES_MAX];
    size_t n_types;
    profile_kind_fn *take; /* NULL: not in this build */
} kinds[PROFILE_KIND_COUNT] = {
    [PROFILE_CPU] = {.name = "cpu",
                     .default_type = "cpu",
                     .types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
                     .n_types = 2,
                     .take = profile_cpu    },
    [PROFILE_HEAP] = {.name = "heap",
                     .default_type = "inuse_space",
                     .types = {{"alloc_objects", "count"},
                                {"alloc_space", "bytes"},
                                {"inuse_objects", "count"},
                                {"inuse_space", "bytes"}},
                     .n_types = 4,
                     .take = profile_heap   },
    [PROFILE_THREADS] = {.name = "threads",
                     .default_type = "threads",
                     .types = {{"threads", "count"}},
                     .n_types = 1,
                     .take = profile_threads},
};

const char *const profile_identity[] = {"generation", "slot",  "pid",         "trace_id", "thread",
                                        "creator",    "state", "wait_object", "verdict",  NULL};

const char *
profile_kind_name(enum profile_kind kind)
{
    return kinds[kind].name;
}

enum profile_kind
profile_kind_named(const char *name)
{
    enum profile_kind kind = 0;

    while (kind < PROFILE_KIND_COUNT && strcmp(kinds[kind].name, name) != 0)
        kind++;
    return kind;
}

int
profile_for(enum profile_kind kind, struct profile **ret)
{
    const struct kind *k = &kinds[kind];

    return profile_new(ret, k->types, k->n_types, k->default_type);
}

int
profile_take(enum profile_kind kind, struct profile *p, const struct profile_target *t,
             const struct profile_wish *w, struct error *reterr)
{
    if (!kinds[kind].take)
        return error_say(reterr, -EOPNOTSUPP, "this stint cannot make %s profiles",
                         kinds[kind].name);
    return kinds[kind].take(p, t, w, reterr);
}

size_t
profile_whose(const struct profile_target *t, struct profile_label ret[PROFILE_TARGET_LABELS])
{
    size_t n = 0;

    ret[n++] = (struct profile_label){.key = "pid", .number = t->pid};
    if (!t->service)
        return n;
    ret[n++] = (struct profile_label){.key = "service", .text = t->service};
    ret[n++] = (struct profile_label){.key = "generation", .number = (int64_t)t->generation};
    ret[n++] = (struct profile_label){.key = "slot", .number = t->slot, .unit = "slot"};
    return n;
}
