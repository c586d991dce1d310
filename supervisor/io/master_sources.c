/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/lint.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_export.h"
#include "supervisor/io/master_outdated.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/ready.h"
#include "supervisor/io/report_internal.h"
#include "supervisor/io/spans.h"
#include "supervisor/io/watch.h"

/* What only the rim knows, for the reports. */

static void
source_config(void *env, struct report_config *ret)
{
    static char digest[DIGEST_TEXT]; /* one thread; valid until the next call, as promised */
    struct master *m = env;

    ret->path = m->config_path;
    ret->digest = digest_format(m->spec->digest, digest);
    ret->valid = m->config_error == NULL;
    ret->error = m->config_error;
}

static json_t *
source_counters(void *env)
{
    struct master *m = env;
    struct watch_stats w = watch_stats(m->watch);

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "loop_stalls",
        (json_int_t)m->count.stalls, "longest_turn_us", (json_int_t)m->count.longest_turn_us,
        "steps", (json_int_t)m->count.steps, "strangers", (json_int_t)m->count.strangers,
        "refused_notify", (json_int_t)m->count.refused_notify, "bad_channels",
        (json_int_t)m->count.bad_channels, "lost_effects", (json_int_t)m->count.lost_effects,
        "listeners_reopened", (json_int_t)m->count.relistens, "watched_directories",
        (json_int_t)w.watches, "watch_events", (json_int_t)w.events, "watch_overflows",
        (json_int_t)w.overflows, "spans_dropped",
        (json_int_t)(m->spans ? spans_dropped(m->spans) : 0));
}

static json_t *
source_listeners(void *env, const struct service *s)
{
    struct master *m = env;
    json_t *all = json_array();

    for (size_t i = 0; i < s->spec->n_listen; i++) {
        const struct listener *l = listeners_find(&m->listeners, s->spec->listen[i].address);
        auto_text struct text address = TEXT_INIT;

        if (l)
            listener_address(l, &address);
        (void)json_array_append_new(
            all, json_pack("{s:s, s:s, s:b}", "name", s->spec->listen[i].name, "address",
                           l ? text_str(&address) : s->spec->listen[i].address, "open",
                           l && listener_is_listening(l)));
    }
    return all;
}

static json_t *
source_watch(void *env, const struct service *s)
{
    struct master *m = env;
    const struct inspection *d = inspection_get(m, s->id);
    json_t *paths = json_array();

    for (size_t i = 0; d && i < d->watched.n; i++)
        (void)json_array_append_new(paths, json_string(d->watched.items[i]));
    return json_pack("{s:s, s:o}", "mode", watch_mode(m->watch, s->id), "paths", paths);
}

static json_t *
source_log(void *env, const struct service *s)
{
    static const char *const targets[] = {
        [LOG_TO_STDERR] = "stderr", [LOG_TO_JOURNAL] = "journal", [LOG_TO_FILE] = "file"};
    const struct master *m = env;
    struct log_status st;
    json_t *o;

    if (!logs_status(m->logs, s->name, &st))
        return NULL;
    o = json_pack("{s:s, s:s, s:s*, s:I, s:I, s:I, s:I}", "to", targets[st.to], "state", st.state,
                  "error", st.error, "lines", (json_int_t)st.lines, "bytes", (json_int_t)st.bytes,
                  "dropped_lines", (json_int_t)st.dropped_lines, "dropped_bytes",
                  (json_int_t)st.dropped_bytes);
    if (o && st.file)
        (void)json_object_update_new(/* NULL: no memory, and then these are not there */
                                     o, json_pack("{s:s*, s:I, s:I, s:I}", "file", st.file, "size",
                                                  (json_int_t)st.size, "waiting_bytes",
                                                  (json_int_t)st.waiting, "rotations",
                                                  (json_int_t)st.rotations));
    return o;
}

static json_t *
finding_of(const struct lint_finding *f)
{
    struct object o = object_new();

    if (f->fault != LINT_LOST)
        object_text(&o, "fault", lint_fault_name(f->fault));
    object_text_unless_empty(&o, "thread", f->thread);
    object_text_unless_empty(&o, "creator", f->creator);
    object_number(&o, "generation", (int64_t)f->generation);
    object_number(&o, "count", (int64_t)f->count);
    object_text(&o, "line", f->line);
    return object_take(&o);
}

/* By thread: those whose lines lost their trace, and all that is wrong otherwise. */
static json_t *
findings_of(const struct lint *l, bool lost)
{
    json_t *array = json_array();
    size_t n;
    const struct lint_finding *of = lint_findings(l, &n);

    for (size_t i = 0; i < n; i++)
        if ((of[i].fault == LINT_LOST) == lost)
            (void)json_array_append_new(array, finding_of(&of[i]));
    return array;
}

static json_t *
source_trace(void *env, const struct service *s)
{
    const struct master *m = env;
    const struct lint *l = logs_lint(m->logs, s->name);
    const struct lint_counts *c;
    struct object o;

    if (!l)
        return NULL;
    c = lint_counts(l);
    o = object_new();
    object_number(&o, "lines", (int64_t)c->lines);
    object_number(&o, "stamped", (int64_t)c->stamped);
    object_number(&o, "explained", (int64_t)c->explained);
    object_number(&o, "without_trace", (int64_t)c->without_trace);
    for (int i = LINT_SPAN_ALONE; i < LINT_FAULTS; i++)
        object_number(&o, lint_fault_name((enum lint_fault)i), (int64_t)c->faults[i]);
    object_number(&o, "lost", (int64_t)c->faults[LINT_LOST]);
    object_number(&o, "untold", (int64_t)c->untold);
    object_set(&o, "lost_in_thread", findings_of(l, true));
    object_set(&o, "findings", findings_of(l, false));
    return object_take(&o);
}

static json_t *
source_readiness(void *env, const struct worker *w)
{
    const struct hand *h = hand_find(env, w->id);

    return h && h->ready ? json_pack("{s:s}", "waiting_for", ready_progress(h->ready)) : NULL;
}

static json_t *
source_supervisor(void *env)
{
    struct master *m = env;
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);
    struct fdstore_counts kept = fdstore_counts(m->fdstore);
    char how[128];

    return json_pack(
        "{s:i, s:i, s:I, s:I, s:s?, s:I, s:I, s:s?, s:o?}", "pid", (int)fdstore_run_pid(m->fdstore),
        "master", (int)getpid(), "masters", (json_int_t)(w ? w->masters : 1), "since_ms",
        (json_int_t)((mono_now_us() - m->master_us) / US_PER_MS), "previous",
        w && w->flags & KEEPER_SUCCEEDS ? takeover_ending(w, how, sizeof(how)) : NULL, "kept",
        (json_int_t)(kept.kept - kept.refused), "not_kept", (json_int_t)kept.refused, "cgroup",
        m->cgroups ? cgroup_words(m->cgroups) : NULL, "lost", surroundings_lost(&m->surroundings));
}

void
sources_fill(struct master *m, struct report_sources *ret)
{
    *ret = (struct report_sources){
        .core = m->core,
        .journal = m->journal,
        .started_us = m->started_us,
        .env = m,
        .config = source_config,
        .counters = source_counters,
        .export = source_export,
        .listeners = source_listeners,
        .watch = source_watch,
        .log = source_log,
        .trace = source_trace,
        .readiness = source_readiness,
        .supervisor = source_supervisor,
        .libraries = outdated_of_worker,
        .needs_reload = outdated_of_service,
        .usage = usage_of_worker,
        .deadlines = deadlines_of_service,
        .threads = leaks_threads_of,
        .leaks = leaks_history,
        .threads_diff = leaks_diff,
    };
}
