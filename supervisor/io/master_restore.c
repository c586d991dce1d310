/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/pack.h"
#include "supervisor/core/image.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/state.h"

/* What master_save.c wrote, read back in the same order; then what belongs together is joined again. */

struct restore {
    struct master *m;
    struct error *reterr;
    uint64_t *order; /* owned; service ids as they shall stand */
    size_t n_order;
};

static int
bad(const struct restore *rs, const char *what, uint64_t key)
{
    return error_say(rs->reterr, -EBADMSG, "%s %llu of the state makes no sense", what,
                     (unsigned long long)key);
}

static int
restore_master(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct restore *rs = env;
    struct master *m = rs->m;
    struct unpack in = UNPACK_INIT(bytes, n);

    m->started_us = unpack_i64(&in);
    m->n_elders = unpack_most(&in, in.left / 16);
    m->elders = calloc(m->n_elders + 1, sizeof(*m->elders));
    for (size_t i = 0; m->elders && i < m->n_elders; i++) {
        m->elders[i].pid = (pid_t)unpack_i64(&in);
        m->elders[i].start_time = unpack_u64(&in);
    }
    rs->n_order = unpack_most(&in, in.left / 8);
    rs->order = calloc(rs->n_order + 1, sizeof(*rs->order));
    if (!m->elders || !rs->order)
        return error_set(rs->reterr, -ENOMEM, "read the state");
    for (size_t i = 0; i < rs->n_order; i++)
        rs->order[i] = unpack_u64(&in);
    return unpack_done(&in) ? 0 : bad(rs, "master", key);
}

static int
restore_config(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct restore *rs = env;
    struct master *m = rs->m;
    struct unpack in = UNPACK_INIT(bytes, n);
    struct spec *s = m->spec = calloc(1, sizeof(*s));
    uint64_t services;

    if (!s)
        return error_set(rs->reterr, -ENOMEM, "read the state");
    s->path = unpack_str(&in);
    s->runtime_dir = unpack_str(&in);
    s->state_dir = unpack_str(&in);
    s->log_format = (enum log_format)unpack_most(&in, LOG_JOURNAL);
    s->log_level = (enum log_level)unpack_most(&in, LOG_LEVEL_ERROR);
    s->stop_budget_us = unpack_i64(&in);
    s->max_starting = (unsigned)unpack_most(&in, UINT32_MAX);
    s->cgroup = (enum cgroup_mode)unpack_most(&in, CGROUP_ON);
    s->digest.high = unpack_u64(&in);
    s->digest.low = unpack_u64(&in);
    unpack_strv(&in, &s->inputs);
    unpack_strv(&in, &s->directories);
    services = unpack_most(&in, in.left / 8);
    s->services = calloc(services + 1, sizeof(struct service_spec *));
    for (uint64_t i = 0; s->services && i < services; i++) {
        s->services[s->n_services] = specs_of(m, unpack_u64(&in));
        if (!s->services[s->n_services])
            return bad(rs, "configuration", key);
        s->n_services++;
    }
    m->config_error = unpack_str(&in);
    m->runtime_dir = unpack_str(&in);
    m->state_dir = unpack_str(&in);
    if (!s->services)
        return error_set(rs->reterr, -ENOMEM, "read the state");
    return unpack_done(&in) && s->path && s->runtime_dir && s->state_dir && m->runtime_dir &&
                   m->state_dir
               ? 0
               : bad(rs, "configuration", key);
}

/* ---- listeners and snapshots ---------------------------------------------------------------------- */

struct listener *
restore_listener_numbered(const struct master *m, uint64_t number)
{
    list_for_each (n, &m->listeners.all) {
        struct listener *l = container_of(n, struct listener, node);

        if (l->number == number)
            return l;
    }
    return NULL;
}

/* Whoever uses it takes a reference of its own; the first one is dropped when all are restored. */
static int
restore_listener(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct restore *rs = env;
    struct master *m = rs->m;
    struct unpack in = UNPACK_INIT(bytes, n);
    auto_free char *address = unpack_str(&in);
    char name[KEEPER_NAME_MAX];
    struct listener *l = NULL;
    bool shared = unpack_bool(&in);
    int fd, r;

    fd = fdstore_take(m->fdstore, fdstore_name(name, "listener", key));
    if (!address || in.bad)
        return bad(rs, "listener", key);
    if (fd == -1)
        return error_say(rs->reterr, -ENOENT, "the socket of '%s' was not kept", address);
    r = listener_adopt(fd, address, &l, rs->reterr);
    if (r < 0) {
        (void)fd_close(fd);
        return r;
    }
    list_add(&m->listeners.all, &l->node);
    l->backlog = (int)unpack_i64(&in);
    l->mode = (mode_t)unpack_u64(&in);
    l->owner.uid = (uid_t)unpack_u64(&in);
    l->owner.gid = (gid_t)unpack_u64(&in);
    l->device = unpack_u64(&in);
    l->inode = unpack_u64(&in);
    l->foreign = unpack_bool(&in);
    l->number = key;
    l->alone = !shared;
    if (key > m->last_listener)
        m->last_listener = key;
    listen_guard_add(m, l);
    return unpack_done(&in) ? 0 : bad(rs, "listener", key);
}

/* Probe listeners stand alone; unused ones close. */
static void
listeners_settle(struct master *m)
{
    list_for_each_safe (n, &m->listeners.all) {
        struct listener *l = container_of(n, struct listener, node);

        if (l->alone)
            list_del(&l->node);
        listener_unref(l);
    }
}

static int
restore_bound(const struct restore *rs)
{
    struct master *m = rs->m;
    size_t total = 0;

    for (size_t i = 0; i < m->spec->n_services; i++)
        total += m->spec->services[i]->n_listen;
    m->bound = calloc(total + 1, sizeof(struct listener *));
    if (!m->bound)
        return error_set(rs->reterr, -ENOMEM, "read the state");
    for (size_t i = 0; i < m->spec->n_services; i++) {
        for (size_t j = 0; j < m->spec->services[i]->n_listen; j++) {
            const char *address = m->spec->services[i]->listen[j].address;
            struct listener *l = listeners_find(&m->listeners, address);

            if (!l)
                return error_say(rs->reterr, -ENOENT, "no socket of '%s' was kept", address);
            m->bound[m->n_bound++] = listener_ref(l);
        }
    }
    return 0;
}

static void
unpack_identity(struct unpack *in, struct identity *id)
{
    id->uid = (uid_t)unpack_u64(in);
    id->gid = (gid_t)unpack_u64(in);
    id->n_groups = unpack_most(in, in->left / 8);
    if (id->n_groups > 0)
        id->groups = calloc(id->n_groups, sizeof(*id->groups));
    if (id->n_groups > 0 && !id->groups) {
        id->n_groups = 0;
        in->bad = true;
    }
    for (size_t i = 0; i < id->n_groups; i++)
        id->groups[i] = (gid_t)unpack_u64(in);
    id->name = unpack_str(in);
    id->home = unpack_str(in);
    id->shell = unpack_str(in);
}

static int
snapshot_listeners(const struct restore *rs, struct unpack *in, struct snapshot *snap)
{
    struct master *m = rs->m;
    uint64_t n = unpack_most(in, in->left / 8), number;
    struct listener *l;

    snap->listeners = calloc(n + 1, sizeof(struct listener *));
    if (!snap->listeners)
        return error_set(rs->reterr, -ENOMEM, "read the state");
    for (uint64_t i = 0; i < n; i++) {
        l = restore_listener_numbered(m, unpack_u64(in));
        if (!l)
            return bad(rs, "listener of snapshot", snap->id);
        snap->listeners[snap->n_listeners++] = listener_ref(l);
    }
    number = unpack_u64(in);
    l = number ? restore_listener_numbered(m, number) : NULL;
    if (number && !l)
        return bad(rs, "probe listener of snapshot", snap->id);
    snap->probe = l ? listener_ref(l) : NULL;
    return 0;
}

static int
restore_snapshot(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct restore *rs = env;
    struct master *m = rs->m;
    struct unpack in = UNPACK_INIT(bytes, n);
    struct snapshot *snap = calloc(1, sizeof(*snap));
    uint64_t pin;
    int r;

    if (!snap)
        return error_set(rs->reterr, -ENOMEM, "read the state");
    snap->master = m;
    snap->id = key;
    snap->exe_fd = -1;
    snap->identity = (struct identity)IDENTITY_KEEP;
    list_add(&m->snapshots, &snap->node);
    table_add(&m->snapshot_by_id, &snap->by_id, key);
    if (key > m->last_snapshot)
        m->last_snapshot = key;
    snap->spec = specs_of(m, unpack_u64(&in));
    snap->exe_path = unpack_str(&in);
    pin = unpack_u64(&in); /* 1: of a stint whose snapshots had a pin each */
    if (pin > 0) {
        if (pin_restore(snap, pin == 1 ? key : pin - 1) < 0)
            journal_say(m->journal, LOG_LEVEL_WARNING, "pin_lost",
                        "%s: its descriptor was not kept; a respawn runs what is at that path then",
                        snap->exe_path ? snap->exe_path : "?");
    }
    unpack_strv(&in, &snap->env_file);
    unpack_identity(&in, &snap->identity);
    r = snapshot_listeners(rs, &in, snap);
    if (r < 0)
        return r;
    return unpack_done(&in) && snap->spec && snap->exe_path ? 0 : bad(rs, "snapshot", key);
}

/* ---- the core ---------------------------------------------------------------------------------------- */

static int
restore_core(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct restore *rs = env;

    (void)key;
    return image_restore_core(rs->m->core, bytes, n, rs->reterr);
}

/* state_each() goes by id; the order is another one, so they are found one by one. */
struct wanted_service {
    struct restore *rs;
    uint64_t id;
    bool found;
};

static int
restore_service(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct wanted_service *w = env;
    struct restore *rs = w->rs;
    const struct image_specs specs = {.spec = specs_of, .env = rs->m};

    (void)key;
    w->found = true;
    return image_restore_service(rs->m->core, bytes, n, &specs, rs->reterr);
}

static int
restore_services(struct restore *rs)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < rs->n_order; i++) {
        struct wanted_service w = {rs, rs->order[i], false};

        r = state_one(rs->m->state, STATE_SERVICE, rs->order[i], restore_service, &w);
        if (r == -ENOENT)
            r = error_say(rs->reterr, -EBADMSG, "service %llu is missing in the state",
                          (unsigned long long)rs->order[i]);
    }
    return r < 0 ? r : image_restored(rs->m->core, rs->reterr);
}

/* ---- all ------------------------------------------------------------------------------------------------ */

int
restore_all(struct master *m, struct error *reterr)
{
    struct restore rs = {.m = m, .reterr = reterr};
    int r = specs_restore(m, reterr);

    if (r == 0)
        r = state_each(m->state, STATE_MASTER, restore_master, &rs);
    if (r == 0)
        r = state_each(m->state, STATE_CONFIG, restore_config, &rs);
    if (r == 0 && (!rs.order || !m->spec))
        r = error_say(reterr, -ENODATA, "the state has no configuration yet");
    if (r == 0)
        r = state_each(m->state, STATE_LISTENER, restore_listener, &rs);
    if (r == 0)
        r = restore_bound(&rs);
    if (r == 0)
        r = state_each(m->state, STATE_SNAPSHOT, restore_snapshot, &rs);
    if (r == 0)
        r = state_each(m->state, STATE_CORE, restore_core, &rs);
    if (r == 0)
        r = restore_services(&rs);
    if (r == 0)
        r = restore_hands(m, reterr);
    if (r == 0)
        r = restore_effects(m, reterr);
    if (r == 0)
        listeners_settle(m);
    free(rs.order);
    return r;
}

static int
prove(struct restore *rs, int fd)
{
    struct master *m = rs->m;
    int r = state_adopt(fd, &m->state, rs->reterr);

    if (r < 0) {
        (void)fd_close(fd);
        return r;
    }
    r = specs_restore(m, rs->reterr);
    if (r == 0)
        r = state_each(m->state, STATE_MASTER, restore_master, rs);
    if (r == 0)
        r = state_each(m->state, STATE_CONFIG, restore_config, rs);
    if (r == 0)
        r = state_each(m->state, STATE_CORE, restore_core, rs);
    if (r == 0)
        r = restore_services(rs);
    return r == 0 ? restore_effects(m, rs->reterr) : r;
}

/* Into a master that does nothing: what needs descriptors is left out, all else has to be understood. */
int
restore_proof(int fd, struct error *reterr)
{
    struct master m = {.loop = NULL};
    struct restore rs = {.m = &m, .reterr = reterr};
    int r;

    list_init(&m.specs);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    r = fd < 0 ? error_set(reterr, -errno, "read the state") : core_create(1, &m.core);
    if (r == 0)
        r = prove(&rs, fd);
    core_destroy(m.core);
    spec_destroy(m.spec);
    specs_finish(&m);
    state_destroy(m.state);
    effects_finish(&m.todo);
    free(rs.order);
    free(m.elders);
    free(m.config_error);
    free(m.runtime_dir);
    free(m.state_dir);
    return r;
}
