/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * type: oneshot. Its one process is never ready: it runs (STARTING) until it ends by itself, and its
 * generation has COMPLETED when that was with 0 and whoever it left behind is gone, too. Then there is
 * no process, but a generation that is compared with what lies on disk, like one that serves.
 */

bool
generation_runs_once(const struct generation *g)
{
    return g->spec->type == TYPE_ONESHOT;
}

bool
service_completed(const struct service *s)
{
    const struct generation *g = service_serving(s);

    return g && g->state == GENERATION_COMPLETED && !s->input_rejected && !service_candidate(s);
}

bool
service_is_done(const struct service *s)
{
    return service_completed(s) && s->reload.state == RELOAD_IDLE && !s->reload.trailing;
}

/* A run of it is under way, or the last one failed: what would be new beside it may need what it does. */
bool
service_holds(const struct service *s)
{
    return s->want == WANT_UP && s->spec->type == TYPE_ONESHOT && !service_is_done(s);
}

/* false: the rules for those that stay apply. */
bool
oneshot_state(const struct service *s, enum service_state *ret)
{
    const struct generation *last = service_serving(s);
    const struct generation *next = service_candidate(s);

    if ((last && !generation_runs_once(last)) || (!last && !next))
        return false;
    if (next && generation_runs_once(next) && generation_works(next))
        *ret = SERVICE_RUNNING;
    else if (!last)
        return false;
    else if (s->reload.state >= RELOAD_CHECKING)
        *ret = SERVICE_RELOADING;
    else
        *ret = s->input_rejected ? SERVICE_FAILED : SERVICE_COMPLETED;
    return true;
}

/* Two runs of it are never there at once; of what stays, it is the handoff that says so. */
bool
service_in_the_way(const struct service *s, const struct service_spec *spec)
{
    if (spec->type != TYPE_ONESHOT)
        return service_spec_handoff(spec) == HANDOFF_REPLACE &&
               (service_live(s) || service_hooked(s, HOOK_ANNOUNCE));
    list_for_each (n, &s->generations) {
        const struct generation *g = container_of(n, struct generation, node);

        if (generation_runs_once(g) && generation_live(g))
            return true;
    }
    return false;
}

/* Its deadline, from now; as long as nothing is configured there is none. */
void
oneshot_await_end(const struct core *c, struct worker *w)
{
    int64_t limit = w->generation->spec->run_timeout_us;

    w->spawned_us = c->now_us;
    w->deadline_us = limit > 0 ? c->now_us + limit : TIME_NEVER;
    w->extend_limit_us = limit > 0 ? c->now_us + limit * EXTEND_FACTOR : TIME_NEVER;
}

/* The process has ended by itself. @text: how. Whether it may have done something is what counts. */
void
oneshot_exit(struct core *c, struct generation *g, struct worker *w, const struct event *ev,
             const char *text)
{
    bool ran = ev->death.exec_error == 0;

    if (obituary_is_success(w, ev)) {
        g->ended_us = c->now_us; /* generation_advance() completes it */
        g->ran_us = c->now_us - w->spawned_us;
        g->service->failure = 0;
    } else if (ran && !g->spec->retry) {
        generation_abort_because(c, g, text);
    } else {
        generation_failure(c, g, w, text, !ran && !g->excused);
    }
}

/*
 * What it was made from is needed by nobody, except by the hook that runs when it is gone, and when the
 * kernel could not end somebody of it.
 */
void
generation_complete(struct core *c, struct generation *g)
{
    struct record *r = record_generation(c, RECORD_COMPLETED, g);
    char spell[32];

    if (r)
        r->duration_us = g->ran_us;
    record_text(r, "its command ended with 0 after %s",
                duration_human(g->ran_us, spell, sizeof(spell)));
    if (list_empty(&g->workers) && g->spec->hooks[HOOK_RETIRED].command.n == 0) {
        reload_give_back(c, g->service, g->snapshot);
        g->snapshot = 0;
    }
    generation_take_over(c, g, OUTCOME_COMPLETED);
}

/* Nobody starts before the hook that may refuse it; nor another try while the one before has left somebody. */
bool
generation_may_spawn(const struct generation *g)
{
    return g->hook != HOOK_BEFORE_START && (!generation_runs_once(g) || !generation_live(g));
}

bool
generation_may_complete(const struct generation *g)
{
    return g->state == GENERATION_STARTING && g->ended_us > 0 && !generation_live(g);
}
