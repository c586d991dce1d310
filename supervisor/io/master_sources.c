/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/evidence.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/ready.h"
#include "supervisor/io/report.h"
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
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "loop_stalls",
        (json_int_t)m->count.stalls, "longest_turn_us", (json_int_t)m->count.longest_turn_us,
        "steps", (json_int_t)m->count.steps, "strangers", (json_int_t)m->count.strangers,
        "refused_notify", (json_int_t)m->count.refused_notify, "bad_channels",
        (json_int_t)m->count.bad_channels, "lost_effects", (json_int_t)m->count.lost_effects,
        "listeners_reopened", (json_int_t)m->count.relistens, "watched_directories",
        (json_int_t)w.watches, "watch_events", (json_int_t)w.events, "watch_overflows",
        (json_int_t)w.overflows);
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
source_readiness(void *env, const struct worker *w)
{
    const struct hand *h = hand_find(env, w->id);

    return h && h->ready ? json_pack("{s:s}", "waiting_for", ready_progress(h->ready)) : NULL;
}

static json_t *
thread_json(const struct evidence_thread *t, int64_t now_us)
{
    json_t *o = json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:s#, s:I, s:s, s:s}", "tid", (int)t->tid,
                          "name", t->name, "main", t->main, "registered", t->registered,
                          "straggler", t->straggler, "exempt", t->exempt, "state", &t->state, 1,
                          "age_us", (json_int_t)(now_us - t->started_us), "wait_class",
                          t->wait_class, "wait", t->wait);

    if (!o || !t->registered)
        return o;
    (void)json_object_set_new(o, "creator",
                              json_pack("{s:s, s:i, s:s, s:s}", "file", t->file, "line",
                                        (int)t->line, "function", t->function, "thread",
                                        t->creator_name));
    (void)json_object_set_new(o, "token", json_string(t->token));
    (void)json_object_set_new(o, "beats", json_integer((json_int_t)t->beats));
    if (t->wait_site[0])
        (void)json_object_set_new(o, "wait_site", json_string(t->wait_site));
    if (t->trace_id[0])
        (void)json_object_set_new(o, "trace_id", json_string(t->trace_id));
    if (t->exempt)
        (void)json_object_set_new(o, "reason", json_string(t->reason));
    if (t->cancelled_us)
        (void)json_object_set_new(o, "cancelled_for_us",
                                  json_integer((json_int_t)(now_us - t->cancelled_us)));
    return o;
}

static json_t *
source_threads(void *env, const struct worker *w)
{
    const struct hand *h = hand_find(env, w->id);
    struct evidence *e = NULL;
    auto_text struct text words = TEXT_INIT;
    json_t *threads, *o;

    if (!h || evidence_collect(h->pid, h->registry_fd, mono_now_us(), &e, NULL) < 0)
        return NULL;
    threads = json_array();
    for (size_t i = 0; i < e->n; i++)
        (void)json_array_append_new(threads, thread_json(&e->threads[i], e->at_us));
    evidence_summary(e, &words);
    o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}", "grade",
                  e->grade == EVIDENCE_REGISTRY ? "registry" : "proc", "total",
                  (json_int_t)e->n_threads, "registered", (json_int_t)e->n_registered, "stragglers",
                  (json_int_t)e->n_stragglers, "ghosts", (json_int_t)e->n_ghosts, "torn",
                  (json_int_t)e->torn, "overflow", (json_int_t)e->overflow, "note", e->note,
                  "summary", text_str(&words), "threads", threads);
    evidence_destroy(e);
    return o;
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
        .listeners = source_listeners,
        .watch = source_watch,
        .readiness = source_readiness,
        .threads = source_threads,
    };
}
