/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/units.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/child.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_hooks.h"
#include "supervisor/io/master_reload.h"
#include "supervisor/io/master_spans.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/watch.h"

/* The wire's word for why a worker is asked to leave. */
static uint32_t
cancel_cause(const struct master *m, const struct worker *w)
{
    const struct generation *g = w->generation;

    if (m->core->stopping || g->service->want != WANT_UP || w->slot >= g->n_slots)
        return STINT_WIRE_STOPPED;
    return g->aborted ? STINT_WIRE_REJECTED : STINT_WIRE_RELIEVED;
}

static void
act_open(struct master *m, const struct effect *e)
{
    struct hand *h = hand_find(m, e->worker);

    if (h)
        hand_give_listeners(h);
}

static void
act_cancel(struct master *m, const struct effect *e)
{
    struct hand *h = hand_find(m, e->worker);
    const struct worker *w = core_worker(m->core, e->worker);
    int r;

    if (!h || !h->channel || !w)
        return;
    r = channel_cancel(h->channel, cancel_cause(m, w), e->text, e->deadline_us);
    if (r < 0 && r != -ENOTCONN) /* the drain signal follows in any case */
        journal_say(m->journal, LOG_LEVEL_WARNING, "cancel_not_sent",
                    "%s/%u: the worker does not read its channel", h->service, h->slot);
}

static void
act_signal(struct master *m, const struct effect *e)
{
    struct hand *h = hand_find(m, e->worker);

    if (h && !h->dead)
        (void)child_signal(h->pidfd, e->signo); /* -ESRCH: its death is on the way to us */
}

static void
act_kill(struct master *m, const struct effect *e)
{
    struct hand *h = hand_find(m, e->worker);
    const struct worker *w = core_worker(m->core, e->worker);

    if (!h || !w)
        return;
    h->leaks.killed = true;
    if (w->escapee) /* its group may be somebody else's */
        (void)child_signal(h->pidfd, e->signo);
    else
        (void)child_kill_group(h->pid, h->pidfd); /* not reaped yet, so the group is ours */
    leaf_kill(m, h);
}

static void
act_record(struct master *m, const struct effect *e)
{
    const struct record *r = e->record;

    if (r->kind == RECORD_STARTING)
        numbers_note(m, r->service, r->generation);
    if (r->kind == RECORD_CERTIFICATE)
        leaks_certify(m, r);
    if (r->kind == RECORD_CERTIFICATE)
        master_spans_certificate(m, r);
    if (r->kind == RECORD_HANDED)
        hands_renumber(m, r);
    if (r->kind == RECORD_SERVICE)
        m->sweep = true;
    if (r->kind == RECORD_SERVICE || r->kind == RECORD_READY || r->kind == RECORD_SERVING) {
        usage_wake(m);
        deadlines_wake(m);
    }
    if (e->number && e->number <= m->restored_effect) /* whether it was told nobody knows */
        journal_record_repeated(m->journal, r);
    else
        journal_record(m->journal, r);
    if (r->kind == RECORD_SERVICE && !core_service(m->core, r->service_id)) {
        journal_forget(m->journal, r->service);
        deadlines_forget(m, r->service);
    }
    if (r->kind == RECORD_RELOAD || r->kind == RECORD_DRAINING || r->kind == RECORD_SERVICE)
        heaps_record(m, r);
    if (m->desk)
        operator_record(m->desk, r);
    if (r->kind == RECORD_READY)
        hand_asked(m, r->worker);
}

void
master_act(struct master *m, const struct effect *e)
{
    switch (e->type) {
    case FX_LOOK:
        snapshot_look(m, e);
        break;
    case FX_CHECK:
        snapshot_check(m, e);
        break;
    case FX_SPAWN:
        hand_start(m, e->worker);
        break;
    case FX_OPEN:
        act_open(m, e);
        break;
    case FX_CANCEL:
        act_cancel(m, e);
        break;
    case FX_SIGNAL:
        act_signal(m, e);
        break;
    case FX_RELOAD:
        hand_reload(m, e);
        break;
    case FX_EVIDENCE:
        leaks_evidence(m, e);
        break;
    case FX_INSPECT:
        leaks_inspect(m, e);
        break;
    case FX_KILL:
        act_kill(m, e);
        break;
    case FX_HOOK:
        hook_run(m, e);
        break;
    case FX_UNHOOK:
        hook_end(m, e);
        break;
    case FX_SURVEY:
        survey_ask(m, e);
        break;
    case FX_DISCARD:
        snapshot_destroy(snapshot_find(m, e->snapshot));
        break;
    case FX_RECORD:
        act_record(m, e);
        break;
    }
}
