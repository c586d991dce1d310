/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * What happened to a service is counted by what people are told of it, so both say the same; and in
 * the same step, so it is written down with it, and the next master counts on.
 */

/* As the ledger has it: see struct certificate of probe/judge_history.h. */
static enum certified
grade_of(const struct toll *toll)
{
    if (toll->handed_to)
        return CERTIFIED_HANDED;
    if (!toll->survey.good[FINDING_PIDS])
        return CERTIFIED_ASSUMED;
    return toll->survey.good[FINDING_CGROUP] ? CERTIFIED_CGROUP : CERTIFIED_PIDS;
}

/* Of what is only counted, where; 0: nobody asks how many. */
static const size_t counters[RECORD_KIND_COUNT] = {
    [RECORD_SPAWN] = offsetof(struct service_tally, spawns),
    [RECORD_EXIT] = offsetof(struct service_tally, exits),
    [RECORD_LEAK] = offsetof(struct service_tally, overdue),
    [RECORD_KILL] = offsetof(struct service_tally, kills),
    [RECORD_ABANDONED] = offsetof(struct service_tally, abandoned),
    [RECORD_ESCAPEE] = offsetof(struct service_tally, escapees),
    [RECORD_THREAD_LEAK] = offsetof(struct service_tally, thread_leaks),
    [RECORD_ABORTED] = offsetof(struct service_tally, aborted),
};

static void
tally(struct service_tally *t, const struct record *r)
{
    if (counters[r->kind] > 0)
        ++*(uint32_t *)(void *)((char *)t + counters[r->kind]);
    if (r->kind == RECORD_VERDICT) {
        t->verdicts[r->outcome]++;
        t->reload_us += r->duration_us;
    }
    if (r->kind == RECORD_CERTIFICATE) {
        t->certificates[grade_of(&r->toll)]++;
        t->unclean += r->warning;
    }
}

void
tally_step(struct core *c, size_t first)
{
    for (size_t i = first; i < c->fx->n; i++) {
        const struct effect *e = &c->fx->items[i];
        struct service *s = e->type == FX_RECORD ? core_service(c, e->record->service_id) : NULL;

        if (!s)
            continue; /* removed in this step: nobody asks for it any more */
        tally(&s->tally, e->record);
        agenda_touch(c, s);
    }
}
