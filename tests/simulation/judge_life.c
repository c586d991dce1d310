/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on I5, I6, I8 and I9: lives, deaths, and the papers that go with them. */
#include <inttypes.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/units.h"
#include "tests/simulation/judge.h"

#define EVIDENCE_WAIT_US (10 * US_PER_S)

/* I6 */
void
judge_kill(struct judge *j, struct subject *w, const struct stint *g)
{
    int64_t patience = w->escapee ? g->least_leak_us : g->least_drain_us;
    bool out_of_budget = j->stop_us > 0 && j->now_us >= j->stop_us + j->wishes->stop_budget_us;
    bool stopping = j->stop_us > 0;

    w->killed_us = j->now_us;
    if (w->asked_us == 0)
        judge_say(j, I6, "worker %" PRIu64 " is killed, it was never asked to leave", w->id);
    else if (!stopping && j->now_us < w->asked_us + patience)
        judge_say(j, I6, "worker %" PRIu64 " is killed before its drain deadline", w->id);
    else if (!w->evidence_asked || (!w->evidence_given && !out_of_budget))
        judge_say(j, I6, "worker %" PRIu64 " is killed without evidence", w->id);
    else if (!stopping && j->now_us < w->evidence_us + g->least_leak_us)
        judge_say(j, I6, "worker %" PRIu64 " is killed within its grace", w->id);
}

/* I8: a slot that fails again and again waits longer and longer. */
void
judge_failure(struct judge *j, struct subject *w, struct stint *g)
{
    int64_t wait = g->least_first_us;
    int64_t waits_from_us =
        w->ready && w->asked_us == 0 ? w->ready_us : j->now_us; /* served is waited */
    unsigned failures;

    if (judge_relief_exit(j, w, g))
        return;
    g->failures++;
    if (w->slot >= JUDGE_SLOTS)
        return;
    if (w->ready && j->now_us - w->ready_us >= g->least_within_us)
        g->slots[w->slot].failures = 0;
    failures = ++g->slots[w->slot].failures;
    for (unsigned i = 2; i < failures && wait < g->least_max_us; i++)
        wait *= 2;
    if (wait > g->least_max_us)
        wait = g->least_max_us;
    g->slots[w->slot].not_before_us = failures < 2 ? 0 : waits_from_us + wait - wait / 4;
    if (g->served || w->asked_us > 0 || w->slot >= judge_wish(j, g)->workers)
        return; /* it was told to go, or nobody wants its slot any more */
    if (g->window_failures == 0 || j->now_us - g->window_us > g->least_within_us) {
        g->window_us = j->now_us;
        g->window_failures = 0;
    }
    g->window_failures++;
}

void
judge_pace(struct judge *j, struct subject *w, struct stint *g)
{
    if (w->slot < JUDGE_SLOTS && j->now_us < g->slots[w->slot].not_before_us)
        judge_say(j, I8, "slot %u of %s/%" PRIu64 " is tried again %" PRId64 " us too early",
                  w->slot, wish_name(g->wish), g->number,
                  g->slots[w->slot].not_before_us - j->now_us);
    if (!g->served && g->window_failures >= g->most_failures)
        judge_say(j, I8, "candidate %s/%" PRIu64 " failed %u times and is tried again",
                  wish_name(g->wish), g->number, g->window_failures);
}

void
judge_exit(struct judge *j, const struct event *ev)
{
    struct subject *w = judge_subject(j, ev->worker);
    struct stint *g = w ? judge_stint(j, w->service, w->generation) : NULL;

    if (!w || w->gone)
        return;
    w->gone = true;
    if (g && !w->abandoned)
        g->living--;
    if (g)
        judge_once_exit(j, ev, w, g);
    if (g && !w->escapee && !w->abandoned) /* its slot was given to another long ago */
        judge_failure(j, w, g);
}

/* ---- papers ------------------------------------------------------------------------------------ */

static void
read_obituary(struct judge *j, const struct record *r)
{
    struct subject *w = judge_subject(j, r->worker);

    if (!w || !w->gone || w->pid != r->pid)
        judge_say(j, I5, "an obituary for pid %d, which has not died", (int)r->pid);
    else if (++w->obituaries > 1)
        judge_say(j, I5, "a second obituary for pid %d", (int)r->pid);
}

static void
read_certificate(struct judge *j, struct stint *g, const struct record *r)
{
    g->ended = true;
    if (++g->certificates > 1)
        judge_say(j, I9, "%s/%" PRIu64 " has a second certificate", r->service, g->number);
    if (g->living > 0)
        judge_say(j, I9, "%s/%" PRIu64 " is certified, %u of it live", r->service, g->number,
                  g->living);
    if (r->count != g->leaks)
        judge_say(j, I9, "%s/%" PRIu64 " certifies %u leaks, there were %u", r->service, g->number,
                  r->count, g->leaks);
    while (j->first_open < j->n_stints && j->stints[j->first_open].ended)
        j->first_open++;
}

static void
read_escapee(struct judge *j, struct stint *g, const struct record *r)
{
    struct subject *w = &j->subjects[r->worker];

    if (w->id > 0 || r->worker <= j->last_worker)
        judge_say(j, LAW_NUMBERS, "worker %" PRIu64 " was there before", r->worker);
    j->last_worker = r->worker;
    *w = (struct subject){.id = r->worker, .service = g->service, .generation = g->number};
    w->escapee = true;
    w->slot = r->slot;
    w->pid = r->pid;
    w->spawned_us = j->now_us;
    g->living++;
}

/* ready: {assume_after}: no event says so, the clock does. */
static void
read_ready(struct judge *j, struct subject *w, struct stint *g)
{
    const struct worker *seen = core_worker(j->core, w->id);

    if (w->ready || w->gone)
        return;
    if (!seen || seen->generation->spec->ready.mode != READY_ASSUME)
        judge_say(j, I1, "worker %" PRIu64 " of %s/%" PRIu64 " never said it is ready", w->id,
                  wish_name(g->wish), g->number);
    w->ready = true;
    w->ready_us = j->now_us;
    judge_relief_ready(j, w);
}

static void
read_abandoned(struct judge *j, struct subject *w, struct stint *g)
{
    if (w->killed_us == 0)
        judge_say(j, I9, "worker %" PRIu64 " is abandoned, nobody tried SIGKILL", w->id);
    if (!w->abandoned && !w->gone)
        g->living--;
    w->abandoned = true;
}

static void
read_worker(struct judge *j, const struct record *r, struct stint *g)
{
    struct subject *w = judge_subject(j, r->worker);

    if (!w || !g)
        return;
    if (r->kind == RECORD_READY)
        read_ready(j, w, g);
    else if (r->kind == RECORD_RELOADED)
        judge_signal_reloaded(j, w, r);
    else if (r->kind == RECORD_ABANDONED)
        read_abandoned(j, w, g);
    else if (r->kind == RECORD_THREAD_LEAK || r->kind == RECORD_RECOVERED)
        judge_leak_said(j, w, r);
    else if (r->kind == RECORD_LEAK && (w->leak_said || !w->evidence_given))
        judge_say(j, I9, "a leak of worker %" PRIu64 " is told %s", w->id,
                  w->leak_said ? "twice" : "without evidence");
    else if (r->kind == RECORD_LEAK)
        w->leak_said = true;
}

static void
read_reload(struct judge *j, struct affair *a, const struct wish *wish, const struct record *r)
{
    struct run *run = &j->runs[r->reload];

    if (run->begun)
        judge_say(j, LAW_VERDICTS, "reload %" PRIu64 " begins twice", r->reload);
    if (a->run > 0)
        judge_say(j, LAW_VERDICTS, "reload %" PRIu64 " begins, %" PRIu64 " has no verdict yet",
                  r->reload, a->run);
    *run = (struct run){.service = r->service_id, .begun = true};
    run->serving_before = judge_serving(j, r->service_id);
    run->overlap_all_along = wish_starts(wish) == HANDOFF_OVERLAP;
    run->replace_all_along = wish_starts(wish) == HANDOFF_REPLACE;
    run->forced = a->forced;
    run->past_door = a->past_door;
    run->asked = a->asked;
    a->asked = false;
    a->forced = a->past_door = false;
    a->run = r->reload;
    a->allowed_draining = wish->max_draining;
}

/* … and not only looked at in vain, or refused by a check that is not configured any more. */
static bool
really_tried(const struct judge *j, const struct run *run, unsigned wish)
{
    const struct input *input = &j->world->inputs[wish];
    const struct service *s = core_service(j->core, run->service);

    if (run->first_asked > 0 && s && digest_none(s->rejected))
        return false; /* a worker could not be asked to reload, which says nothing about the input */
    return run->could_run && !j->excused && !input->look_lost && !input->check_lost &&
           !input->hook_lost && !input->door_shut &&
           j->affairs[wish].looked_for.check == j->wishes->list[wish].check;
}

/* Whoever was asked has answered, unless the world lost it: a new master asks again. */
static bool
answered(const struct judge *j, const struct record *r)
{
    const struct input *input = &j->world->inputs[wish_of(r->service)];

    return input->look_lost || input->check_lost || input->hook_lost ||
           !strstr(r->text, "was not answered");
}

/* Somebody asked, or what was rejected is mended: who waits may be tried now. */
static void
judge_hastened(struct judge *j, uint32_t service)
{
    for (size_t i = j->first_open; i < j->n_stints; i++)
        for (unsigned k = 0; j->stints[i].service == service && k < JUDGE_SLOTS; k++)
            j->stints[i].slots[k].not_before_us = 0;
}

static void
read_verdict(struct judge *j, struct affair *a, const struct record *r)
{
    struct run *run = judge_run(j, r->reload);

    if (!run || a->run != r->reload || ++run->verdicts > 1) {
        judge_say(j, LAW_VERDICTS, "a verdict for reload %" PRIu64 ", which is not the present one",
                  r->reload);
        return;
    }
    if (!answered(j, r))
        judge_say(j, I10, "reload %" PRIu64 " of %s: %s", r->reload, r->service, r->text);
    judge_handoff_verdict(j, run, r);
    a->run = 0;
    if (r->outcome == OUTCOME_UNCHANGED && (run->asked || a->asked || a->bad))
        judge_hastened(j, r->service_id);
    if (r->outcome != OUTCOME_CANCELLED)
        a->bad = r->outcome == OUTCOME_REJECTED || r->outcome == OUTCOME_RESTORED;
    if (r->outcome == OUTCOME_REJECTED && really_tried(j, run, wish_of(r->service))) {
        a->rejected = a->seen;
        a->rejected_launch = a->looked_for.launch;
    } else if (r->outcome != OUTCOME_CANCELLED) {
        a->rejected = 0;
    }
}

static void
read_generation(struct judge *j, const struct record *r, struct stint *g)
{
    if (r->kind == RECORD_STARTING) {
        g->hooks[HOOK_ANNOUNCE] = (struct errand){0};
        g->relieved = false; /* restored: it may be relieved once more */
        g->opened = false;   /* … and begins anew */
        for (unsigned i = 0; i < JUDGE_SLOTS; i++)
            g->slots[i].failures = 0, g->slots[i].not_before_us = 0;
    } else if (r->kind == RECORD_HANDED) {
        judge_signal_handed(j, g, r);
    } else if (r->kind == RECORD_SERVING) {
        g->served = true;
        judge_handoff_serving(j, g);
    } else if (r->kind == RECORD_HOOK) {
        judge_hook_over(j, g, r);
    } else if (r->kind == RECORD_COMPLETED) {
        judge_once_completed(j, g);
    } else if (r->kind == RECORD_ABORTED) {
        g->aborted = true;
        judge_once_abort(j, g);
        if (g->served)
            judge_say(j, I8, "%s/%" PRIu64 " has served and is given up", r->service, g->number);
    } else if (r->kind == RECORD_DRAINING) {
        judge_handoff_relief(j, g);
        g->relieved = true;
    } else if (r->kind == RECORD_CERTIFICATE) {
        judge_survey_said(j, g, r);
        read_certificate(j, g, r);
    }
}

void
judge_record(struct judge *j, const struct record *r)
{
    unsigned i = wish_of(r->service);
    struct affair *a;
    struct stint *g;

    j->said[r->kind]++;
    if (r->kind == RECORD_VERDICT) {
        j->outcomes[r->outcome]++;
        j->grades[r->grade]++;
    }
    if (r->kind == RECORD_BUG)
        judge_say(j, LAW_SOUND, "%s", r->text);
    if (i == WISHES)
        return;
    a = &j->affairs[i];
    if (r->service_id > a->id) /* the name belongs to somebody new */
        *a = (struct affair){.id = r->service_id, .last_number = a->last_number};
    judge_tally_record(a, r);
    g = r->generation > 0 ? judge_stint(j, r->service_id, r->generation) : NULL;
    if (r->kind == RECORD_EXIT)
        read_obituary(j, r);
    else if (r->kind == RECORD_RELIEF)
        judge_relief_record(j, r);
    else if (r->kind == RECORD_RELOAD)
        read_reload(j, a, &j->wishes->list[i], r);
    else if (r->kind == RECORD_VERDICT)
        read_verdict(j, a, r);
    else if (r->kind == RECORD_ESCAPEE && g)
        read_escapee(j, g, r);
    else if (r->worker > 0)
        read_worker(j, r, g);
    else if (g)
        read_generation(j, r, g);
}
