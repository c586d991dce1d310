/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

static const char *const names[VERDICT_COUNT] = {
    [VERDICT_CLEAN] = "clean",
    [VERDICT_DRAINING] = "draining",
    [VERDICT_SHIELDED] = "shielded",
    [VERDICT_EXEMPT] = "exempt",
    [VERDICT_RUNTIME] = "runtime",
    [VERDICT_LEAKED_BLOCKED] = "leaked:blocked",
    [VERDICT_LEAKED_SPINNING] = "leaked:spinning",
    [VERDICT_LEAKED_SLEEPING] = "leaked:sleeping",
    [VERDICT_LEAKED_REQUEST] = "leaked:request",
    [VERDICT_DEADLOCK] = "deadlock",
    [VERDICT_ORPHAN_LOCK] = "orphan-lock",
    [VERDICT_UNREGISTERED] = "unregistered",
    [VERDICT_UNJOINED] = "unjoined",
    [VERDICT_STUCK_KERNEL] = "stuck:kernel",
    [VERDICT_STOPPED] = "stopped",
    [VERDICT_PROCESS_RETAINED] = "process-retained",
    [VERDICT_DEAD_WATCHER] = "dead-watcher",
};

const char *
verdict_name(enum verdict verdict)
{
    return names[verdict];
}

const char *
conduct_name(enum conduct conduct)
{
    static const char *const words[] = {
        [CONDUCT_BLOCKED] = "blocked",   [CONDUCT_SLEEPING] = "sleeping",
        [CONDUCT_SPINNING] = "spinning", [CONDUCT_KERNEL] = "kernel",
        [CONDUCT_STOPPED] = "stopped",   [CONDUCT_ENDED] = "ended"};

    return words[conduct];
}

bool
verdict_is_leak(enum verdict verdict)
{
    static const bool is_leak[VERDICT_COUNT] = {
        [VERDICT_LEAKED_BLOCKED] = true,  [VERDICT_LEAKED_SPINNING] = true,
        [VERDICT_LEAKED_SLEEPING] = true, [VERDICT_LEAKED_REQUEST] = true,
        [VERDICT_DEADLOCK] = true,        [VERDICT_ORPHAN_LOCK] = true,
        [VERDICT_DEAD_WATCHER] = true};

    return is_leak[verdict];
}

/* What is said of the process when nobody leaks: who of these it has decides, the first one wins. */
static const enum verdict lesser[] = {
    VERDICT_STUCK_KERNEL, VERDICT_STOPPED,  VERDICT_PROCESS_RETAINED,
    VERDICT_SHIELDED,     VERDICT_DRAINING,
};

static size_t
first_with(const struct judgements *j, enum verdict verdict)
{
    for (size_t i = 0; i < j->n; i++)
        if (j->of[i].verdict == verdict)
            return i;
    return NOBODY;
}

static bool
all_stopped(const struct trial *t)
{
    size_t stopped = 0, alive = 0;

    for (size_t i = 0; i < t->facts->n; i++) {
        alive += t->of[i].conduct != CONDUCT_ENDED;
        stopped += t->of[i].conduct == CONDUCT_STOPPED;
    }
    return stopped > 0 && stopped == alive;
}

/* The first thread is gone and waitpid() does not return: who lives on? The one that is to be mended. */
static void
retained_by_one(const struct trial *t)
{
    struct judgements *j = t->ret;
    size_t who = NOBODY;

    for (size_t i = 0; i < t->facts->n; i++) {
        size_t x = t->by_tid[i];

        if (t->of[x].conduct == CONDUCT_ENDED || t->of[x].runtime)
            continue;
        if (who == NOBODY || (j->of[x].culprit && !j->of[who].culprit))
            who = x;
    }
    j->process = VERDICT_PROCESS_RETAINED;
    if (who != NOBODY)
        (void)snprintf(j->process_why, sizeof(j->process_why),
                       "its first thread has ended, and `%.40s` (tid %d) lives on",
                       judge_name(t->facts, who), (int)t->facts->threads[who].tid);
    else
        (void)snprintf(j->process_why, sizeof(j->process_why),
                       "its first thread has ended, others live on");
}

static void
say_lesser(const struct trial *t, size_t of)
{
    struct judgements *j = t->ret;

    if (j->process == VERDICT_PROCESS_RETAINED && t->facts->connections > 0)
        (void)snprintf(j->process_why, sizeof(j->process_why), "%u connection%s %s open: %.200s",
                       t->facts->connections, t->facts->connections == 1 ? "" : "s",
                       t->facts->connections == 1 ? "is" : "are", t->facts->peers);
    else if (j->of[of].thread != NOBODY)
        (void)snprintf(j->process_why, sizeof(j->process_why), "thread `%.40s`%s%.160s",
                       judge_name(t->facts, j->of[of].thread), j->of[of].why[0] != '\0' ? ": " : "",
                       j->of[of].why);
}

static void
judge_process(const struct trial *t)
{
    struct judgements *j = t->ret;

    j->process = t->asked ? VERDICT_DRAINING : VERDICT_CLEAN;
    if (all_stopped(t)) {
        j->process = VERDICT_STOPPED;
        return;
    }
    if (t->facts->zombie_leader) {
        retained_by_one(t);
        return;
    }
    if (j->n_leaked > 0) {
        j->process = j->groups[0].verdict;
        return;
    }
    for (size_t i = 0; i < sizeof(lesser) / sizeof(lesser[0]); i++) {
        size_t of = first_with(j, lesser[i]);

        if (of != NOBODY) {
            j->process = lesser[i];
            say_lesser(t, of);
            return;
        }
    }
}

int
judge(const struct process_facts *facts, struct judgements *ret)
{
    struct judgements made = {0};
    struct trial t = {.facts = facts, .ret = &made};
    int r = -ENOMEM;

    made.of = calloc(facts->n + facts->n_dead + 1, sizeof(*made.of));
    if (made.of)
        r = trial_begin(&t);
    if (r == 0)
        r = trial_graph(&t);
    if (r == 0) {
        trial_contract(&t);
        trial_blame(&t);
        trial_culprits(&t);
        trial_dead(&t);
        r = trial_groups(&t);
    }
    if (r == 0) {
        for (size_t i = 0; i < made.n; i++)
            made.n_leaked += verdict_is_leak(made.of[i].verdict);
        judge_process(&t);
        trial_notice(&t);
        *ret = made;
    } else {
        judgements_finish(&made);
    }
    trial_finish(&t);
    return r;
}

void
judgements_finish(struct judgements *judgements)
{
    free(judgements->of);
    free(judgements->groups);
    free(judgements->cycles);
    *judgements = (struct judgements){0};
}
