/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/schema.h"

#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/units.h"
#include "config/words.h"

#define SERVICE(member)  offsetof(struct service_spec, member)
#define EXPORT(member)   offsetof(struct spec, export.member)
#define LISTENER(member) offsetof(struct listener_spec, member)
#define BUDGET(member)   offsetof(struct leak_budget, member)
#define DEADLINE(member) offsetof(struct service_spec, deadlines.member)
#define MS(n)            ((n)*US_PER_MS)
#define S(n)             ((n)*US_PER_S)
#define H(n)             S((n)*INT64_C(3600))
#define D(n)             H((n)*INT64_C(24))

const struct key schema_keys[] = {
#define KEY(object_, name_, kind_, offset_, arg_, min_, max_, fallback_, reload_, help_) \
    {.object = OBJECT_##object_,                                                         \
     .name = #name_,                                                                     \
     .type = &type_##kind_,                                                              \
     .offset = (offset_),                                                                \
     .arg = (arg_),                                                                      \
     .min = (min_),                                                                      \
     .max = (max_),                                                                      \
     .fallback = (fallback_),                                                            \
     .reload = RELOAD_##reload_,                                                         \
     .help = (help_)},
#include "config/schema.def"
#undef KEY
};

const size_t schema_n = ARRAY_LEN(schema_keys);

const char *
object_name(enum object o)
{
    static const char *const names[OBJECT_COUNT] = {
        [OBJECT_CONFIG] = "configuration",
        [OBJECT_LOG] = "log",
        [OBJECT_SERVICE] = "service",
        [OBJECT_LISTENER] = "listener",
        [OBJECT_READY] = "ready",
        [OBJECT_WATCH] = "watch",
        [OBJECT_CHECK] = "check",
        [OBJECT_LIMITS] = "limits",
        [OBJECT_LIMIT_PAIR] = "limit_pair",
        [OBJECT_RESPAWN] = "respawn",
        [OBJECT_BACKOFF] = "backoff",
        [OBJECT_RESPAWN_LIMIT] = "respawn_limit",
        [OBJECT_SERVICE_LOG] = "service_log",
        [OBJECT_HOOKS] = "hooks",
        [OBJECT_BEFORE_START] = "before_start",
        [OBJECT_ANNOUNCE] = "announce",
        [OBJECT_RETIRED] = "retired",
        [OBJECT_RESTART_AFTER] = "restart_after",
        [OBJECT_TRACE] = "trace",
        [OBJECT_LEAK_BUDGET] = "leak_budget",
        [OBJECT_DEADLINES] = "deadlines",
        [OBJECT_HANDOFF] = "handoff",
        [OBJECT_PREFLIGHT] = "preflight",
        [OBJECT_PREFLIGHT_LOAD] = "preflight_load",
        [OBJECT_PROFILING] = "profiling",
        [OBJECT_EXPORT] = "export",
    };

    return names[o];
}

const char *
object_place(enum object o)
{
    static const char *const places[OBJECT_COUNT] = {
        [OBJECT_CONFIG] = "the main file, at the top",
        [OBJECT_LOG] = "'log'",
        [OBJECT_SERVICE] = "a service",
        [OBJECT_LISTENER] = "a socket of 'listen'",
        [OBJECT_READY] = "'ready'",
        [OBJECT_WATCH] = "'watch'",
        [OBJECT_HOOKS] = "'hooks'",
        [OBJECT_BEFORE_START] = "a hook",
        [OBJECT_ANNOUNCE] = "a hook",
        [OBJECT_RETIRED] = "a hook",
        [OBJECT_CHECK] = "'check'",
        [OBJECT_LIMITS] = "'limits'",
        [OBJECT_LIMIT_PAIR] = "one of 'limits'",
        [OBJECT_RESPAWN] = "'respawn'",
        [OBJECT_BACKOFF] = "'backoff' of 'respawn'",
        [OBJECT_RESPAWN_LIMIT] = "'limit' of 'respawn'",
        [OBJECT_SERVICE_LOG] = "'log' of a service",
        [OBJECT_RESTART_AFTER] = "'restart_after'",
        [OBJECT_TRACE] = "'trace'",
        [OBJECT_LEAK_BUDGET] = "an entry of 'leak_budget'",
        [OBJECT_DEADLINES] = "'deadlines'",
        [OBJECT_HANDOFF] = "'handoff'",
        [OBJECT_PREFLIGHT] = "'preflight'",
        [OBJECT_PREFLIGHT_LOAD] = "'load' of 'preflight'",
        [OBJECT_PROFILING] = "'profiling'",
        [OBJECT_EXPORT] = "'export'",
    };

    return places[o];
}

const struct key *
schema_find(enum object o, const char *name)
{
    schema_for_each(k, o) if (strcmp(k->name, name) == 0) return k;
    return NULL;
}
