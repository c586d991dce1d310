/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* What a run of a reload learns from the world, and what follows from it. */

unsigned
service_draining(const struct service *s)
{
    unsigned count = 0;

    list_for_each (n, &s->generations) {
        const struct generation *g = container_of(n, struct generation, node);

        count += g->state == GENERATION_DRAINING && generation_live(g);
    }
    return count;
}

void
service_reject(struct service *s, struct digest digest, const char *reason)
{
    s->input_rejected = true;
    s->rejected = digest;
    copy_text(s->rejected_reason, sizeof(s->rejected_reason), reason);
}

/* The candidate may be started: now, when there is room, or after the old one has left. */
void
reload_proceed(struct core *c, struct service *s)
{
    bool serving = service_serving(s) != NULL;
    const char *on;

    if (s->reload.state != RELOAD_QUEUED && reload_waits(c, s, &on)) {
        (void)reload_step(c, s, RE_WAIT);
    } else if (reload_by_signal(c, s)) {
        (void)reload_step(c, s, RE_SIGNAL); /* nobody drains, nobody leaves */
    } else if (serving && service_draining(s) >= s->spec->max_draining) {
        if (s->reload.state != RELOAD_QUEUED)
            (void)reload_step(c, s, RE_CROWDED);
    } else if (service_in_the_way(s, s->reload.spec)) {
        (void)reload_step(c, s, RE_RELIEVE); /* a singleton is never there twice */
    } else {
        (void)reload_step(c, s, RE_STARTABLE);
    }
}

bool
reload_at_door(const struct service *s)
{
    const struct reload *r = &s->reload;
    const struct generation *serving = service_serving(s);

    return r->spec && r->spec->require_preflight && !r->past_door && serving &&
           !digest_equal(serving->digest, r->digest); /* more of the same is nothing new */
}

/* Nobody asks whether a preflight has passed it: who has to know does. */
static void
reload_tell_door(struct core *c, struct service *s)
{
    const struct reload *r = &s->reload;

    if (!r->spec->require_preflight || reload_at_door(s))
        return;
    record_text(record_service(c, RECORD_CHECK, s), "is not asked for a preflight: %s",
                r->past_door         ? r->cause
                : service_serving(s) ? "it is what serves"
                                     : "nothing serves");
}

static void
reload_compare(struct core *c, struct service *s, const struct event *ev)
{
    struct reload *r = &s->reload;
    struct digest digest = digest_mix(service_spec_launch_digest(r->spec), ev->looked.digest);
    struct generation *serving = service_serving(s);
    char reason[sizeof(s->rejected_reason) + 64];

    r->snapshot = ev->looked.snapshot;
    r->digest = digest;
    r->program = ev->looked.program;
    r->setting = ev->looked.setting;
    r->outdated = ev->looked.outdated;
    /* The same input may have completed once, and failed when it was run again. */
    if (!r->force && serving && digest_equal(serving->digest, digest) &&
        !(generation_runs_once(serving) && s->input_rejected &&
          digest_equal(s->rejected, digest))) {
        if (s->input_rejected || r->settle_cap_us == TIME_NEVER) /* mended, or an operator asks */
            generation_hasten(c, serving);
        s->input_rejected = false;
        s->rejected = (struct digest){0, 0};
        s->rejected_reason[0] = '\0';
        service_apply_policy(c, s, "policy");
        reload_end(c, s, OUTCOME_UNCHANGED, "");
    } else if (!r->force && s->input_rejected && digest_equal(s->rejected, digest)) {
        (void)snprintf(reason, sizeof(reason), "unchanged since it was rejected: %s",
                       s->rejected_reason);
        reload_end(c, s, OUTCOME_REJECTED, reason);
    } else if (r->spec->check.n > 0 || reload_at_door(s)) {
        reload_tell_door(c, s);
        (void)reload_step(c, s, RE_CHANGED);
    } else {
        reload_tell_door(c, s);
        reload_proceed(c, s);
    }
}

void
reload_looked(struct core *c, struct service *s, const struct event *ev)
{
    struct reload *r = &s->reload;
    const char *reason = ev->looked.reason ? ev->looked.reason : "cannot be read";

    if (r->state != RELOAD_LOOKING || ev->looked.reload != r->id) {
        reload_give_back(c, s, ev->looked.snapshot); /* the run that asked is over */
        return;
    }
    switch (ev->looked.result) {
    case LOOK_OK:
        reload_compare(c, s, ev);
        break;
    case LOOK_UNSETTLED:
        if (r->settle_cap_us > c->now_us) { /* TIME_NEVER: it settles for the first time */
            (void)reload_step(c, s, RE_UNSETTLED);
            break;
        }
        reason = "is still being written";
        __attribute__((fallthrough)); /* clang does not read comments */
    case LOOK_BROKEN:
        service_reject(s, (struct digest){0, 0}, reason);
        s->failure = failure_to_start(ev->looked.error);
        reload_end(c, s, OUTCOME_REJECTED, reason);
        break;
    }
}

void
reload_checked(struct core *c, struct service *s, const struct event *ev)
{
    struct digest condemned = {0, 0};
    struct record *rec;

    if (s->reload.state != RELOAD_CHECKING || ev->checked.reload != s->reload.id)
        return; /* the run that asked is over */
    rec = record_service(c, RECORD_CHECK, s);
    if (rec)
        rec->warning = !ev->checked.ok;
    record_text(rec, "%s%s%s", ev->checked.ok ? "passed" : "failed",
                ev->checked.reason && ev->checked.reason[0] ? ": " : "",
                ev->checked.reason ? ev->checked.reason : "");
    if (ev->checked.ok) {
        reload_proceed(c, s);
        return;
    }
    /* Refused by a check that is not the one configured any more, or by a door that may open: the
     * next run asks. */
    if (strv_equal(&s->reload.spec->check, &s->spec->check) && !ev->checked.again)
        condemned = s->reload.digest;
    service_reject(s, condemned, ev->checked.reason ? ev->checked.reason : "check failed");
    s->failure = failure_to_start(0);
    reload_end(c, s, OUTCOME_REJECTED, s->rejected_reason);
}
