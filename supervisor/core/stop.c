/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * The ladder of a stop within one budget: four fifths to drain, a tenth of grace after the
 * evidence, a tenth for SIGKILL to do its work. At the end whoever is left is abandoned, by name.
 */
int64_t
stop_leak_at_us(const struct core *c)
{
    return c->stopping ? c->stop_deadline_us - c->stop_budget_us / 5 : TIME_NEVER;
}

int64_t
stop_kill_at_us(const struct core *c)
{
    return c->stopping ? c->stop_deadline_us - c->stop_budget_us / 10 : TIME_NEVER;
}

int64_t
stop_end_us(const struct core *c)
{
    return c->stopping ? c->stop_deadline_us : TIME_NEVER;
}

static void
stop_clip(struct core *c, struct service *s)
{
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        if (g->state == GENERATION_DRAINING && g->deadline_us != TIME_NEVER &&
            g->deadline_us > stop_leak_at_us(c))
            g->deadline_us = stop_leak_at_us(c);
        hook_clip(c, g);
        g->survey_us =
            g->survey_us == TIME_NEVER ? TIME_NEVER : earlier(g->survey_us, stop_end_us(c));
        list_for_each (m, &g->workers)
            worker_clip(c, container_of(m, struct worker, node));
    }
}

void
stop_all(struct core *c, const char *cause, unsigned status)
{
    if (c->stopping)
        return;
    c->stopping = true;
    c->exit_status = status;
    c->stop_deadline_us = c->now_us + c->stop_budget_us;
    list_for_each (n, &c->services) {
        struct service *s = container_of(n, struct service, node);

        if (s->want == WANT_UP)
            s->want = WANT_DOWN;
        stop_clip(c, s);
        record_text(record_service(c, RECORD_SERVICE, s), "stops: %s", cause);
    }
}

/* ---- before anybody asks ---------------------------------------------------------------------- */

static bool
failed_for_good(const struct service *s)
{
    return service_state(s) == SERVICE_FAILED && s->reload.state == RELOAD_IDLE &&
           !s->reload.trailing;
}

static bool
goes_on(const struct core *c, const struct service *s)
{
    return service_busy(s) || (s->want == WANT_UP && !failed_for_good(s) && !service_is_done(s) &&
                               !service_waits_in_vain(c, s));
}

/* The worst of those that failed; of those that had @completed before, or that never did. 0: none. */
static int
worst_failure(const struct core *c, bool completed, char *why, size_t room)
{
    int worst = 0;

    list_for_each (n, &c->services) {
        const struct service *s = container_of(n, struct service, node);
        int status = s->failure > 0 ? (int)s->failure : 1;

        if (!failed_for_good(s) || (service_serving(s) != NULL) != completed || status <= worst)
            continue;
        worst = status;
        (void)snprintf(why, room, "%s failed for good: %s", s->name, s->rejected_reason);
    }
    return worst;
}

int
core_spent(const struct core *c, char *why, size_t room)
{
    int worst = worst_failure(c, false, why, room);

    if (worst > 0)
        return worst;
    list_for_each (n, &c->services)
        if (goes_on(c, container_of(n, struct service, node)))
            return -1;
    worst = worst_failure(c, true, why, room); /* a oneshot that does not now is no reason before */
    if (worst == 0)
        (void)snprintf(why, room, "no service is left to run");
    return worst;
}
