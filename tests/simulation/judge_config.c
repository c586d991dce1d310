/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge and what is configured: a change of it may make right what was wrong. */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "tests/simulation/judge.h"

static void
least(int64_t *value, int64_t other)
{
    if (other < *value)
        *value = other;
}

void
judge_follow(struct stint *g, const struct wish *w)
{
    least(&g->least_start_us, w->start_timeout_us);
    least(&g->least_drain_us, w->drain_timeout_us);
    least(&g->least_leak_us, w->leak_grace_us);
    least(&g->least_first_us, w->backoff_first_us);
    least(&g->least_max_us, w->backoff_max_us);
    least(&g->least_within_us, w->limit_within_us);
    least(&g->least_assume_us, w->reload_assume_us);
    if (w->run_timeout_us > 0)
        least(&g->least_run_us, w->run_timeout_us);
    g->wants_hooks &= w->hooks;
    if (w->restart_age_us > 0)
        least(&g->least_age_us, w->restart_age_us - w->restart_age_us * w->restart_jitter / 100);
    g->may_wear_out = g->may_wear_out || w->restart_requests > 0;
    g->may_retry = g->may_retry || w->retry;
    if (w->limit_count > g->most_failures)
        g->most_failures = w->limit_count;
    if (w->limit_count < g->least_failures)
        g->least_failures = w->limit_count;
    g->may_give_up = g->may_give_up || w->give_up; /* what it does not follow is what it had */
}

void
judge_config(struct judge *j, const struct wishes *after)
{
    for (size_t i = j->first_open; i < j->n_stints; i++) {
        struct stint *g = &j->stints[i];
        const struct wish *w = &after->list[g->wish];

        judge_follow(g, w);
        memset(g->slots, 0, sizeof(g->slots)); /* back-off may have become another one */
    }
    for (uint64_t id = 1; id < j->n_subjects; id++) {
        struct subject *w = judge_subject(j, id);
        const struct stint *g =
            w && !w->gone && w->pid == 0 ? judge_stint(j, w->service, w->generation) : NULL;

        if (g && w->slot >= after->list[g->wish].workers)
            w->scaled_away = true;
    }
    for (unsigned i = 0; i < WISHES; i++) {
        struct affair *a = &j->affairs[i];
        struct run *r = judge_run(j, a->run);

        a->asked = true; /* a changed configuration asks, too */
        if (after->list[i].max_draining > a->allowed_draining)
            a->allowed_draining = after->list[i].max_draining;
        if (wish_judges_otherwise(&j->wishes->list[i], &after->list[i]) || !after->list[i].present)
            a->rejected = 0;
        if (!after->list[i].present)
            a->down = false; /* it comes back up when it is configured again */
        if (r && wish_starts(&after->list[i]) == HANDOFF_REPLACE)
            r->overlap_all_along = false;
        if (r && wish_starts(&after->list[i]) == HANDOFF_OVERLAP)
            r->replace_all_along = false;
        if (r && after->list[i].check != j->wishes->list[i].check)
            r->check_passed = true; /* which one counts depends on the instant: not judged */
    }
}
