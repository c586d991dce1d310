/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

static const char *const worker_states[WORKER_STATE_COUNT] = {
    [WORKER_NONE] = "none",           [WORKER_STARTING] = "starting", [WORKER_READY] = "ready",
    [WORKER_DRAINING] = "draining",   [WORKER_LEAKED] = "leaked",     [WORKER_KILLED] = "killed",
    [WORKER_ABANDONED] = "abandoned", [WORKER_EXITED] = "exited",
};

static const char *const generation_states[GENERATION_STATE_COUNT] = {
    [GENERATION_NONE] = "none",         [GENERATION_STARTING] = "starting",
    [GENERATION_SOAKING] = "soaking",   [GENERATION_SERVING] = "serving",
    [GENERATION_DRAINING] = "draining", [GENERATION_PARKED] = "parked",
    [GENERATION_RETIRED] = "retired",   [GENERATION_COMPLETED] = "completed",
};

static const char *const reload_states[RELOAD_STATE_COUNT] = {
    [RELOAD_NO_STATE] = "none",        [RELOAD_IDLE] = "idle",
    [RELOAD_SETTLING] = "settling",    [RELOAD_WAITING] = "waiting",
    [RELOAD_LOOKING] = "looking",      [RELOAD_CHECKING] = "checking",
    [RELOAD_QUEUED] = "queued",        [RELOAD_RELIEVING] = "relieving",
    [RELOAD_HANDING] = "handing-over", [RELOAD_RESTORING] = "restoring",
    [RELOAD_ASKING] = "signalling",
};

static const char *const service_states[SERVICE_STATE_COUNT] = {
    [SERVICE_STOPPED] = "stopped",   [SERVICE_STARTING] = "starting",
    [SERVICE_RUNNING] = "running",   [SERVICE_RELOADING] = "reloading",
    [SERVICE_STOPPING] = "stopping", [SERVICE_BACKOFF] = "backoff",
    [SERVICE_FAILED] = "failed",     [SERVICE_COMPLETED] = "completed",
};

static const char *const effect_types[] = {
    [FX_LOOK] = "look",     [FX_CHECK] = "check",       [FX_SPAWN] = "spawn",
    [FX_OPEN] = "open",     [FX_CANCEL] = "cancel",     [FX_SIGNAL] = "signal",
    [FX_RELOAD] = "reload", [FX_EVIDENCE] = "evidence", [FX_INSPECT] = "inspect",
    [FX_KILL] = "kill",     [FX_DISCARD] = "discard",   [FX_RECORD] = "record",
    [FX_HOOK] = "hook",     [FX_UNHOOK] = "unhook",     [FX_SURVEY] = "survey",
};

static const char *const record_kinds[RECORD_KIND_COUNT] = {
    [RECORD_SERVICE] = "service",
    [RECORD_RELOAD] = "reload",
    [RECORD_QUEUED] = "reload_queued",
    [RECORD_CHECK] = "check",
    [RECORD_STARTING] = "generation_starting",
    [RECORD_SPAWN] = "worker_spawn",
    [RECORD_READY] = "worker_ready",
    [RECORD_SIGNALLED] = "worker_signalled",
    [RECORD_RELOADED] = "worker_reloaded",
    [RECORD_FALLBACK] = "signal_fallback",
    [RECORD_HANDED] = "workers_handed_over",
    [RECORD_SOAKING] = "generation_soaking",
    [RECORD_SERVING] = "generation_serving",
    [RECORD_ABORTED] = "generation_aborted",
    [RECORD_DRAINING] = "generation_draining",
    [RECORD_LEAK] = "worker_leak",
    [RECORD_THREAD_LEAK] = "thread_leak",
    [RECORD_RECOVERED] = "leak_recovered",
    [RECORD_THREADS] = "threads",
    [RECORD_TREND] = "leak_trend",
    [RECORD_BUDGET] = "leak_budget",
    [RECORD_KILL] = "worker_kill",
    [RECORD_ABANDONED] = "worker_abandoned",
    [RECORD_EXIT] = "worker_exit",
    [RECORD_ESCAPEE] = "escapee",
    [RECORD_RELIEF] = "relief",
    [RECORD_BACKOFF] = "backoff",
    [RECORD_VERDICT] = "verdict",
    [RECORD_CERTIFICATE] = "certificate",
    [RECORD_COMPLETED] = "generation_completed",
    [RECORD_HOOK] = "hook",
    [RECORD_BUG] = "bug",
};

static const char *const outcomes[OUTCOME_COUNT] = {
    [OUTCOME_NONE] = "none",           [OUTCOME_SERVING] = "serving",
    [OUTCOME_UNCHANGED] = "unchanged", [OUTCOME_REJECTED] = "rejected",
    [OUTCOME_RESTORED] = "restored",   [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_COMPLETED] = "completed",
};

static const char *const grades[GRADE_COUNT] = {[GRADE_NONE] = "",
                                                [GRADE_ASSUMED] = "assumed",
                                                [GRADE_FILE] = "file",
                                                [GRADE_NOTIFY] = "notify"};

static const char *const hook_outcomes[HOOK_OUTCOME_COUNT] = {
    [HOOK_UNDONE] = "none",           [HOOK_DONE] = "done",
    [HOOK_FAILED] = "failed",         [HOOK_LATE] = "timeout",
    [HOOK_UNANSWERED] = "unanswered", [HOOK_CANCELLED] = "cancelled",
};

static const char *
name_of(const char *const *names, size_t n, unsigned i)
{
    return i < n && names[i] ? names[i] : "?";
}

const char *
worker_state_name(enum worker_state s)
{
    return name_of(worker_states, ARRAY_LEN(worker_states), s);
}

const char *
generation_state_name(enum generation_state s)
{
    return name_of(generation_states, ARRAY_LEN(generation_states), s);
}

const char *
reload_state_name(enum reload_state s)
{
    return name_of(reload_states, ARRAY_LEN(reload_states), s);
}

const char *
service_state_name(enum service_state s)
{
    return name_of(service_states, ARRAY_LEN(service_states), s);
}

const char *
effect_type_name(enum effect_type t)
{
    return name_of(effect_types, ARRAY_LEN(effect_types), t);
}

const char *
record_kind_name(enum record_kind k)
{
    return name_of(record_kinds, ARRAY_LEN(record_kinds), k);
}

const char *
outcome_name(enum outcome o)
{
    return name_of(outcomes, ARRAY_LEN(outcomes), o);
}

const char *
grade_name(enum grade g)
{
    return name_of(grades, ARRAY_LEN(grades), g);
}

const char *
known_name(enum known k)
{
    static const char *const names[KNOWN_COUNT] = {
        [KNOWN_NOT] = "none",
        [KNOWN_CONCLUDED] = "concluded",
        [KNOWN_REFUSED] = "refused",
        [KNOWN_SEEN] = "seen",
    };

    return name_of(names, ARRAY_LEN(names), k);
}

const char *
hook_outcome_name(enum hook_outcome o)
{
    return name_of(hook_outcomes, ARRAY_LEN(hook_outcomes), o);
}

#define EFFECTS_ROOM 64 /* of an ordinary step */

void
effects_clear(struct effects *fx)
{
    for (size_t i = 0; i < fx->n; i++)
        free(fx->items[i].record);
    fx->n = 0;
    if (fx->room > EFFECTS_ROOM) { /* as after a start of thousands: that does not come back */
        free(fx->items);
        fx->items = NULL;
        fx->room = 0;
    }
}

void
effects_finish(struct effects *fx)
{
    effects_clear(fx);
    free(fx->items);
    *fx = (struct effects){NULL, 0, 0, 0};
}

struct effect *
effects_add(struct effects *fx, enum effect_type type)
{
    struct effect *e;

    if (fx->n == fx->room) {
        size_t room = fx->room ? fx->room * 2 : 32;
        struct effect *bigger = realloc(fx->items, room * sizeof(*bigger));

        if (!bigger) {
            fx->lost++;
            return NULL;
        }
        fx->items = bigger;
        fx->room = room;
    }
    e = &fx->items[fx->n++];
    memset(e, 0, sizeof(*e));
    e->type = type;
    return e;
}
