/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* ---- what it is: derived, never stored ------------------------------------------------------- */

struct generation *
service_serving(const struct service *s)
{
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        if (generation_active(g) && g->has_served)
            return g;
    }
    return NULL;
}

struct generation *
service_candidate(const struct service *s)
{
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        if (generation_active(g) && !g->has_served)
            return g;
    }
    return NULL;
}

struct generation *
service_generation(const struct service *s, uint64_t number)
{
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        if (g->number == number)
            return g;
    }
    return NULL;
}

bool
service_live(const struct service *s)
{
    list_for_each (n, &s->generations)
        if (generation_live(container_of(n, struct generation, node)))
            return true;
    return false;
}

bool
generation_works(const struct generation *g)
{
    list_for_each (n, &g->workers) {
        const struct worker *w = container_of(n, struct worker, node);

        if (!w->escapee && (w->state == WORKER_STARTING || w->state == WORKER_READY))
            return true;
    }
    return false;
}

/* A handoff is under way: a candidate is being checked, waits, starts or is being undone. */
static bool
service_handing(const struct service *s)
{
    return s->reload.state >= RELOAD_CHECKING;
}

enum service_state
service_state(const struct service *s)
{
    const struct generation *serving = service_serving(s);
    enum service_state once;

    if (s->want != WANT_UP)
        return service_busy(s) ? SERVICE_STOPPING : SERVICE_STOPPED;
    if (oneshot_state(s, &once))
        return once;
    if (serving && service_handing(s))
        return SERVICE_RELOADING;
    if (serving)
        return generation_works(serving) ? SERVICE_RUNNING : SERVICE_BACKOFF;
    if (s->reload.state == RELOAD_RELIEVING || s->reload.state == RELOAD_RESTORING)
        return SERVICE_RELOADING;
    if (s->input_rejected && !service_handing(s))
        return SERVICE_FAILED;
    return SERVICE_STARTING;
}

uint64_t
service_covering_reload(const struct core *c, const struct service *s)
{
    if (s->want != WANT_UP || c->stopping)
        return 0;
    if (s->reload.state == RELOAD_SETTLING || s->reload.state == RELOAD_WAITING)
        return s->reload.id;
    return s->reload.trailing ? s->reload.trailing_id : c->last_reload_id + 1;
}

/* ---- dependencies ------------------------------------------------------------------------------- */

bool
service_ready(const struct service *s)
{
    const struct generation *g = service_serving(s);

    if (!g || g->state != GENERATION_SERVING)
        return false;
    for (unsigned i = 0; i < g->n_slots; i++)
        if (slot_worker(g, i) && slot_worker(g, i)->state == WORKER_READY)
            return true;
    return false; /* all of them have died, or are leaving */
}

bool
service_waits(const struct core *c, const struct service *s, const char **ret_on)
{
    if (s->want != WANT_UP || service_serving(s) || service_candidate(s))
        return false;
    for (size_t i = 0; i < s->spec->depends_on.n; i++) {
        const char *name = s->spec->depends_on.items[i];
        const struct service *on = core_service_by_name(c, name);

        if (on &&
            (service_awaits_completion(s->spec, name) ? service_completed(on) : service_ready(on)))
            continue;
        *ret_on = name;
        return true;
    }
    return false;
}

bool
reload_waits(const struct core *c, const struct service *s, const char **ret_on)
{
    if (service_waits(c, s, ret_on))
        return true;
    if (s->want != WANT_UP || !service_serving(s))
        return false;
    for (size_t i = 0; i < s->spec->depends_completed.n; i++) {
        const struct service *on = core_service_by_name(c, s->spec->depends_completed.items[i]);

        if (!on || !service_holds(on))
            continue;
        *ret_on = s->spec->depends_completed.items[i];
        return true;
    }
    return false;
}

/* Whom it waits for just now, whatever its run is about. */
static bool
waits_for(const struct core *c, const struct service *s, const char **ret_on)
{
    bool held = s->reload.state == RELOAD_WAITING || s->reload.state == RELOAD_QUEUED;

    return held ? reload_waits(c, s, ret_on) : service_waits(c, s, ret_on);
}

const char *
service_wait_word(const struct service *s, const char *on)
{
    return service_awaits_completion(s->spec, on) ? "complete" : "be ready";
}

/* It will not become what @s waits for without somebody's help. */
static bool
is_hopeless(const struct service *s, const struct service *on)
{
    if (on->want != WANT_UP)
        return true;
    return on->reload.state == RELOAD_IDLE &&
           (service_state(on) == SERVICE_FAILED ||
            (on->input_rejected && service_awaits_completion(s->spec, on->name)));
}

bool
service_waits_in_vain(const struct core *c, const struct service *s)
{
    const struct service *who = s, *on = s;
    const char *name;

    while (on && waits_for(c, on, &name)) { /* ends: the configuration has no cycles */
        who = on;
        on = core_service_by_name(c, name);
    }
    return on != s && (!on || is_hopeless(who, on));
}

bool
service_has_live_dependents(const struct service *s)
{
    list_for_each (n, &s->dependents)
        if (service_busy(container_of(n, struct dependency, node)->who))
            return true;
    return false;
}

char *
service_why(const struct core *c, const struct service *s, char *buf, size_t room)
{
    const char *on;
    char spell[32];

    buf[0] = '\0';
    if (waits_for(c, s, &on))
        (void)snprintf(buf, room, "waits for %s to %s", on, service_wait_word(s, on));
    else if (service_hooked(s, HOOK_BEFORE_START))
        (void)snprintf(buf, room, "runs its hook before_start: %s", s->reload.cause);
    else if (s->reload.state == RELOAD_QUEUED)
        (void)snprintf(buf, room, "reload queued: %u generations drain", service_draining(s));
    else if (s->reload.state == RELOAD_RELIEVING)
        (void)snprintf(buf, room, "waits for the old generation to leave");
    else if (s->reload.state == RELOAD_SETTLING)
        (void)snprintf(buf, room, "waits %s for the writer to finish",
                       duration_human(s->reload.deadline_us - c->now_us, spell, sizeof(spell)));
    else if (s->reload.state == RELOAD_HANDING && !list_empty(&s->place))
        (void)snprintf(buf, room, "waits for its turn: %u workers are starting (max_starting: %u)",
                       c->n_starting, c->max_starting);
    else if (s->reload.state == RELOAD_HANDING && s->reload.spec->type == TYPE_ONESHOT)
        (void)snprintf(buf, room, "its command runs: %s", s->reload.cause);
    else if (s->reload.state > RELOAD_SETTLING)
        (void)snprintf(buf, room, "%s: %s", reload_state_name(s->reload.state), s->reload.cause);
    else if (s->want != WANT_UP && service_has_live_dependents(s))
        (void)snprintf(buf, room, "waits for the services that depend on it");
    else if (s->want != WANT_UP && !service_live(s) && service_busy(s))
        (void)snprintf(buf, room, "waits for its hooks");
    return buf;
}

/* ---- progress ------------------------------------------------------------------------------------- */

void
service_apply_policy(struct core *c, struct service *s, const char *keys)
{
    struct digest wanted = service_spec_launch_digest(s->spec);

    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);
        struct record *r;

        if (!generation_active(g) || g->spec == s->spec || service_spec_equal(g->spec, s->spec) ||
            !digest_equal(service_spec_launch_digest(g->spec), wanted))
            continue;
        generation_follow_policy(c, g, s->spec);
        r = record_generation(c, RECORD_SERVICE, g);
        record_text(r, "changed in place: %s", keys);
    }
}

static bool
generation_is_kept(const struct service *s, const struct generation *g)
{
    return g->number == s->reload.previous && s->want == WANT_UP &&
           s->reload.state == RELOAD_RELIEVING;
}

/* Close what is over. */
static void
service_retire(struct core *c, struct service *s)
{
    bool undoing = s->reload.state == RELOAD_RELIEVING || s->reload.state == RELOAD_HANDING ||
                   s->reload.state == RELOAD_RESTORING;

    list_for_each_safe (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        if (g->hook != HOOK_NONE)
            continue; /* it is not over as long as somebody is being told */
        if (g->state == GENERATION_DRAINING && !generation_live(g) && generation_is_kept(s, g))
            (void)generation_step(c, g, GE_PARK);
        if (!list_empty(&g->workers))
            continue;
        if (g->state == GENERATION_DRAINING || (g->state == GENERATION_PARKED && !undoing))
            (void)generation_step(c, g, GE_EMPTY);
        if (g->state != GENERATION_RETIRED || g->hook != HOOK_NONE || g->survey_us != TIME_NEVER)
            continue;
        reload_give_back(c, s, g->snapshot);
        generation_destroy(g);
    }
}

static void
service_relieve_all(struct core *c, struct service *s)
{
    bool waits = c->stopping && c->now_us < stop_leak_at_us(c) && service_has_live_dependents(s);

    reload_cancel(c, s, s->want == WANT_GONE ? "the service was removed" : "the service stops");
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        /* Reverse dependency order, as long as the budget allows; nobody depends on a candidate. */
        if (generation_active(g) && !(waits && g->has_served))
            (void)generation_step(c, g, GE_RELIEVE);
    }
}

static void
service_bring_up(struct core *c, struct service *s)
{
    const char *on;

    if (s->reload.state != RELOAD_IDLE || s->reload.trailing || s->input_rejected ||
        service_serving(s) || service_candidate(s) || service_waits(c, s, &on))
        return;
    reload_request(c, s, "start", (struct reload_wish){0});
}

void
service_advance(struct core *c, struct service *s)
{
    if (s->want != WANT_UP)
        service_relieve_all(c, s);
    else
        service_bring_up(c, s);
    list_for_each (n, &s->generations)
        generation_advance(c, container_of(n, struct generation, node));
    service_retire(c, s);
    if (s->want == WANT_UP)
        reload_advance(c, s);
}

/* ---- the next deadline ---------------------------------------------------------------------------- */

static int64_t
generation_next_us(const struct generation *g)
{
    int64_t next = earlier(g->deadline_us, earlier(g->hook_deadline_us, g->survey_us));

    list_for_each (n, &g->workers) {
        const struct worker *w = container_of(n, struct worker, node);

        next = earlier(next, earlier(w->deadline_us, w->leave_us));
        next = earlier(next, worker_inspect_next_us(w));
        if (w->pid > 0)
            next = earlier(next, w->assume_us);
    }
    if (!list_empty(&g->service->place)) /* not a matter of time */
        return next;
    for (unsigned i = 0; generation_active(g) && generation_may_spawn(g) && i < g->n_slots; i++)
        if (!g->slots[i].worker)
            next = earlier(next, g->slots[i].next_spawn_us);
    return earlier(next, relief_next_us(g));
}

int64_t
service_next_us(const struct service *s)
{
    int64_t next = s->reload.deadline_us;

    list_for_each (n, &s->generations)
        next = earlier(next, generation_next_us(container_of(n, struct generation, node)));
    return next;
}

void
service_destroy(struct core *c, struct service *s)
{
    if (!s)
        return;
    agenda_leave(c, s);
    list_for_each_safe (n, &s->generations)
        generation_destroy(container_of(n, struct generation, node));
    service_spec_unref(s->reload.spec);
    service_spec_unref(s->spec);
    free(s->hooks);
    free(s);
}
