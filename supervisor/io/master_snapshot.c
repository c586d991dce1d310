/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/identity_ask.h"
#include "supervisor/io/look.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_reload.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/preload.h"
#include "supervisor/io/run.h"
#include "supervisor/io/state.h"
#include "supervisor/io/watch.h"

#define LOOK_PATIENCE_US (60 * US_PER_S)

struct snapshot *
snapshot_find(const struct master *m, uint64_t id)
{
    struct table_node *n = table_find(&m->snapshot_by_id, id);

    return n ? container_of(n, struct snapshot, by_id) : NULL;
}

void
snapshot_destroy(struct snapshot *snap)
{
    if (!snap)
        return;
    if (snap->id) {
        struct master *m = snap->master;

        leaf_retire(snap);
        if (m->state)
            state_drop(m->state, STATE_SNAPSHOT, snap->id);
        m->specs_stale = true;
    }
    list_del(&snap->node);
    table_remove(&snap->master->snapshot_by_id, &snap->by_id);
    for (size_t i = 0; i < snap->n_listeners; i++)
        listener_unref(snap->listeners[i]);
    free(snap->listeners);
    listener_unref(snap->probe);
    identity_finish(&snap->identity);
    strv_finish(&snap->env_file);
    service_spec_unref(snap->spec);
    pin_drop(snap);
    free(snap->exe_path);
    free(snap);
}

/* Everything but the executable, which the look brings, and who it runs as. */
static int
snapshot_create(struct master *m, struct service_spec *spec, struct snapshot **ret,
                struct error *reterr)
{
    struct snapshot *snap = calloc(1, sizeof(*snap));
    int r = 0;

    if (!snap)
        return error_set(reterr, -ENOMEM, "prepare a generation");
    list_init(&snap->node);
    snap->master = m;
    snap->exe_fd = -1;
    snap->identity = (struct identity)IDENTITY_KEEP;
    snap->spec = service_spec_ref(spec);
    snap->listeners = calloc(spec->n_listen + 1, sizeof(struct listener *));
    if (!snap->listeners) {
        snapshot_destroy(snap);
        return error_set(reterr, -ENOMEM, "prepare a generation");
    }
    for (size_t i = 0; r == 0 && i < spec->n_listen; i++) {
        struct listener *l = listeners_find(&m->listeners, spec->listen[i].address);

        if (l)
            snap->listeners[snap->n_listeners++] = listener_ref(l);
        else
            r = error_say(reterr, -ENOENT, "no open listener for %s", spec->listen[i].address);
    }
    if (r == 0 && spec->probe_listener)
        r = listeners_probe(&m->listeners, spec->probe_listener, &snap->probe, reterr);
    if (snap->probe && spec->libstint)
        (void)fd_nonblock(snap->probe->fd);
    if (snap->probe)
        keep_listener(m, snap->probe);
    if (r < 0) {
        snapshot_destroy(snap);
        return r;
    }
    *ret = snap;
    return 0;
}

/* ---- inspections ------------------------------------------------------------------------------------- */

struct inspection *
inspection_get(struct master *m, uint32_t service)
{
    struct table_node *n = table_find(&m->inspection_by_service, service);
    struct inspection *d;

    if (n)
        return container_of(n, struct inspection, by_service);
    d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->master = m;
    d->service = service;
    list_add(&m->inspections, &d->node);
    table_add(&m->inspection_by_service, &d->by_service, service);
    return d;
}

void
inspection_destroy(struct inspection *d)
{
    watch_clear(d->master->watch, d->service);
    identity_ask_cancel(d->ask);
    look_cancel(d->look);
    run_cancel(d->check);
    snapshot_destroy(d->looking);
    strv_finish(&d->watched);
    list_del(&d->node);
    table_remove(&d->master->inspection_by_service, &d->by_service);
    free(d);
}

/* ---- looking ------------------------------------------------------------------------------------- */

static void
inspection_looked(struct inspection *d, const struct look_answer *answer, uint64_t snapshot)
{
    struct event ev = {.type = EVENT_LOOKED, .service = d->service};

    ev.looked.reload = d->look_reload;
    ev.looked.result = answer->result;
    ev.looked.snapshot = snapshot;
    ev.looked.digest = answer->digest;
    ev.looked.program = d->program;
    ev.looked.setting = d->setting;
    ev.looked.outdated = hands_outdated(d->master, d->service);
    ev.looked.reason = answer->result == LOOK_OK ? NULL : answer->reason;
    ev.looked.error = answer->error;
    master_post(d->master, &ev);
}

/* @error: negative errno when it is the program's; 0 = something else is wrong */
static void
inspection_broken(struct inspection *d, int error, const char *reason)
{
    struct look_answer answer = {.result = LOOK_BROKEN, .error = error};

    snapshot_destroy(steal(d->looking));
    (void)snprintf(answer.reason, sizeof(answer.reason), "%s", reason);
    inspection_looked(d, &answer, 0);
}

static bool
preload_is_there(const struct inspection *d, const struct snapshot *snap,
                 const struct look_answer *answer, struct error *reterr)
{
    auto_free char *objects = NULL;
    int r = preload_find(snap->spec, &objects, reterr);
    const char *why =
        objects && !answer->is_script ? preload_hindrance(answer->exe_fd, &answer->exe_stat) : NULL;

    if (why)
        journal_say(d->master->journal, LOG_LEVEL_WARNING, "preload_ignored",
                    "%s: '%s' will hardly work for %s: %s", snap->spec->name,
                    snap->spec->preload ? "preload" : "profiling.heap", snap->exe_path, why);
    return r == 0;
}

static void
on_looked(void *env, struct look_answer *answer)
{
    struct inspection *d = env;
    struct snapshot *snap = steal(d->looking);
    struct error err = {.text = "out of memory"};

    d->look = NULL;
    if (answer->result != LOOK_OK) {
        snapshot_destroy(snap);
        inspection_looked(d, answer, 0);
        return;
    }
    snap->exe_path = strdup(answer->real_path);
    if (!snap->exe_path || environment_read(snap->spec, &snap->env_file, &err) < 0) {
        snapshot_destroy(snap);
        inspection_broken(d, 0, err.text);
        return;
    }
    if (!preload_is_there(d, snap, answer, &err)) {
        snapshot_destroy(snap);
        inspection_broken(d, 0, err.text);
        return;
    }
    d->program = snapshot_program(snap, answer);
    d->setting = snapshot_setting(snap);
    snap->exe_stat = answer->exe_stat;
    snap->id = ++d->master->last_snapshot;
    /* the kernel hands a script's path to its interpreter */
    if (!answer->is_script && pin_take(snap, steal_fd(answer->exe_fd)) < 0) {
        snapshot_destroy(snap);
        inspection_broken(d, 0, "out of memory");
        return;
    }
    list_add(&d->master->snapshots, &snap->node);
    table_add(&d->master->snapshot_by_id, &snap->by_id, snap->id);
    EDGE("snapshot-kept");
    save_snapshot(d->master, snap);
    inspection_looked(d, answer, snap->id);
}

/*
 * Arm before reading: what changes from now on gives a hint. @exe: NULL: it is not there, and may
 * come anywhere in its PATH.
 */
static int
inspection_watch(struct inspection *d, const struct service_spec *spec, const char *exe,
                 struct error *reterr)
{
    struct strv paths = {NULL, 0};
    int r = 0;

    if (spec->watch_binary)
        r = exe ? strv_add(&paths, exe) : look_command_places(spec, &paths);
    for (size_t i = 0; r == 0 && i < spec->watch_paths.n; i++)
        r = strv_add(&paths, spec->watch_paths.items[i]);
    if (r == 0 && spec->env_file)
        r = strv_add(&paths, spec->env_file);
    if (r == 0 && !strv_equal(&paths, &d->watched)) {
        r = watch_set(d->master->watch, d->service, (const char *const *)paths.items, paths.n,
                      reterr);
        if (r == 0) {
            strv_finish(&d->watched);
            d->watched = paths;
            return 0;
        }
    }
    strv_finish(&paths);
    return r;
}

void
inspections_rewatch(struct master *m)
{
    list_for_each (n, &m->inspections) {
        struct inspection *d = container_of(n, struct inspection, node);
        const struct service *s = core_service(m->core, d->service);
        auto_free char *exe = NULL;
        struct error err = {0};
        int r;

        if (!s || d->look_reload == 0)
            continue;
        r = look_resolve_command(s->spec, &exe, &err);
        if (r == 0)
            r = inspection_watch(d, s->spec, exe, &err);
        if (r < 0) /* the next look fails with the same words */
            journal_say(m->journal, LOG_LEVEL_WARNING, "not_watched", "service %s: %s", s->name,
                        err.text);
    }
}

/* Who it runs as is known: now its files. */
static int
inspection_read(struct inspection *d, const char *exe, struct error *reterr)
{
    const struct service_spec *spec = d->looking->spec;
    auto_free const char **inputs = calloc(spec->watch_paths.n + 2, sizeof(*inputs));
    struct look_request rq = {.watch_binary = spec->watch_binary || spec->require_preflight,
                              .know_binary = spec->handoff == HANDOFF_SIGNAL,
                              .settle_us = d->settle_us};
    int r;

    if (!inputs)
        return error_set(reterr, -ENOMEM, "look at the inputs");
    for (size_t i = 0; i < spec->watch_paths.n; i++)
        inputs[rq.n_inputs++] = spec->watch_paths.items[i];
    if (spec->env_file)
        inputs[rq.n_inputs++] = spec->env_file;
    rq.executable = exe;
    rq.inputs = inputs;
    rq.deadline_us = mono_now_us() + LOOK_PATIENCE_US;
    r = look_start(d->master->loop, &rq, on_looked, d, &d->look);
    return r < 0 ? error_set(reterr, r, "look at the inputs") : 0;
}

static void
on_identity(void *env, struct identity *id, const struct error *why)
{
    struct inspection *d = env;
    auto_free char *exe = NULL;
    struct error err = {0};
    int r;

    d->ask = NULL;
    if (!id) {
        inspection_broken(d, 0, why->text);
        return;
    }
    d->looking->identity = *id;
    *id = (struct identity)IDENTITY_KEEP;
    r = look_resolve_command(d->looking->spec, &exe, &err);
    if (r < 0 || inspection_read(d, exe, &err) < 0)
        inspection_broken(d, r, err.text);
}

static int
inspection_look(struct inspection *d, struct service_spec *spec, int64_t settle_us,
                struct error *reterr)
{
    auto_free char *exe = NULL;
    uint32_t number;
    int r, found;

    d->settle_us = settle_us;
    found = look_resolve_command(spec, &exe, reterr);
    r = inspection_watch(d, spec, exe, found < 0 ? NULL : reterr);
    if (r == 0 && found < 0) /* armed only now: it may have come a moment ago */
        found = look_resolve_command(spec, &exe, reterr);
    if (r == 0)
        r = found;
    if (r == 0)
        r = snapshot_create(d->master, spec, &d->looking, reterr);
    if (r < 0 || !d->looking)
        return r;
    if (spec->user || (spec->group && !identity_number(spec->group, &number))) {
        struct identity_request rq = {spec->user, spec->group, mono_now_us() + NAMES_PATIENCE_US,
                                      on_identity, d};

        return identity_ask(d->master->loop, &rq, &d->ask, reterr);
    }
    if (spec->group)
        d->looking->identity.gid = number;
    return inspection_read(d, exe, reterr);
}

void
snapshot_look(struct master *m, const struct effect *e)
{
    const struct service *s = core_service(m->core, e->service);
    struct inspection *d = inspection_get(m, e->service);
    struct error err = {.text = "out of memory"};
    int r;

    if (!s || !s->reload.spec)
        return;
    if (!d) {
        struct event ev = {.type = EVENT_LOOKED, .service = e->service};

        ev.looked.reload = e->reload;
        ev.looked.result = LOOK_BROKEN;
        ev.looked.reason = err.text;
        master_post(m, &ev);
        return;
    }
    identity_ask_cancel(steal(d->ask));
    look_cancel(steal(d->look));
    snapshot_destroy(steal(d->looking));
    d->look_reload = e->reload;
    r = inspection_look(d, s->reload.spec, e->settle_us, &err);
    if (r < 0)
        inspection_broken(d, r, err.text);
}
