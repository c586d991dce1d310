/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/report.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/core/core.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/report_internal.h"

static const char *const want_names[] = {
    [WANT_UP] = "up", [WANT_DOWN] = "down", [WANT_GONE] = "gone"};

static const char *const handoff_names[] = {
    [HANDOFF_OVERLAP] = "overlap", [HANDOFF_REPLACE] = "replace", [HANDOFF_SIGNAL] = "signal"};

static json_t *
verdict_of(const struct report_sources *from, const struct service *s, int64_t now_us)
{
    const struct verdict *v = &s->last;
    struct object o = object_new();

    object_number(&o, "reload", (int64_t)v->reload);
    object_text(&o, "outcome", outcome_name(v->outcome));
    object_text_unless_empty(&o, "evidence", grade_name(v->grade));
    object_number(&o, "generation", (int64_t)v->generation);
    object_text(&o, "cause", v->cause);
    object_text(&o, "reason", v->reason);
    object_ago_ms(&o, "ago_ms", v->at_us, now_us);
    object_number(&o, "duration_ms", v->duration_us / US_PER_MS);
    object_text_unless_empty(&o, "trace", v->trace);
    object_optional(&o, "hooks", report_hooks(s, v->reload, now_us));
    if (from->threads_diff && v->generation > 0)
        object_optional(&o, "threads", from->threads_diff(from->env, s, v->generation));
    return object_take(&o);
}

static json_t *
reload_of(const struct reload *r, int64_t now_us)
{
    struct object o = object_new();

    object_number(&o, "id", (int64_t)r->id);
    object_text(&o, "state", reload_state_name(r->state));
    object_ago_ms(&o, "since_ms", r->started_us, now_us);
    object_text(&o, "cause", r->cause);
    object_text_unless_empty(&o, "trace", r->trace);
    if (r->trailing)
        object_text(&o, "trailing", r->trailing_cause);
    return object_take(&o);
}

static json_t *
rejected_of(const struct service *s)
{
    char hex[DIGEST_TEXT];
    struct object o = object_new();

    if (!digest_none(s->rejected))
        object_text(&o, "digest", digest_format(s->rejected, hex));
    object_text(&o, "reason", s->rejected_reason);
    return object_take(&o);
}

static json_t *
generations_of(const struct report_sources *from, const struct service *s, int64_t now_us)
{
    json_t *array = json_array();

    list_for_each (pos, &s->generations) {
        const struct generation *g = container_of(pos, struct generation, node);

        if (array && !array_add(array, report_generation(from, g, now_us))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static void
add_rim(struct object *o, const struct report_sources *from, const struct service *s)
{
    if (from->listeners)
        object_optional(o, "listeners", from->listeners(from->env, s));
    if (from->watch)
        object_optional(o, "watch", from->watch(from->env, s));
    if (from->log)
        object_optional(o, "log", from->log(from->env, s));
    if (from->deadlines)
        object_optional(o, "deadlines", from->deadlines(from->env, s));
    if (from->trace)
        object_optional(o, "trace", from->trace(from->env, s));
}

json_t *
report_service(const struct report_sources *from, const struct service *s, int64_t now_us)
{
    const struct generation *serving = service_serving(s);
    const struct generation *candidate = service_candidate(s);
    struct object o = object_new();
    char why[256];

    object_text(&o, "name", s->name);
    object_text(&o, "state", service_state_name(service_state(s)));
    object_text(&o, "why", service_why(from->core, s, why, sizeof(why)));
    object_text(&o, "want", want_names[s->want]);
    object_text(&o, "type", s->spec->type == TYPE_ONESHOT ? "oneshot" : "service");
    if (s->spec->type == TYPE_SERVICE)
        object_text(&o, "handoff", handoff_names[s->spec->handoff]);
    object_number(&o, "workers", s->spec->workers);
    if (serving)
        object_number(&o, "serving", (int64_t)serving->number);
    if (candidate)
        object_number(&o, "candidate", (int64_t)candidate->number);
    object_number(&o, "last_generation", (int64_t)s->last_generation);
    object_set(&o, "generations", generations_of(from, s, now_us));
    if (s->reload.state > RELOAD_IDLE)
        object_set(&o, "reload", reload_of(&s->reload, now_us));
    if (s->last.reload > 0)
        object_set(&o, "last_verdict", verdict_of(from, s, now_us));
    if (s->input_rejected)
        object_set(&o, "rejected", rejected_of(s));
    object_optional(&o, "hooks", report_hooks(s, 0, now_us));
    object_number(&o, "respawns", (int64_t)s->respawns);
    if (from->needs_reload)
        object_optional(&o, "needs_reload", from->needs_reload(from->env, s));
    add_rim(&o, from, s);
    return object_take(&o);
}

static json_t *
config_of(const struct report_sources *from)
{
    struct report_config config = {.valid = true};
    struct object o = object_new();

    from->config(from->env, &config);
    object_text_unless_empty(&o, "path", config.path);
    object_text_unless_empty(&o, "digest", config.digest);
    object_bool(&o, "valid", config.valid);
    object_text_unless_empty(&o, "error", config.error);
    return object_take(&o);
}

json_t *
report_config_error(const struct report_sources *from, const char *otherwise)
{
    struct report_config config = {.valid = true};

    if (from->config)
        from->config(from->env, &config);
    return report_text(config.error ? config.error : otherwise);
}

static json_t *
log_of(const struct journal *j)
{
    struct journal_counters n;
    struct object o = object_new();

    journal_counters(j, &n);
    object_number(&o, "written_lines", (int64_t)n.written_lines);
    object_number(&o, "dropped_lines", (int64_t)n.dropped_lines);
    object_number(&o, "events", (int64_t)n.events);
    object_number(&o, "output_lines", (int64_t)n.output_lines);
    object_bool(&o, "broken", n.broken);
    return object_take(&o);
}

static void
add_program(struct object *o, const struct report_sources *from, int64_t now_us)
{
    json_t *supervisor = from->supervisor ? from->supervisor(from->env) : NULL;
    json_int_t pid = json_integer_value(json_object_get(supervisor, "pid"));

    object_text(o, "version", STINT_VERSION);
    object_number(o, "pid", pid > 0 ? pid : getpid());
    object_ago_ms(o, "uptime_ms", from->started_us, now_us);
    object_optional(o, "supervisor", supervisor);
}

json_t *
report_status(const struct report_sources *from, const struct service *service, int64_t now_us)
{
    char ts[RFC3339_TEXT];
    json_t *services = json_array();
    struct object o = object_new();

    object_text(&o, "schema", "stint.status/1");
    object_text(&o, "ts", rfc3339(wall_now_us(), ts));
    add_program(&o, from, now_us);
    object_bool(&o, "stopping", from->core->stopping);
    if (from->core->stopping)
        object_left_ms(&o, "stop_deadline_in_ms", from->core->stop_deadline_us, now_us);
    if (from->config)
        object_set(&o, "config", config_of(from));
    if (from->counters)
        object_optional(&o, "counters", from->counters(from->env));
    if (from->journal)
        object_set(&o, "log", log_of(from->journal));
    if (from->export)
        object_optional(&o, "export", from->export(from->env));
    list_for_each (pos, &from->core->services) {
        const struct service *s = container_of(pos, struct service, node);

        if ((!service || s == service) && !array_add(services, report_service(from, s, now_us)))
            o.failed = true;
    }
    object_set(&o, "services", services);
    return object_take(&o);
}

json_t *
report_version(const struct report_sources *from, int64_t now_us)
{
    struct object o = object_new();

    object_text(&o, "schema", "stint.version/1");
    add_program(&o, from, now_us);
    return object_take(&o);
}

json_t *
report_of_worker(const struct worker *w)
{
    const struct generation *g = w->generation;
    struct object o = object_new();

    object_text(&o, "service", g->service->name);
    object_number(&o, "generation", (int64_t)g->number);
    object_number(&o, "slot", w->slot);
    object_number(&o, "pid", w->pid);
    object_text(&o, "state", worker_state_name(w->state));
    return object_take(&o);
}
