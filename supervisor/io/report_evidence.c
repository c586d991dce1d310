/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"
#include "supervisor/io/evidence.h"
#include "supervisor/io/report_internal.h"

/* What only the worker's registry can tell. */
static void
add_registered(struct object *o, const struct evidence_thread *t, int64_t now_us)
{
    char place[160];

    (void)snprintf(place, sizeof(place), "%s:%" PRIu32, t->file, t->line);
    object_text(o, "created_at", place);
    object_text_unless_empty(o, "created_in", t->function);
    object_text_unless_empty(o, "created_by", t->creator_name);
    object_text_unless_empty(o, "token", t->token);
    object_ago_ms(o, "cancelled_ms", t->cancelled_us, now_us);
    if (t->deadline_us != INT64_MAX)
        object_left_ms(o, "deadline_in_ms", t->deadline_us, now_us);
    object_number(o, "beats", (int64_t)t->beats);
    object_text_unless_empty(o, "wait_site", t->wait_site);
    object_text_unless_empty(o, "trace", t->trace_id);
    if (t->exempt) {
        object_bool(o, "exempt", true);
        object_text_unless_empty(o, "reason", t->reason);
    }
}

static json_t *
thread_of(const struct evidence_thread *t, int64_t now_us)
{
    const char state[2] = {t->state, '\0'};
    struct object o = object_new();

    object_number(&o, "tid", t->tid);
    object_text(&o, "name", t->name);
    if (t->main)
        object_bool(&o, "main", true);
    object_bool(&o, "registered", t->registered);
    object_bool(&o, "straggler", t->straggler);
    object_text_unless_empty(&o, "state", state);
    object_ago_ms(&o, "age_ms", t->started_us, now_us);
    if (t->registered)
        add_registered(&o, t, now_us);
    object_text_unless_empty(&o, "wait_class", t->wait_class);
    object_text_unless_empty(&o, "wait", t->wait);
    return object_take(&o);
}

json_t *
report_evidence(const struct evidence *e)
{
    json_t *threads = json_array();
    struct object o = object_new();

    object_text(&o, "grade", e->grade == EVIDENCE_REGISTRY ? "registry" : "proc");
    object_number(&o, "count", (int64_t)e->n_threads);
    object_number(&o, "registered", (int64_t)e->n_registered);
    object_number(&o, "stragglers", (int64_t)e->n_stragglers);
    object_number(&o, "ghosts", (int64_t)e->n_ghosts);
    object_number(&o, "torn", e->torn);
    object_number(&o, "overflow", e->overflow);
    object_text_unless_empty(&o, "note", e->note);
    for (size_t i = 0; threads && i < e->n; i++)
        if (!array_add(threads, thread_of(&e->threads[i], e->at_us)))
            o.failed = true;
    object_set(&o, "threads", threads);
    return object_take(&o);
}
