/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/plain.h"
#include "supervisor/probe/registry.h"

/* What a copy of a registry says, as claims. Every index in it may lead anywhere. */
#define DEPTH_MAX 16 /* of scopes in a path */

struct reading {
    const struct registry_copy *copy;
    struct registry_view *v;
};

/* Copy a string of unknown intent so that it can be shown on a terminal and in a log. */
static void
plain(char *to, size_t room, const char *from, size_t size)
{
    size_t n = strnlen(from, size < room ? size : room - 1);

    memcpy(to, from, n);
    memset(to + n, 0, room - n);
    to[room - 1] = '\0';
    plain_text(to);
}

#define PLAIN(to, from) plain((to), sizeof(to), (from), sizeof(from))

static int64_t
as_time(uint64_t us)
{
    return us > INT64_MAX ? INT64_MAX : (int64_t)us;
}

static int64_t
not_negative(int64_t us)
{
    return us < 0 ? 0 : us;
}

static pid_t
as_pid(uint64_t number)
{
    return number > INT32_MAX ? 0 : (pid_t)number;
}

/* A site by index + 1. False: there is none. */
static bool
site_get(const struct reading *rd, uint32_t number, struct stint_registry_site *ret)
{
    const struct stint_registry_table *t = &rd->copy->header.sites;

    if (number == 0 || number == STINT_SITE_UNKNOWN)
        return false;
    if (number > t->used) {
        rd->v->untrusted = true;
        return false;
    }
    memcpy(ret, rd->copy->sites + (size_t)(number - 1) * t->stride, sizeof(*ret));
    return ret->kind != STINT_SITE_NONE;
}

static bool
is_torn(const struct reading *rd, uint32_t seq)
{
    return rd->copy->after[seq] % 2 != 0;
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

/* Whole, and not free. Index 0 is there whatever is said of it. */
static bool
scope_get(const struct reading *rd, uint32_t index, struct stint_registry_scope *ret)
{
    const struct stint_registry_header *h = &rd->copy->header;

    if (index >= h->scopes.used || is_torn(rd, h->slots.used + index))
        return false;
    memcpy(ret, rd->copy->scopes + (size_t)index * h->scopes.stride, sizeof(*ret));
    return ret->state != STINT_SCOPE_FREE;
}

/* Prepend @name and a slash; what does not fit any more is cut off at the front. */
static void
prepend(char *path, size_t size, const char *name)
{
    const size_t have = strlen(path), add = strlen(name) + (have > 0);
    const size_t kept = have + add < size ? add : size - 1 - have;

    memmove(path + kept, path, have + 1);
    if (kept > 0 && have > 0)
        path[kept - 1] = '/';
    if (kept > (have > 0))
        memcpy(path, name + (add - kept), kept - (have > 0));
}

static void
scope_path(struct reading *rd, uint32_t index, char *path, size_t size)
{
    struct stint_registry_scope s;
    char name[sizeof(s.name) + 1];

    path[0] = '\0';
    for (int depth = 0;; depth++) {
        bool known = scope_get(rd, index, &s);

        if (known)
            PLAIN(name, s.name);
        prepend(path, size, known ? name : index == 0 ? "root" : "?");
        if (index == 0 || !known)
            return;
        if (depth == DEPTH_MAX || s.parent >= rd->copy->header.scopes.used) {
            rd->v->untrusted = true;
            prepend(path, size, "?");
            return;
        }
        index = s.parent;
    }
}

static void
scope_parse(struct reading *rd, uint32_t index)
{
    const struct stint_registry_header *h = &rd->copy->header;
    struct scope_facts *f = &rd->v->scopes[index];
    struct stint_registry_scope s;

    *f = (struct scope_facts){.grace_us = INT64_MAX, .closed = index != 0};
    scope_path(rd, index, f->path, sizeof(f->path));
    if (index < h->scopes.used && is_torn(rd, h->slots.used + index))
        rd->v->torn_scopes++;
    if (!scope_get(rd, index, &s))
        return;
    f->generation = s.generation;
    f->opened_us = as_time(s.opened_us);
    f->cancelled_us = as_time(s.cancelled_us);
    f->grace_us = not_negative(s.grace_us);
    f->retired = s.state == STINT_SCOPE_RETIRED;
    f->closed = s.state == STINT_SCOPE_CLOSED;
    f->threads = s.threads;
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void
add_wait(const struct reading *rd, const struct stint_registry_slot *s, struct claim *c)
{
    struct stint_registry_site site;

    if (!site_get(rd, s->wait_site, &site))
        return;
    if (site.kind == STINT_SITE_JOIN) {
        c->awaits_tid = as_pid(s->wait_object);
        return; /* by name, when all are known */
    }
    if (site.kind == STINT_SITE_SCOPE) {
        const uint64_t index = s->wait_object;

        c->awaits_scope = index < rd->v->n_scopes ? (unsigned)index + 1 : 0;
        (void)snprintf(c->wait_text, sizeof(c->wait_text), "end of scope %.50s",
                       index < rd->v->n_scopes ? rd->v->scopes[index].path : "?");
        return;
    }
    PLAIN(c->wait_text, site.text);
    PLAIN(c->wait_file, site.file);
    c->wait_line = site.line;
    c->wait_object = s->wait_object;
}

static void
add_birth(const struct reading *rd, const struct stint_registry_slot *s, struct claim *c)
{
    struct stint_registry_site site;

    c->creator_tid = as_pid(s->creator_tid);
    c->creator_pc = s->creator_pc;
    c->start_pc = s->start_pc;
    PLAIN(c->creator_name, s->creator_name);
    if (!site_get(rd, s->birth_site, &site))
        return;
    PLAIN(c->creator_file, site.file);
    PLAIN(c->creator_function, site.function);
    c->creator_line = site.line;
}

/*
 * add_scopes - what the scopes around it say: the grace of the nearest that has one, the first cancel,
 * and the words of the scope whose cancel reached the thread, which has the same time.
 */
static void
add_scopes(struct reading *rd, const struct stint_registry_slot *s, struct claim *c)
{
    struct stint_registry_scope scope;
    uint32_t index = s->scope;

    c->grace_us = INT64_MAX;
    if (index >= rd->v->n_scopes) {
        rd->v->untrusted = true;
        index = 0;
    }
    if (scope_get(rd, index, &scope) && index != 0 && scope.opened_us > s->started_us &&
        s->state == STINT_SLOT_DONE)
        index = 0; /* of a later one: its own is long gone */
    c->scope_index = index;
    c->generation = rd->v->scopes[index].generation;
    memcpy(c->scope, rd->v->scopes[index].path, sizeof(c->scope));
    for (int depth = 0; depth <= DEPTH_MAX && scope_get(rd, index, &scope); depth++) {
        const int64_t at_us = as_time(scope.cancelled_us);

        if (c->grace_us == INT64_MAX)
            c->grace_us = not_negative(scope.grace_us);
        if (index != 0 && at_us != 0 && (c->cancelled_us == 0 || at_us < c->cancelled_us)) {
            c->cancelled_us = at_us;
            c->cause = scope.cause;
        }
        if (at_us != 0 && at_us == c->cancelled_us) {
            PLAIN(c->cause_text, scope.text);
            PLAIN(c->cause_who, scope.who);
        }
        if (index == 0 || scope.parent >= rd->v->n_scopes)
            return;
        index = scope.parent;
    }
}

static void
add_trace(const struct stint_registry_slot *s, struct claim *c)
{
    static const uint8_t none[sizeof(s->trace_id)];

    if (memcmp(s->trace_id, none, sizeof(none)) == 0)
        return;
    for (size_t i = 0; i < sizeof(s->trace_id); i++)
        (void)snprintf(c->trace_id + 2 * i, 3, "%02x", s->trace_id[i]);
}

static void
add_claims(struct reading *rd, const struct stint_registry_slot *s, struct claim *c)
{
    struct stint_registry_site reason;

    c->started_us = as_time(s->started_us);
    c->cancelled_us = as_time(s->cancelled_us);
    c->deadline_us = s->deadline_us;
    c->cause = s->cause;
    c->beats = s->beats;
    c->vital_every_us = s->flags & STINT_SLOT_VITAL ? not_negative(s->vital_every_us) : -1;
    c->exempt = (s->flags & STINT_SLOT_EXEMPT) != 0;
    c->exempt_until_us = not_negative(s->exempt_until_us);
    c->shield_until_us = not_negative(s->shield_until_us);
    c->task = (s->flags & STINT_SLOT_TASK) != 0;
    c->preload = (s->flags & STINT_SLOT_PRELOAD) != 0;
    PLAIN(c->name, s->name);
    PLAIN(c->token, s->token);
    if (site_get(rd, s->reason_site, &reason))
        PLAIN(c->reason, reason.text);
    add_birth(rd, s, c);
    add_trace(s, c);
    add_wait(rd, s, c);
    add_scopes(rd, s, c);
}

static void
slot_parse(struct reading *rd, uint32_t index, struct registry_thread *t)
{
    struct stint_registry_slot s;

    memcpy(&s, rd->copy->slots + (size_t)index * rd->copy->header.slots.stride, sizeof(s));
    *t = (struct registry_thread){.tid = as_pid(s.tid),
                                  .alive_ns = s.alive_ns,
                                  .epoch = s.epoch,
                                  .slot = index,
                                  .main = (s.flags & STINT_SLOT_MAIN) != 0,
                                  .adopted = (s.flags & STINT_SLOT_ADOPTED) != 0,
                                  .joinable = (s.flags & STINT_SLOT_JOINABLE) != 0};
    if (t->tid == 0)
        rd->v->untrusted = true;
    add_claims(rd, &s, &t->claim);
}

static uint32_t
state_of(const struct reading *rd, uint32_t index)
{
    uint32_t state;

    memcpy(&state,
           rd->copy->slots + (size_t)index * rd->copy->header.slots.stride +
               offsetof(struct stint_registry_slot, state),
           sizeof(state));
    return is_torn(rd, index) ? STINT_SLOT_FREE : state;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int
by_identity(const void *a, const void *b)
{
    const struct registry_thread *x = a, *y = b;

    if (x->tid != y->tid)
        return x->tid < y->tid ? -1 : 1;
    return (x->alive_ns > y->alive_ns) - (x->alive_ns < y->alive_ns);
}

static int
by_age(const void *a, const void *b)
{
    const struct registry_thread *x = a, *y = b;

    if (x->alive_ns != y->alive_ns)
        return x->alive_ns < y->alive_ns ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

static void
name_joins(struct registry_view *v)
{
    for (size_t i = 0; i < v->n; i++) {
        struct claim *c = &v->threads[i].claim;
        const struct registry_thread *of =
            c->awaits_tid ? registry_find(v, c->awaits_tid, 0) : NULL;

        if (c->awaits_tid)
            (void)snprintf(c->wait_text, sizeof(c->wait_text), "join of %s",
                           of ? of->claim.name : "a thread");
    }
}

static int
allocate(const struct reading *rd, size_t live, size_t done, struct error *reterr)
{
    struct registry_view *v = rd->v;

    v->n_scopes = rd->copy->header.scopes.used > 0 ? rd->copy->header.scopes.used : 1;
    v->threads = calloc(live + 1, sizeof(*v->threads));
    v->ended = calloc(done + 1, sizeof(*v->ended));
    v->scopes = calloc(v->n_scopes, sizeof(*v->scopes));
    if (v->threads && v->ended && v->scopes)
        return 0;
    registry_view_finish(v);
    return error_set(reterr, -ENOMEM, "read a registry of %u slots", v->slots);
}

int
registry_parse(const struct registry_copy *copy, struct registry_view *ret, struct error *reterr)
{
    const struct stint_registry_header *h = &copy->header;
    struct registry_view v = {.pid = as_pid(h->pid),
                              .slots = h->slots.count,
                              .overflow = h->overflow,
                              .overflow_scopes = h->overflow_scopes,
                              .overflow_sites = h->overflow_sites,
                              .served = h->served,
                              .untrusted = copy->untrusted};
    struct reading rd = {copy, &v};
    size_t live = 0, done = 0;

    for (uint32_t i = 0; i < h->slots.used; i++) {
        live += state_of(&rd, i) == STINT_SLOT_LIVE;
        done += state_of(&rd, i) == STINT_SLOT_DONE;
        v.torn += is_torn(&rd, i);
    }
    if (allocate(&rd, live, done, reterr) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < v.n_scopes; i++)
        scope_parse(&rd, i);
    for (uint32_t i = 0; i < h->slots.used; i++) {
        if (state_of(&rd, i) == STINT_SLOT_LIVE)
            slot_parse(&rd, i, &v.threads[v.n++]);
        else if (state_of(&rd, i) == STINT_SLOT_DONE)
            slot_parse(&rd, i, &v.ended[v.n_ended++]);
    }
    qsort(v.threads, v.n, sizeof(*v.threads), by_identity);
    qsort(v.ended, v.n_ended, sizeof(*v.ended), by_age);
    name_joins(&v);
    *ret = v;
    return 0;
}
