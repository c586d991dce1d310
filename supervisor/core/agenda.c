/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * Who has to be looked at in this step: the services something happened to, those whose deadline
 * has come (a heap), and those that wait for one of them. Nobody else: the cost of a step does not
 * grow with the number of services.
 */

/* ---- this step ------------------------------------------------------------------------------- */

void
agenda_touch(struct core *c, struct service *s)
{
    if (list_empty(&s->touched))
        list_add(&c->touched, &s->touched);
}

void
agenda_add(struct core *c, struct service *s)
{
    if (list_empty(&s->agenda))
        list_add(&c->agenda, &s->agenda);
    agenda_touch(c, s); /* nobody writes to a service that is not on the agenda */
}

void
agenda_add_all(struct core *c)
{
    list_for_each (n, &c->services)
        agenda_add(c, container_of(n, struct service, node));
}

/* ---- deadlines: a binary heap, the earliest first ---------------------------------------------- */

static void
due_put(struct core *c, size_t at, struct service *s)
{
    c->due[at] = s;
    s->due_at = at;
}

/* Equal times in the order of the services, so that the same events give the same effects. */
static bool
sooner(const struct service *a, const struct service *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->id < b->id;
}

static void
due_sift(struct core *c, size_t at)
{
    struct service *s = c->due[at];

    while (at > 0 && sooner(s, c->due[(at - 1) / 2])) {
        due_put(c, at, c->due[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (size_t child = at * 2 + 1; child < c->n_due; child = at * 2 + 1) {
        if (child + 1 < c->n_due && sooner(c->due[child + 1], c->due[child]))
            child++;
        if (!sooner(c->due[child], s))
            break;
        due_put(c, at, c->due[child]);
        at = child;
    }
    due_put(c, at, s);
}

static void
due_set(struct core *c, struct service *s, int64_t due_us)
{
    bool was_in = s->due_us != TIME_NEVER;

    if (due_us == s->due_us)
        return;
    s->due_us = due_us;
    if (due_us == TIME_NEVER) {
        struct service *last = c->due[--c->n_due];

        if (last == s)
            return;
        due_put(c, s->due_at, last);
        due_sift(c, last->due_at);
        return;
    }
    if (!was_in)
        due_put(c, c->n_due++, s); /* there is room: agenda_join() made it */
    due_sift(c, s->due_at);
}

struct service *
agenda_due(struct core *c)
{
    struct service *s = c->n_due > 0 ? c->due[0] : NULL;

    if (!s || s->due_us > c->now_us)
        return NULL;
    due_set(c, s, TIME_NEVER);
    return s;
}

/* ---- the end of a service's turn ----------------------------------------------------------------- */

void
agenda_note(struct core *c, struct service *s)
{
    bool ready = service_ready(s);
    bool completed = service_completed(s);
    bool holds = service_holds(s);
    bool live = service_busy(s);

    due_set(c, s, service_next_us(s));
    if (ready != s->was_ready || completed != s->was_completed || holds != s->was_holding) {
        list_for_each (n, &s->dependents)
            agenda_add(c, container_of(n, struct dependency, node)->who);
    }
    if (live != s->was_live) {
        c->n_live += live ? 1 : (size_t)-1;
        for (size_t i = 0; !live && i < s->n_dependencies; i++)
            if (s->dependencies[i].on)
                agenda_add(c, s->dependencies[i].on);
    }
    s->was_ready = ready;
    s->was_completed = completed;
    s->was_holding = holds;
    s->was_live = live;
}

/* ---- coming, depending, leaving --------------------------------------------------------------------- */

bool
agenda_join(struct core *c, struct service *s)
{
    if (c->n_services == c->room_due) {
        size_t room = c->room_due ? c->room_due * 2 : 16;
        struct service **bigger = realloc(c->due, room * sizeof(struct service *));

        if (!bigger)
            return false;
        c->due = bigger;
        c->room_due = room;
    }
    c->n_services++;
    list_init(&s->agenda);
    list_init(&s->touched);
    list_init(&s->place);
    list_init(&s->dependents);
    s->due_us = TIME_NEVER;
    table_add(&c->by_id, &s->by_id, s->id);
    table_add(&c->by_name, &s->by_name, table_key(s->name));
    list_add(&c->services, &s->node);
    return true;
}

static void
unlink_dependencies(struct service *s)
{
    for (size_t i = 0; i < s->n_dependencies; i++)
        list_del(&s->dependencies[i].node);
    free(s->dependencies);
    s->dependencies = NULL;
    s->n_dependencies = 0;
}

static bool
link_dependencies(struct core *c, struct service *s)
{
    const struct strv *names = &s->spec->depends_on;

    unlink_dependencies(s);
    if (names->n == 0)
        return true;
    s->dependencies = calloc(names->n, sizeof(*s->dependencies));
    if (!s->dependencies)
        return false;
    for (size_t i = 0; i < names->n; i++) {
        struct dependency *d = &s->dependencies[s->n_dependencies];

        d->who = s;
        d->on = core_service_by_name(c, names->items[i]);
        if (!d->on)
            continue; /* the configuration has it, or will be refused */
        s->n_dependencies++;
        list_add(&d->on->dependents, &d->node);
    }
    return true;
}

bool
agenda_link_all(struct core *c)
{
    c->unlinked = false;
    list_for_each (n, &c->services)
        if (!link_dependencies(c, container_of(n, struct service, node)))
            c->unlinked = true;
    return !c->unlinked;
}

void
agenda_restore(struct core *c)
{
    list_for_each (n, &c->services) {
        struct service *s = container_of(n, struct service, node);

        s->was_ready = service_ready(s);
        s->was_completed = service_completed(s);
        s->was_holding = service_holds(s);
        s->was_live = service_busy(s);
        c->n_live += s->was_live;
        due_set(c, s, service_next_us(s));
    }
}

void
agenda_leave(struct core *c, struct service *s)
{
    unlink_dependencies(s);
    list_for_each_safe (n, &s->dependents) {
        container_of(n, struct dependency, node)->on = NULL;
        list_del(n);
    }
    due_set(c, s, TIME_NEVER);
    c->n_live -= s->was_live;
    c->n_services--;
    list_del(&s->agenda);
    list_del(&s->touched);
    place_forget(c, s);
    table_remove(&c->by_id, &s->by_id);
    table_remove(&c->by_name, &s->by_name);
    list_del(&s->node);
}
