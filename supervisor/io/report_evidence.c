/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/evidence.h"
#include "supervisor/io/report_internal.h"

static json_t *
creator_of(const struct evidence_thread *t)
{
    struct object o = object_new();

    object_text(&o, "file", t->file);
    object_number(&o, "line", t->line);
    object_text_unless_empty(&o, "function", t->function);
    object_text_unless_empty(&o, "thread", t->creator_name);
    return object_take(&o);
}

/* What only the worker's registry can tell. */
static void
add_registered(struct object *o, const struct evidence_thread *t, int64_t now_us)
{
    object_set(o, "creator", creator_of(t));
    object_text_unless_empty(o, "token", t->token);
    if (t->cancelled_us > 0)
        object_number(o, "cancelled_for_us", now_us - t->cancelled_us);
    object_number(o, "beats", (int64_t)t->beats);
    object_text_unless_empty(o, "wait_site", t->wait_site);
    object_text_unless_empty(o, "trace_id", t->trace_id);
    object_text_unless_empty(o, "reason", t->reason);
}

static json_t *
thread_of(const struct evidence_thread *t, int64_t now_us)
{
    const char state[2] = {t->state, '\0'};
    struct object o = object_new();

    object_number(&o, "tid", t->tid);
    object_text(&o, "name", t->name);
    object_bool(&o, "main", t->main);
    object_bool(&o, "registered", t->registered);
    object_bool(&o, "straggler", t->straggler);
    object_bool(&o, "exempt", t->exempt);
    object_text_unless_empty(&o, "state", state);
    object_number(&o, "age_us", now_us - t->started_us);
    object_text_unless_empty(&o, "wait_class", t->wait_class);
    object_text_unless_empty(&o, "wait", t->wait);
    if (t->registered)
        add_registered(&o, t, now_us);
    return object_take(&o);
}

json_t *
report_evidence(const struct evidence *e, const char *summary)
{
    json_t *threads = json_array();
    struct object o = object_new();

    object_text(&o, "grade", e->grade == EVIDENCE_REGISTRY ? "registry" : "proc");
    object_number(&o, "total", (int64_t)e->n_threads);
    object_number(&o, "registered", (int64_t)e->n_registered);
    object_number(&o, "stragglers", (int64_t)e->n_stragglers);
    object_number(&o, "ghosts", (int64_t)e->n_ghosts);
    object_number(&o, "torn", e->torn);
    object_number(&o, "overflow", e->overflow);
    object_text_unless_empty(&o, "note", e->note);
    object_text_unless_empty(&o, "summary", summary);
    for (size_t i = 0; threads && i < e->n; i++)
        if (!array_add(threads, thread_of(&e->threads[i], e->at_us)))
            o.failed = true;
    object_set(&o, "threads", threads);
    return object_take(&o);
}
