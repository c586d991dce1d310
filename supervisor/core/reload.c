/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

#define SETTLE_CAP_US (5 * US_PER_S) /* a stream of writes delays a reload no longer than this */

void
reload_give_back(struct core *c, struct service *s, uint64_t snapshot)
{
    struct effect *e = snapshot ? effects_add(c->fx, FX_DISCARD) : NULL;

    if (!e)
        return;
    e->service = s->id;
    e->snapshot = snapshot;
}

bool
reload_ask(struct core *c, struct service *s)
{
    struct reload *r = &s->reload;
    bool looks = r->state == RELOAD_LOOKING;
    bool capped = r->settle_cap_us <= c->now_us;
    bool asked =
        r->settle_cap_us == TIME_NEVER; /* never settled: an operator or a start wants it now */
    struct effect *e = effects_add(c->fx, looks ? FX_LOOK : FX_CHECK);

    r->deadline_us = c->now_us + reload_patience_us(r);
    if (!e)
        return false;
    e->service = s->id;
    e->reload = r->id;
    e->snapshot = r->snapshot;
    e->settle_us = !looks || capped || asked ? 0 : r->spec->settle_us;
    return true;
}

/* What it has learned, and what it holds. */
static void
reload_let_go(struct core *c, struct service *s)
{
    struct reload *r = &s->reload;

    reload_give_back(c, s, r->snapshot);
    service_spec_unref(r->spec);
    r->spec = NULL;
    r->snapshot = 0;
    r->digest = r->program = r->setting = (struct digest){0, 0};
    r->deadline_us = TIME_NEVER;
}

void
reload_untried(struct core *c, struct service *s, const char *why)
{
    service_reject(s, (struct digest){0, 0}, why);
    s->failure = failure_to_start(0);
    if (s->reload.state == RELOAD_HANDING && s->reload.previous > 0)
        (void)reload_step(c, s, RE_RESTORE);
    else
        reload_end(c, s, OUTCOME_REJECTED, why);
}

/* ---- on entry --------------------------------------------------------------------------- */

static void
reload_settle(struct core *c, struct service *s)
{
    struct reload *r = &s->reload;
    int64_t quiet = c->now_us + s->spec->settle_us;

    if (r->settle_cap_us == TIME_NEVER)
        r->settle_cap_us = c->now_us + SETTLE_CAP_US;
    r->deadline_us = quiet < r->settle_cap_us ? quiet : r->settle_cap_us;
}

static void
reload_look(struct core *c, struct service *s)
{
    struct reload *r = &s->reload;

    service_spec_unref(r->spec);
    r->spec = service_spec_ref(s->spec);
    if (!reload_ask(c, s))
        reload_untried(c, s, "out of memory");
}

static void
reload_wait(struct core *c, struct service *s)
{
    const char *on = "";

    (void)reload_waits(c, s, &on);
    record_text(record_service(c, RECORD_QUEUED, s), "waits for %s to %s", on,
                service_wait_word(s, on));
    reload_let_go(c, s);
}

static void
reload_go_on(struct core *c, struct service *s)
{
    (void)c;
    (void)s;
}

static void
reload_check(struct core *c, struct service *s)
{
    if (!reload_ask(c, s))
        reload_untried(c, s, "out of memory");
}

static void
reload_queue(struct core *c, struct service *s)
{
    record_text(
        record_service(c, RECORD_QUEUED, s),
        "%u generations are draining already (max_draining %u); the reload waits for one to end",
        service_draining(s), s->spec->max_draining);
}

static void
reload_relieve(struct core *c, struct service *s)
{
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        /* A run that ended is none that could return; nor does one take anybody's place. */
        if (!generation_active(g) || generation_runs_once(g) ||
            s->reload.spec->type == TYPE_ONESHOT)
            continue;
        s->reload.previous = g->number; /* should the new one fail, this one returns */
        (void)generation_step(c, g, GE_RELIEVE);
    }
}

static void
reload_hand(struct core *c, struct service *s)
{
    struct generation *g = generation_create(c, s);

    if (g) {
        record_text(record_generation(c, RECORD_STARTING, g), "%s", s->reload.cause);
        service_apply_policy(c, s, "policy"); /* in case it changed since this run began */
        (void)hook_begin(c, g, HOOK_BEFORE_START);
    } else {
        c->fx->lost++; /* so that it is told, and the service looked at again */
        reload_untried(c, s, "out of memory");
    }
}

static void
reload_finish(struct core *c, struct service *s)
{
    reload_signal_over(s);
    reload_let_go(c, s);
    s->reload.settle_cap_us = TIME_NEVER;
    s->reload.force = s->reload.past_door = false;
}

static void
reload_trail(struct core *c, struct service *s)
{
    if (s->reload.trailing)
        return;
    s->reload.trailing = true;
    s->reload.trailing_id = ++c->last_reload_id;
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct rule {
    enum reload_state next; /* RELOAD_NO_STATE (0): an empty cell */
    void (*enter)(struct core *c, struct service *s);
} rules[RELOAD_STATE_COUNT][RE_COUNT] = {
#define ROW(from, event, to, fn) [RELOAD_##from][RE_##event] = {RELOAD_##to, fn},
#include "supervisor/core/reload_fsm.def"
#undef ROW
};

bool
reload_cell(enum reload_state s, enum reload_event e, enum reload_state *ret_next)
{
    *ret_next = rules[s][e].next;
    return rules[s][e].next != RELOAD_NO_STATE;
}

int
reload_step(struct core *c, struct service *s, enum reload_event e)
{
    const struct rule *r = &rules[s->reload.state][e];

    if (r->next == RELOAD_NO_STATE) {
        record_bug(c, s, "reload", reload_state_name(s->reload.state), (int)e);
        return -1;
    }
    move_reload(c, s, e, r->next);
    if (s->reload.state != r->next)
        s->reload.deadline_us = TIME_NEVER; /* of the state that is left */
    s->reload.state = r->next;
    r->enter(c, s);
    return 0;
}

/* ---- beginnings ------------------------------------------------------------------------------ */

static void
reload_begin(struct core *c, struct service *s, uint64_t id, const char *cause)
{
    struct reload *r = &s->reload;

    r->id = id;
    r->started_us = c->now_us;
    r->settle_cap_us = TIME_NEVER;
    r->previous = 0;
    r->patience_us = TIME_NEVER;
    r->grade = GRADE_NONE;
    r->fallback[0] = '\0';
    chance_trace(c, r->trace);
    copy_text(r->cause, sizeof(r->cause), cause);
}

/* A run that shall look: now, or once the service may start. */
static enum reload_event
reload_asked(const struct core *c, const struct service *s)
{
    const char *on;

    return service_waits(c, s, &on) ? RE_WAIT : RE_REQUEST;
}

/* The first event of a run needs the run's identity before its entry action, hence two steps. */
static void
reload_first(struct core *c, struct service *s, enum reload_event e, uint64_t id, const char *cause)
{
    reload_begin(c, s, id, cause);
    (void)reload_step(c, s, e);
    record_text(record_service(c, RECORD_RELOAD, s), "%s", s->reload.cause);
}

void
reload_hint(struct core *c, struct service *s, const char *path)
{
    struct reload *r = &s->reload;
    char cause[160];

    (void)snprintf(cause, sizeof(cause), "%s changed",
                   path ? path : "nobody watched for a while: an input may have");
    if (r->state == RELOAD_IDLE) {
        reload_first(c, s, RE_HINT, ++c->last_reload_id, cause);
        return;
    }
    if (r->state > RELOAD_WAITING && !r->trailing)
        copy_text(r->trailing_cause, sizeof(r->trailing_cause), cause);
    (void)reload_step(c, s, RE_HINT);
}

void
reload_request(struct core *c, struct service *s, const char *cause, struct reload_wish wish)
{
    struct reload *r = &s->reload;

    if (r->state == RELOAD_IDLE) {
        r->force = wish.force;
        r->past_door = wish.past_door;
        reload_first(c, s, reload_asked(c, s), ++c->last_reload_id, cause);
        return;
    }
    if (r->state <= RELOAD_WAITING) {
        r->force = r->force || wish.force;
        r->past_door = r->past_door || wish.past_door;
        r->settle_cap_us = TIME_NEVER; /* asked for: do not wait any more */
        copy_text(r->cause, sizeof(r->cause), cause);
    } else {
        r->trailing_request = true;
        r->trailing_force = r->trailing_force || wish.force;
        r->trailing_past_door = r->trailing_past_door || wish.past_door;
        copy_text(r->trailing_cause, sizeof(r->trailing_cause), cause);
    }
    (void)reload_step(c, s, r->state == RELOAD_SETTLING ? reload_asked(c, s) : RE_REQUEST);
}

void
reload_begin_trailing(struct core *c, struct service *s)
{
    struct reload *r = &s->reload;
    char cause[sizeof(r->trailing_cause)];
    enum reload_event e = r->trailing_request ? reload_asked(c, s) : RE_HINT;

    memcpy(cause, r->trailing_cause, sizeof(cause));
    r->force = r->trailing_force;
    r->past_door = r->trailing_past_door;
    r->trailing = r->trailing_force = r->trailing_request = r->trailing_past_door = false;
    reload_first(c, s, e, r->trailing_id, cause);
}

/* Every id that was promised gets its verdict: that of the run, and that of the one that would follow. */
void
reload_cancel(struct core *c, struct service *s, const char *reason)
{
    struct reload *r = &s->reload;

    if (r->state != RELOAD_IDLE)
        reload_end(c, s, OUTCOME_CANCELLED, reason);
    if (!r->trailing)
        return;
    r->trailing_request = false; /* it shall settle for the one moment it lives, and not look */
    reload_begin_trailing(c, s);
    reload_end(c, s, OUTCOME_CANCELLED, reason);
}

/* ---- the end ----------------------------------------------------------------------------------- */

void
reload_end(struct core *c, struct service *s, enum outcome o, const char *reason)
{
    const struct generation *serving = service_serving(s);
    struct verdict *v = &s->last;
    struct record *r = record_service(c, RECORD_VERDICT, s);

    v->reload = s->reload.id;
    v->outcome = o;
    v->grade = s->reload.grade;
    v->generation = serving ? serving->number : 0;
    v->at_us = c->now_us;
    v->duration_us = c->now_us - s->reload.started_us;
    copy_text(v->cause, sizeof(v->cause), s->reload.cause);
    copy_text(v->reason, sizeof(v->reason), reason);
    memcpy(v->trace, s->reload.trace, sizeof(v->trace));
    if (r) {
        r->outcome = o;
        r->grade = v->grade;
        r->generation = v->generation;
        r->duration_us = v->duration_us;
        r->warning = o == OUTCOME_REJECTED || o == OUTCOME_RESTORED;
        copy_text(r->text, sizeof(r->text), v->reason[0] ? v->reason : v->cause);
    }
    (void)reload_step(c, s, RE_END);
}
