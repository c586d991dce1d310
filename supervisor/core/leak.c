/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* What is known of a worker's threads: when it is looked at, and what that means for it. */

#define EVIDENCE_WAIT_US (10 * US_PER_S)

/* ---- past the drain deadline ---------------------------------------------------------------- */

void
worker_ask_evidence(struct core *c, struct worker *w, int64_t from_us)
{
    /* an image may hold a time that never comes */
    from_us = earlier(from_us, TIME_NEVER - EVIDENCE_WAIT_US);
    w->extend_limit_us = earlier(from_us + EVIDENCE_WAIT_US, stop_end_us(c));
    worker_effect(c, w, FX_EVIDENCE, 0);
}

/* It was looked at, so what ends it may end what would have been seen: its grace begins here. */
static void
worker_insist(struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    if (w->escapee || w->state != WORKER_LEAKED || spec->stop_signal == spec->drain_signal)
        return;
    w->deadline_us = earlier(c->now_us + spec->leak_grace_us, stop_kill_at_us(c));
    worker_effect(c, w, FX_SIGNAL, spec->stop_signal);
}

void
worker_evidence(struct core *c, struct worker *w, const struct event *ev)
{
    struct record *r;

    if (w->evidence || (w->state != WORKER_LEAKED && w->state != WORKER_KILLED))
        return;
    w->evidence = true;
    w->stragglers = ev->evidence.stragglers;
    copy_text(w->leak, sizeof(w->leak), ev->evidence.text);
    r = record_worker(c, RECORD_LEAK, w);
    if (r) {
        r->warning = true;
        r->count = w->stragglers;
        r->duration_us = c->now_us - w->drain_us;
        copy_text(r->text, sizeof(r->text), ev->evidence.text);
    }
    worker_insist(c, w);
}
