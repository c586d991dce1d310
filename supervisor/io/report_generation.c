/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/core/core.h"
#include "supervisor/io/report_internal.h"

static const char *const ready_names[] = {
    [READY_NOTIFY] = "notify", [READY_FD] = "fd",   [READY_FILE] = "file", [READY_EXEC] = "exec",
    [READY_ASSUME] = "assume", [READY_TCP] = "tcp", [READY_HTTP] = "http",
};

static const char *const reloading_names[RELOADING_COUNT] = {[RELOADING_NONE] = "",
                                                             [RELOADING_DUE] = "due",
                                                             [RELOADING_ASKED] = "asked",
                                                             [RELOADING_BUSY] = "reloading",
                                                             [RELOADING_DONE] = "done"};

static bool
runs_once(const struct generation *g)
{
    return g->spec->type == TYPE_ONESHOT;
}

/* How the worker says it is ready, and what that is worth. */
static json_t *
ready_of(const struct report_sources *from, const struct worker *w, int64_t now_us)
{
    const struct ready_spec *spec = &w->generation->spec->ready;
    struct object o = object_new();

    object_text(&o, "mode", ready_names[spec->mode]);
    object_text(&o, "grade", spec->mode == READY_ASSUME ? "weak" : "strong");
    object_ago_ms(&o, "since_ms", w->ready_us, now_us);
    if (w->state == WORKER_STARTING || w->reloading == RELOADING_ASKED)
        object_left_ms(&o, "assumed_in_ms", w->assume_us, now_us);
    if (w->state == WORKER_STARTING && from->readiness)
        object_optional(&o, "progress", from->readiness(from->env, w));
    return object_take(&o);
}

/* Its limits, lower than those configured by its own part of the jitter, and where it is. */
static json_t *
restart_of(const struct report_sources *from, const struct worker *w, int64_t now_us)
{
    const struct generation *g = w->generation;
    const struct service_spec *spec = g->spec;
    const struct slot *slot = w->slot < g->n_slots ? &g->slots[w->slot] : NULL;
    struct report_usage usage = {0};
    struct object o = object_new();

    if (from->usage)
        from->usage(from->env, w, &usage);
    if (spec->restart_age_us > 0) {
        object_ago_ms(&o, "age_ms", w->ready_us, now_us);
        object_number(&o, "age_limit_ms", worker_age_limit_us(w) / US_PER_MS);
    }
    if (usage.has_requests)
        object_number(&o, "requests", (int64_t)usage.requests);
    if (spec->restart_requests > 0)
        object_number(&o, "requests_limit", (int64_t)worker_requests_limit(w));
    if (usage.has_rss)
        object_number(&o, "rss_bytes", (int64_t)usage.rss_bytes);
    if (spec->restart_rss_bytes > 0)
        object_number(&o, "rss_limit_bytes", (int64_t)worker_rss_limit(w));
    if (slot && slot->worker == w && slot->substitute)
        object_number(&o, "relieved_by_pid", slot->substitute->pid);
    if (slot && slot->worker == w && slot->relief_us > now_us)
        object_left_ms(&o, "not_before_ms", slot->relief_us, now_us);
    return object_take(&o);
}

static bool
restarts(const struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    return !w->escapee && w->state == WORKER_READY && !w->relieved &&
           (spec->restart_age_us > 0 || spec->restart_requests > 0 || spec->restart_rss_bytes > 0);
}

static json_t *
worker_of(const struct report_sources *from, const struct worker *w, int64_t now_us)
{
    struct object o = object_new();

    object_number(&o, "slot", w->slot);
    object_number(&o, "pid", w->pid);
    object_text(&o, "state",
                runs_once(w->generation) && w->state == WORKER_STARTING
                    ? "running"
                    : worker_state_name(w->state));
    if (w->escapee) {
        object_bool(&o, "escapee", true);
        object_text(&o, "name", w->name);
    } else if (!runs_once(w->generation)) {
        object_set(&o, "ready", ready_of(from, w, now_us));
    }
    if (w->reloading != RELOADING_NONE)
        object_text(&o, "reload", reloading_names[w->reloading]);
    object_text_unless_empty(&o, "reload_evidence", grade_name(w->grade));
    if (w->born != w->generation->number)
        object_number(&o, "started_by", (int64_t)w->born);
    object_ago_ms(&o, "uptime_ms", w->spawned_us, now_us);
    object_left_ms(&o, "deadline_in_ms", w->deadline_us, now_us);
    object_text_unless_empty(&o, "status", w->status);
    if (from->libraries)
        object_optional(&o, "libraries", from->libraries(from->env, w));
    if (restarts(w))
        object_set(&o, "restart_after", restart_of(from, w, now_us));
    if (w->relieved)
        object_bool(&o, "relieved", true);
    if (from->threads)
        object_optional(&o, "threads", from->threads(from->env, w));
    if (w->leaking > 0)
        object_number(&o, "leaking", w->leaking);
    if (w->over > 0)
        object_number(&o, "over_budget", w->over);
    object_text_unless_empty(&o, "leaks", w->leaks);
    if (w->evidence) {
        object_number(&o, "stragglers", w->stragglers);
        object_text_unless_empty(&o, "leak", w->leak);
    }
    return object_take(&o);
}

static bool
slot_taken(const struct generation *g, unsigned slot)
{
    list_for_each (pos, &g->workers) {
        const struct worker *w = container_of(pos, struct worker, node);

        if (!w->escapee && w->slot == slot)
            return true;
    }
    return false;
}

/* A place without a process that waits for its next try. */
static json_t *
waiting_of(const struct generation *g, unsigned slot, int64_t now_us)
{
    struct object o = object_new();

    object_number(&o, "slot", slot);
    object_text(&o, "state", "backoff");
    object_number(&o, "failures", g->slots[slot].failures);
    object_left_ms(&o, "next_try_in_ms", g->slots[slot].next_spawn_us, now_us);
    return object_take(&o);
}

static json_t *
workers_of(const struct report_sources *from, const struct generation *g, int64_t now_us)
{
    json_t *array = json_array();
    bool whole = array != NULL;

    list_for_each (pos, &g->workers)
        whole = whole &&
                array_add(array, worker_of(from, container_of(pos, struct worker, node), now_us));
    for (unsigned i = 0; i < g->n_slots && g->hook != HOOK_BEFORE_START; i++)
        if (g->slots[i].next_spawn_us != TIME_NEVER && !slot_taken(g, i))
            whole = whole && array_add(array, waiting_of(g, i, now_us));
    if (whole)
        return array;
    json_decref(array);
    return NULL;
}

/* What a draining worker is in the middle of, as far as we can tell. */
static void
say_worker(struct text *out, const struct generation *g, const struct worker *w, int64_t now_us)
{
    char spell[32];

    text_addf(out, "%spid %d ", out->bytes > 0 ? "; " : "", (int)w->pid);
    if (w->escapee)
        text_addf(out, "(%s, left behind by its worker) ", w->name);
    if (!w->signalled)
        text_add(out, "has not been told yet");
    else if (w->state == WORKER_LEAKED)
        text_addf(out, "ignored its deadline: %s",
                  w->leak[0] ? w->leak : "evidence is being taken");
    else if (w->state == WORKER_KILLED)
        text_add(out, "was sent SIGKILL");
    else if (w->state == WORKER_ABANDONED)
        text_add(out, "does not die of SIGKILL");
    else if (w->status[0])
        text_addf(out, "says '%s'", w->status);
    else
        text_addf(out, "finishes its work since SIG%s", sigabbrev_np(g->spec->drain_signal));
    if (w->deadline_us != TIME_NEVER && w->deadline_us > now_us && w->state != WORKER_ABANDONED)
        text_addf(out, ", %s left", duration_human(w->deadline_us - now_us, spell, sizeof(spell)));
}

static json_t *
drain_of(const struct generation *g, int64_t now_us)
{
    struct object o = object_new();
    auto_text struct text waits = TEXT_INIT;

    object_ago_ms(&o, "since_ms", g->drain_us, now_us);
    object_left_ms(&o, "announce_ends_in_ms", g->deadline_us, now_us);
    if (g->hook == HOOK_ANNOUNCE)
        text_add(&waits, "its hook announce");
    else if (g->deadline_us != TIME_NEVER && g->deadline_us > now_us)
        text_add(&waits, "the announced delay before the drain signal");
    else
        list_for_each (pos, &g->workers)
            say_worker(&waits, g, container_of(pos, struct worker, node), now_us);
    object_text(&o, "waits_for", text_str(&waits));
    return object_take(&o);
}

static int64_t
state_since(const struct generation *g)
{
    if (g->state == GENERATION_DRAINING || g->state == GENERATION_PARKED)
        return g->drain_us;
    return g->state == GENERATION_SERVING || g->state == GENERATION_COMPLETED ? g->serving_us
                                                                              : g->started_us;
}

json_t *
report_generation(const struct report_sources *from, const struct generation *g, int64_t now_us)
{
    char hex[DIGEST_TEXT];
    struct object o = object_new();

    object_number(&o, "number", (int64_t)g->number);
    object_text(&o, "state",
                runs_once(g) && g->state == GENERATION_STARTING ? "running"
                                                                : generation_state_name(g->state));
    object_ago_ms(&o, "since_ms", state_since(g), now_us);
    object_ago_ms(&o, "uptime_ms", g->started_us, now_us);
    object_text(&o, "digest", digest_format(g->digest, hex));
    object_number(&o, "policy_rev", g->policy_rev);
    if (!runs_once(g))
        object_text(&o, "ready_grade", g->spec->ready.mode == READY_ASSUME ? "weak" : "strong");
    if (g->ended_us > 0) {
        object_number(&o, "ran_ms", g->ran_us / US_PER_MS);
        object_ago_ms(&o, "ended_ago_ms", g->ended_us, now_us);
    }
    if (g->spec->n_listen > 0)
        object_text(&o, "traffic", g->spec->gated ? "gated" : "ungated");
    if (g->state == GENERATION_SOAKING)
        object_left_ms(&o, "soak_ends_in_ms", g->deadline_us, now_us);
    object_text_unless_empty(&o, "reload_evidence", grade_name(g->grade));
    if (g->aborted)
        object_bool(&o, "aborted", true);
    object_text_unless_empty(&o, "reason", g->reason);
    object_text_unless_empty(&o, "trace", g->trace);
    object_number(&o, "spawns", g->spawns);
    object_number(&o, "leaks", g->leaks);
    object_number(&o, "kills", g->kills);
    object_number(&o, "escapees", g->escapees);
    object_set(&o, "workers", workers_of(from, g, now_us));
    object_optional(&o, "hook", report_hook_under_way(g, now_us));
    if (g->state == GENERATION_DRAINING)
        object_set(&o, "drain", drain_of(g, now_us));
    return object_take(&o);
}
