/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on hooks: who waits for them, what comes of them, and that nothing waits too long. */
#include <inttypes.h>
#include <string.h>

#include "tests/simulation/judge.h"

static bool
wanted(const struct stint *g, enum hook h)
{
    return (g->wants_hooks & (1U << h)) != 0;
}

void
judge_hook_asked(struct judge *j, const struct effect *e)
{
    struct stint *g = judge_stint(j, e->service, e->generation);
    struct errand *h = g ? &g->hooks[e->hook] : NULL;
    const char *wrong = NULL;

    if (!h) {
        judge_say(j, LAW_HOOKS, "a hook for a generation nobody announced");
        return;
    }
    if (h->asked)
        wrong = "a second time";
    else if (e->hook == HOOK_BEFORE_START && (g->spawned > 0 || g->relieved || g->aborted))
        wrong = "too late";
    else if (e->hook == HOOK_ANNOUNCE && !(g->served && g->relieved))
        wrong = "of one that does not leave";
    else if (e->hook == HOOK_RETIRED && !g->ended)
        wrong = "before the certificate";
    else if (j->stop_us > 0 && e->deadline_us > j->stop_us + j->wishes->stop_budget_us &&
             e->deadline_us > j->now_us)
        judge_say(j, I7, "%s/%" PRIu64 ": the hook %s may take longer than the stop",
                  wish_name(g->wish), g->number, hook_name(e->hook));
    if (wrong)
        judge_say(j, LAW_HOOKS, "%s/%" PRIu64 ": the hook %s is run %s", wish_name(g->wish),
                  g->number, hook_name(e->hook), wrong);
    *h = (struct errand){.asked = true, .until_us = e->deadline_us};
}

void
judge_hook_told(struct judge *j, const struct event *ev)
{
    struct stint *g = judge_stint(j, ev->service, ev->hooked.generation);
    struct errand *h = g ? &g->hooks[ev->hooked.hook] : NULL;

    if (!h || !h->asked || h->over)
        return;
    h->over = true;
    h->passed = ev->hooked.outcome == HOOK_DONE;
}

/* Its record: the answer came, or there is a reason not to wait for it. */
void
judge_hook_over(struct judge *j, struct stint *g, const struct record *r)
{
    struct errand *h = &g->hooks[r->hook];

    if (!h->asked || ++h->records > 1)
        judge_say(j, LAW_HOOKS, "%s/%" PRIu64 ": the hook %s is told of, and was not asked for",
                  r->service, g->number, hook_name(r->hook));
    if (!h->over && j->now_us < h->until_us && j->stop_us == 0 &&
        !(r->hook == HOOK_BEFORE_START && r->hook_outcome == HOOK_CANCELLED &&
          (judge_unwanted(j, g) || !wanted(g, r->hook))))
        judge_say(j, LAW_HOOKS, "%s/%" PRIu64 ": nobody waits for the hook %s", r->service,
                  g->number, hook_name(r->hook));
    if (!h->over && r->hook_outcome == HOOK_CANCELLED)
        h->passed =
            !wanted(g, r->hook); /* it is not configured any more, and a master died over it */
    h->over = true;
}

void
judge_hook_spawn(struct judge *j, const struct stint *g)
{
    const struct errand *h = &g->hooks[HOOK_BEFORE_START];

    if (h->asked ? !h->passed : wanted(g, HOOK_BEFORE_START))
        judge_say(j, LAW_HOOKS, "%s/%" PRIu64 " starts, and its hook before_start %s",
                  wish_name(g->wish), g->number,
                  !h->asked ? "was not run"
                  : h->over ? "has refused it"
                            : "has not answered");
}

void
judge_hook_signal(struct judge *j, const struct subject *w, const struct stint *g)
{
    const struct errand *h = &g->hooks[HOOK_ANNOUNCE];

    if (!g->relieved || !g->served || w->escapee || w->asked_us > 0 || w->scaled_away ||
        w->relief != RELIEF_NOT_SAID || /* whose slot was another's before */
        (!w->ready && j->now_us >= w->spawned_us + g->least_start_us)) /* it is late itself */
        return;
    if (!w->ready && j->now_us >= w->spawned_us + g->least_start_us)
        return; /* its own time is up, and nobody has sent it clients */
    if (h->asked ? !h->over : wanted(g, HOOK_ANNOUNCE))
        judge_say(j, LAW_HOOKS, "worker %" PRIu64 " of %s/%" PRIu64 " drains, and announce %s",
                  w->id, wish_name(g->wish), g->number,
                  h->asked ? "has not answered" : "was not run");
}

void
judge_hooks_rest(struct judge *j)
{
    for (size_t i = 0; i < j->n_stints; i++) {
        const struct stint *g = &j->stints[i];

        for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++)
            if (g->hooks[h].asked && !g->hooks[h].over)
                judge_say(j, LAW_HOOKS, "%s/%" PRIu64 ": nothing came of the hook %s",
                          wish_name(g->wish), g->number, hook_name((enum hook)h));
        if (g->ended && wanted(g, HOOK_RETIRED) && !g->hooks[HOOK_RETIRED].asked)
            judge_say(j, LAW_HOOKS, "%s/%" PRIu64 " is gone, and its hook was not run",
                      wish_name(g->wish), g->number);
    }
}
