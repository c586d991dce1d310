/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>

#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * Thousands that start together on a small machine would all miss their start_timeout. So only so many
 * are on their way to be ready at once, and the others wait in a line, each service once and in turn. Who
 * may not be kept waiting is let past: a service that serves, with its respawns and the candidates of its
 * reloads. Who is assumed to be ready, and who runs once, has no start_timeout to miss, and takes no
 * place. A worker's start_timeout begins with its start, so the wait is none of it; and since that time is
 * bounded, so is the wait.
 */

static bool
takes_place(const struct generation *g)
{
    return g->spec->ready.mode != READY_ASSUME && !generation_runs_once(g);
}

void
place_take(struct core *c, struct worker *w)
{
    w->placed = w->state == WORKER_STARTING && takes_place(w->generation);
    c->n_starting += w->placed;
}

void
place_leave(struct core *c, struct worker *w)
{
    c->n_starting -= w->placed;
    w->placed = false;
}

static bool
is_free(const struct core *c)
{
    return c->max_starting == 0 || c->n_starting < c->max_starting;
}

static void
leave_line(struct service *s)
{
    list_del(&s->place);
    s->ticket = 0;
}

bool
place_for(struct core *c, struct generation *g)
{
    struct service *s = g->service;
    bool its_turn = list_empty(&c->places) || c->offered == s;

    if ((is_free(c) && its_turn) || !takes_place(g) || service_serving(s)) {
        leave_line(s);
        if (c->offered == s) /* for one worker; for the next it stands in the line again */
            c->offered = NULL;
        return true;
    }
    if (list_empty(&s->place)) {
        s->ticket = ++c->last_ticket;
        list_add(&c->places, &s->place);
    }
    return false;
}

bool
places_wait(const struct core *c)
{
    return !list_empty(&c->places) && is_free(c);
}

bool
places_offer(struct core *c)
{
    if (!places_wait(c))
        return false;
    c->offered = container_of(c->places.next, struct service, place);
    leave_line(c->offered);
    agenda_add(c, c->offered);
    return true;
}

void
place_forget(struct core *c, struct service *s)
{
    leave_line(s);
    if (c->offered == s)
        c->offered = NULL;
}

void
places_restore(struct core *c)
{
    list_for_each (n, &c->services) {
        struct service *s = container_of(n, struct service, node);
        struct list *behind = c->places.prev; /* nearly always: they came as they are configured */

        while (s->ticket > 0 && behind != &c->places &&
               container_of(behind, struct service, place)->ticket > s->ticket)
            behind = behind->prev;
        if (s->ticket > 0)
            list_add(behind->next, &s->place); /* at the end of what begins there: before it */
    }
}
