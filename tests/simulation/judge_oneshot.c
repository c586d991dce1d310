/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on oneshots: it believes the exit of the process, not what is said of it. */
#include <inttypes.h>

#include "tests/simulation/judge.h"

void
judge_once_exit(struct judge *j, const struct event *ev, const struct subject *w, struct stint *g)
{
    bool ran = ev->type == EVENT_EXIT && ev->death.exec_error == 0;

    (void)j;
    if (!g->once || w->escapee || !ran)
        return;
    g->ran++;
    g->ended_well = ev->death.wait_status == 0 && !ev->death.unknown && w->asked_us == 0;
}

static bool
runs_already(const struct judge *j, const struct subject *but)
{
    for (uint64_t id = 1; id < j->n_subjects; id++) {
        const struct subject *w = &j->subjects[id];

        if (w->id > 0 && w != but && w->service == but->service && !w->gone && !w->abandoned) {
            const struct stint *g = NULL;

            for (size_t i = j->n_stints; i > 0 && !g; i--)
                if (j->stints[i - 1].service == w->service &&
                    j->stints[i - 1].number == w->generation)
                    g = &j->stints[i - 1];
            if (g && g->once)
                return true;
        }
    }
    return false;
}

void
judge_once_spawn(struct judge *j, const struct subject *w, const struct stint *g)
{
    if (!g->once)
        return;
    if (g->ended_well)
        judge_say(j, LAW_ONESHOT, "%s/%" PRIu64 " is run again, it has ended with 0",
                  wish_name(g->wish), g->number);
    else if (g->ran > 0 && !g->may_retry)
        judge_say(j, LAW_ONESHOT, "%s/%" PRIu64 " failed and is run again, nobody asked for that",
                  wish_name(g->wish), g->number);
    if (runs_already(j, w))
        judge_say(j, LAW_ONESHOT, "%s/%" PRIu64 " is run, and somebody of it runs already",
                  wish_name(g->wish), g->number);
}

/* It failed, was never born, was refused by its hook, or took longer than it may. */
void
judge_once_abort(struct judge *j, const struct stint *g)
{
    bool late = g->hooks[HOOK_BEFORE_START].over && !g->hooks[HOOK_BEFORE_START].passed;

    for (uint64_t id = 1; id < j->n_subjects; id++) {
        const struct subject *w = &j->subjects[id];

        late = late || (w->id > 0 && w->service == g->service && w->generation == g->number &&
                        !w->gone && g->least_run_us < j->now_us - w->spawned_us + 1);
    }
    if (g->once && !late && (g->failures == 0 || g->ended_well))
        judge_say(j, LAW_ONESHOT,
                  "%s/%" PRIu64 " is given up, it has neither failed nor is it late",
                  wish_name(g->wish), g->number);
}

void
judge_once_completed(struct judge *j, struct stint *g)
{
    if (!g->once || !g->ended_well || g->living > 0)
        judge_say(j, LAW_ONESHOT, "%s/%" PRIu64 " is said to have completed, %s",
                  wish_name(g->wish), g->number,
                  g->living > 0 ? "and somebody of it lives" : "and did not exit with 0");
    g->served = true;
}

bool
judge_once_fulfilled(const struct judge *j, uint32_t service)
{
    for (size_t i = j->n_stints; i > 0; i--) {
        const struct stint *g = &j->stints[i - 1];

        if (g->service != service || g->aborted || g->ended)
            continue;
        return g->once && g->served && g->ended_well && !g->relieved;
    }
    return false;
}
