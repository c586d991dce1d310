/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

#define EVIDENCE_RETRY_US (250 * US_PER_MS)

/* What time does to a worker: its deadlines, and what may move them. */

void
worker_extend(struct core *c, struct worker *w, uint64_t usec)
{
    int64_t until = usec > (uint64_t)INT64_MAX / 2 ? TIME_NEVER : c->now_us + (int64_t)usec;

    reload_signal_extend(w, until);
    if (w->state != WORKER_STARTING && w->state != WORKER_DRAINING)
        return;
    until = earlier(until, w->extend_limit_us);
    if (w->state == WORKER_DRAINING)
        until = earlier(until, stop_leak_at_us(c));
    if (until > w->deadline_us)
        w->deadline_us = until;
}

/* LEAKED ends with evidence in hand; without it the kill waits a little, but not for ever. */
static bool
worker_awaits_evidence(struct core *c, struct worker *w)
{
    if (w->state != WORKER_LEAKED || w->evidence || c->now_us >= w->extend_limit_us)
        return false;
    w->deadline_us = earlier(c->now_us + EVIDENCE_RETRY_US, w->extend_limit_us);
    return true;
}

/* What was waited for: that the program does not speak the default is the commonest reason of all. */
static const char *
what_did_not_come(enum ready_mode mode)
{
    static const char *const words[] = {
        [READY_NOTIFY] = "no READY=1 came, which 'ready: notify' waits for",
        [READY_FD] = "no newline came on the descriptor of 'ready'",
        [READY_FILE] = "the file of 'ready' did not get its pid",
        [READY_EXEC] = "the command of 'ready' did not exit 0",
        [READY_ASSUME] = "'assume_after' is longer",
        [READY_TCP] = "nobody answered at the address of 'ready'",
        [READY_HTTP] = "no 2xx or 3xx came from the URL of 'ready'",
    };

    return words[mode];
}

void
worker_tick(struct core *c, struct worker *w)
{
    struct generation *g = w->generation;

    worker_inspect_tick(c, w);
    if (w->state == WORKER_STARTING && w->assume_us <= c->now_us && w->pid > 0) {
        (void)worker_step(c, w, WE_READY);
        return;
    }
    if (w->state == WORKER_READY && w->leave_us <= c->now_us) {
        (void)worker_step(c, w, WE_DRAIN);
        return;
    }
    if (w->deadline_us > c->now_us || worker_awaits_evidence(c, w))
        return;
    if (w->state == WORKER_STARTING && generation_active(g) && !g->has_served) {
        char spell[32], why[192];

        if (generation_runs_once(g))
            (void)snprintf(why, sizeof(why), "did not end within its 'run_timeout' of %s",
                           duration_human(g->spec->run_timeout_us, spell, sizeof(spell)));
        else
            (void)snprintf(why, sizeof(why), "worker %u was not ready within %s: %s", w->slot,
                           duration_human(g->spec->start_timeout_us, spell, sizeof(spell)),
                           what_did_not_come(g->spec->ready.mode));
        g->excused = false;
        generation_abort_because(c, g, why); /* drains this worker too */
        return;
    }
    (void)worker_step(c, w, WE_DEADLINE);
}

void
worker_clip(struct core *c, struct worker *w)
{
    if (w->state == WORKER_DRAINING && w->pid > 0)
        w->deadline_us = earlier(w->deadline_us, stop_leak_at_us(c));
    if (w->state == WORKER_LEAKED) {
        w->deadline_us = earlier(w->deadline_us, stop_kill_at_us(c));
        w->extend_limit_us = earlier(w->extend_limit_us, stop_end_us(c));
    }
    if (w->state == WORKER_KILLED)
        w->deadline_us = earlier(w->deadline_us, stop_end_us(c));
}
