/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* What lets a run go on that waits: time, those who leave, those it depends on. */

#define LOOK_WITHIN_US  (120 * US_PER_S) /* the rim gives up a look after a minute … */
#define CHECK_BEYOND_US (60 * US_PER_S)  /* … and a check at its timeout */

int64_t
reload_patience_us(const struct reload *r)
{
    return r->state == RELOAD_CHECKING ? r->spec->check_timeout_us + CHECK_BEYOND_US
                                       : LOOK_WITHIN_US;
}

/* The rim has answered long ago, unless there was no memory to do it with. */
static void
reload_unanswered(struct core *c, struct service *s)
{
    const char *what = s->reload.state == RELOAD_CHECKING ? "check" : "look at its inputs";
    char spell[32], why[128];

    (void)snprintf(why, sizeof(why), "the %s was not answered within %s", what,
                   duration_human(reload_patience_us(&s->reload), spell, sizeof(spell)));
    reload_untried(c, s, why);
}

static void
reload_restore_parked(struct core *c, struct service *s)
{
    char why[sizeof(s->rejected_reason)];

    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        if (g->number != s->reload.previous)
            continue;
        if (g->state == GENERATION_PARKED && !service_live(s)) {
            (void)generation_step(c, g, GE_RESTORE);
            service_apply_policy(c, s, "policy"); /* in case it changed while it was parked */
            return;
        }
        /* It is tried for ever, but whoever waits has an answer, and something newer a chance. */
        if (generation_falters(g)) {
            (void)snprintf(why, sizeof(why),
                           "%s; the previous generation is started again, and not ready yet",
                           s->rejected_reason);
            reload_end(c, s, OUTCOME_RESTORED, why);
            return;
        }
    }
}

void
reload_advance(struct core *c, struct service *s)
{
    struct reload *r = &s->reload;
    const char *on;
    bool waits = service_waits(c, s, &on);

    if (r->state == RELOAD_SETTLING && r->deadline_us <= c->now_us)
        (void)reload_step(c, s, waits ? RE_WAIT : RE_TIMER);
    else if (r->state == RELOAD_WAITING && !reload_waits(c, s, &on))
        (void)reload_step(c, s, RE_READY);
    else if ((r->state == RELOAD_LOOKING || r->state == RELOAD_CHECKING) &&
             r->deadline_us <= c->now_us)
        reload_unanswered(c, s);
    else if (r->state == RELOAD_QUEUED && service_draining(s) < s->spec->max_draining &&
             !reload_waits(c, s, &on))
        reload_proceed(c, s);
    else if (r->state == RELOAD_RELIEVING &&
             !service_in_the_way(s, r->spec)) /* a handoff goes on in any case */
        (void)reload_step(c, s,
                          r->previous == 0 && reload_waits(c, s, &on) ? RE_WAIT : RE_STARTABLE);
    else if (r->state == RELOAD_RESTORING)
        reload_restore_parked(c, s);
    else if (r->state == RELOAD_ASKING)
        reload_signal_advance(c, s);
    else if (r->state == RELOAD_IDLE && r->trailing)
        reload_begin_trailing(c, s);
}
