/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/pack.h"
#include "supervisor/core/image.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/state.h"

/* What the state holds; master_restore.c reads it back, field by field in the same order. */

static void
put(struct master *m, enum state_kind kind, uint64_t key, const struct text *t)
{
    if (t->failed)
        m->state_torn = true;
    else
        state_put(m->state, kind, key, t->data, t->bytes);
}

void
save_master(struct master *m)
{
    auto_text struct text t = TEXT_INIT;

    if (!m->state)
        return;
    pack_i64(&t, m->started_us);
    pack_u64(&t, m->n_elders);
    for (size_t i = 0; i < m->n_elders; i++) {
        pack_i64(&t, m->elders[i].pid);
        pack_u64(&t, m->elders[i].start_time);
    }
    pack_u64(&t, m->core->n_services);
    list_for_each (n, &m->core->services)
        pack_u64(&t, container_of(n, struct service, node)->id);
    put(m, STATE_MASTER, 0, &t);
}

void
save_config(struct master *m)
{
    auto_text struct text t = TEXT_INIT;
    const struct spec *s = m->spec;

    if (!m->state || !s)
        return;
    pack_str(&t, s->path);
    pack_str(&t, s->runtime_dir);
    pack_str(&t, s->state_dir);
    pack_u64(&t, s->log_format);
    pack_u64(&t, s->log_level);
    pack_i64(&t, s->stop_budget_us);
    pack_u64(&t, s->max_starting);
    pack_u64(&t, s->cgroup);
    pack_u64(&t, s->digest.high);
    pack_u64(&t, s->digest.low);
    pack_strv(&t, &s->inputs);
    pack_strv(&t, &s->directories);
    pack_u64(&t, s->n_services);
    for (size_t i = 0; i < s->n_services; i++)
        pack_u64(&t, specs_number(m, s->services[i]));
    pack_str(&t, m->config_error);
    pack_str(&t, m->runtime_dir);
    pack_str(&t, m->state_dir);
    put(m, STATE_CONFIG, 0, &t);
}

void
save_listener(struct master *m, const struct listener *l)
{
    auto_text struct text t = TEXT_INIT;

    if (!m->state || l->number == 0)
        return;
    pack_str(&t, l->address);
    pack_u64(&t, list_empty(&l->node) ? 0 : 1);
    pack_i64(&t, l->backlog);
    pack_u64(&t, l->mode);
    pack_u64(&t, l->owner.uid);
    pack_u64(&t, l->owner.gid);
    pack_u64(&t, l->device);
    pack_u64(&t, l->inode);
    pack_u64(&t, l->foreign);
    put(m, STATE_LISTENER, l->number, &t);
}

static void
pack_identity(struct text *t, const struct identity *id)
{
    pack_u64(t, id->uid);
    pack_u64(t, id->gid);
    pack_u64(t, id->n_groups);
    for (size_t i = 0; i < id->n_groups; i++)
        pack_u64(t, id->groups[i]);
    pack_str(t, id->name);
    pack_str(t, id->home);
    pack_str(t, id->shell);
}

void
save_snapshot(struct master *m, const struct snapshot *snap)
{
    auto_text struct text t = TEXT_INIT;

    if (!m->state || snap->id == 0)
        return;
    pack_u64(&t, specs_number(m, snap->spec));
    pack_str(&t, snap->exe_path);
    pack_u64(&t, snap->pin ? pin_id(snap) + 1 : 0);
    pack_strv(&t, &snap->env_file);
    pack_identity(&t, &snap->identity);
    pack_u64(&t, snap->n_listeners);
    for (size_t i = 0; i < snap->n_listeners; i++)
        pack_u64(&t, snap->listeners[i]->number);
    pack_u64(&t, snap->probe ? snap->probe->number : 0);
    put(m, STATE_SNAPSHOT, snap->id, &t);
}

void
save_hand(struct master *m, struct hand *h)
{
    auto_text struct text t = TEXT_INIT;

    if (!m->state)
        return;
    pack_i64(&t, h->pid);
    pack_u64(&t, h->start_time);
    pack_u64(&t, h->uid);
    pack_u64(&t, h->spec ? specs_number(m, h->spec) : 0);
    pack_u64(&t, h->snapshot ? h->snapshot->id : 0);
    pack_u64(&t, h->probe ? h->probe->number : 0);
    pack_u64(&t, h->channel && channel_managed(h->channel));
    pack_i64(&t, h->spawned_us);
    pack_u64(&t, h->outdated.told);
    pack_strv(&t, &h->environment);
    put(m, STATE_HAND, h->worker, &t);
}

void
save_rest(struct master *m, uint64_t worker, enum capture_stream stream, const char *bytes,
          size_t n, bool continued)
{
    auto_text struct text t = TEXT_INIT;
    uint64_t key = worker * 2 + (uint64_t)stream;

    if (!m->state)
        return;
    if (n == 0 && !continued) {
        state_drop(m->state, STATE_REST, key);
        return;
    }
    pack_u64(&t, continued);
    pack_bytes(&t, bytes, n);
    put(m, STATE_REST, key, &t);
}

/* Of what is about to be taken out of a pipe; 0 bytes: it was. */
void
save_piece(struct master *m, uint64_t worker, enum capture_stream stream, const char *bytes,
           size_t n)
{
    auto_text struct text t = TEXT_INIT;
    uint64_t key = worker * 2 + (uint64_t)stream;
    struct digest d;

    if (!m->state)
        return;
    if (n == 0) {
        state_drop(m->state, STATE_PIECE, key);
        return;
    }
    d = digest_of(bytes, n);
    pack_u64(&t, n);
    pack_u64(&t, d.high);
    pack_u64(&t, d.low);
    put(m, STATE_PIECE, key, &t);
}

/* ---- effects -------------------------------------------------------------------------------------- */

static void
save_effect(struct master *m, const struct effect *e)
{
    auto_text struct text t = TEXT_INIT;

    pack_u64(&t, e->type);
    pack_u64(&t, e->service);
    pack_u64(&t, e->generation);
    pack_u64(&t, e->worker);
    pack_u64(&t, e->snapshot);
    pack_u64(&t, e->reload);
    pack_i64(&t, e->settle_us);
    pack_i64(&t, e->signo);
    pack_u64(&t, e->hook); /* only of UNHOOK: a HOOK is asked for anew */
    pack_i64(&t, e->deadline_us);
    pack_str(&t, e->text);
    if (e->type == FX_RECORD)
        record_pack(&t, e->record);
    put(m, STATE_EFFECT, e->number, &t);
}

void
save_done(struct master *m, const struct effect *e)
{
    if (m->state && e->number)
        state_drop(m->state, STATE_EFFECT, e->number);
}

/* ---- a step ---------------------------------------------------------------------------------------- */

static void
save_core(struct master *m)
{
    auto_text struct text t = TEXT_INIT;

    image_core(m->core, &t);
    put(m, STATE_CORE, 0, &t);
}

static void
save_service(struct master *m, const struct service *s)
{
    const struct image_specs specs = {.number = specs_number, .env = m};
    auto_text struct text t = TEXT_INIT;

    image_service(s, &specs, &t);
    put(m, STATE_SERVICE, s->id, &t);
}

/* Requests that wait for an answer: with the step that they wait for, or before the loop sleeps. */
static void
save_desk(struct master *m)
{
    auto_text struct text t = TEXT_INIT;

    m->desk_stale = false;
    operator_save(m->desk, &t);
    put(m, STATE_DESK, 0, &t);
}

void
save_step(struct master *m, struct effects *fx)
{
    bool order = false; /* of the services: one came or went */

    for (size_t i = 0; i < fx->n; i++)
        fx->items[i].number = ++m->last_effect;
    if (!m->state) {
        core_clean(m->core);
        return;
    }
    save_core(m);
    list_for_each (n, &m->core->touched)
        save_service(m, container_of(n, struct service, touched));
    core_clean(m->core);
    for (size_t i = 0; i < fx->n; i++) {
        const struct record *r = fx->items[i].type == FX_RECORD ? fx->items[i].record : NULL;

        save_effect(m, &fx->items[i]);
        if (!r || r->kind != RECORD_SERVICE)
            continue;
        if (!core_service(m->core, r->service_id))
            state_drop(m->state, STATE_SERVICE, r->service_id);
        order = true;
    }
    if (order)
        save_master(m);
    if (m->desk_stale)
        save_desk(m);
    specs_sweep(m);
    save_commit(m);
}

void
save_turn(struct master *m)
{
    if (!m->state || !m->desk_stale)
        return;
    save_desk(m);
    save_commit(m);
}

/* After a commit that failed: everything, as it is now. */
static void
save_all(struct master *m)
{
    state_forget(m->state);
    m->state_torn = false;
    save_master(m);
    specs_save_all(m);
    save_config(m);
    save_core(m);
    list_for_each (n, &m->core->services)
        save_service(m, container_of(n, struct service, node));
    core_clean(m->core);
    list_for_each (n, &m->listeners.all)
        save_listener(m, container_of(n, struct listener, node));
    list_for_each (n, &m->snapshots) {
        const struct snapshot *snap = container_of(n, struct snapshot, node);

        save_snapshot(m, snap);
        if (snap->probe)
            save_listener(m, snap->probe);
    }
    list_for_each (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);

        if (h->pid > 0)
            save_hand(m, h);
        for (unsigned i = 0; h->capture && i < 2; i++) {
            bool continued;
            size_t bytes;
            const char *rest = capture_rest(h->capture, (enum capture_stream)i, &bytes, &continued);

            save_rest(m, h->worker, (enum capture_stream)i, rest, bytes, continued);
        }
    }
    for (size_t i = m->todo_done; i < m->todo.n; i++)
        save_effect(m, &m->todo.items[i]);
    for (size_t i = m->effects_taken; i < m->effects.n; i++)
        save_effect(m, &m->effects.items[i]);
    if (m->desk)
        save_desk(m);
}

static void
commit_failed(struct master *m, const struct error *why)
{
    m->state_torn = true;
    if (m->state_loud)
        return;
    m->state_loud = true;
    journal_say(m->journal, LOG_LEVEL_ERROR, "state_not_kept",
                "%s: should the master be killed now, the next one goes on from an older state",
                why->text);
}

void
save_commit(struct master *m)
{
    struct error err = {0};
    int r;

    if (!m->state)
        return;
    if (m->state_torn)
        save_all(m);
    r = m->state_torn ? error_set(&err, -ENOMEM, "keep the state") : state_commit(m->state, &err);
    if (r < 0) {
        commit_failed(m, &err);
        return;
    }
    if (r == 1) {
        bool kept;

        EDGE("rewrite-written");
        /* one that the keeper may never get must not be the only one that goes on */
        kept = fdstore_put_now(m->fdstore, "state", state_fd(m->state)) == 0;
        EDGE("rewrite-handed");
        state_settle(m->state, kept);
    }
    if (m->state_loud)
        journal_say(m->journal, LOG_LEVEL_INFO, "state_kept", "the state is kept again");
    m->state_loud = false;
}
