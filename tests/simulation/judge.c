/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static const char *const names[LAW_COUNT] = {
    "innocent", "I1",      "I2",      "I3",    "I4",        "I5",       "I6",
    "I7",       "I8",      "I9",      "I10",   "snapshots", "verdicts", "numbers",
    "wanted",   "depends", "relief",  "gate",  "oneshot",   "hooks",    "places",
    "leaks",    "door",    "certify", "spans", "counts",    "sound"};

const char *
invariant_name(enum invariant i)
{
    return names[i];
}

enum invariant
invariant_by_name(const char *name)
{
    for (int i = LAW_NONE + 1; i < LAW_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum invariant)i;
    return LAW_NONE;
}

void
judge_init(struct judge *j, const struct core *c, struct world *w, const struct wishes *wishes)
{
    memset(j, 0, sizeof(*j));
    j->core = c;
    j->world = w;
    j->wishes = wishes;
}

void
judge_finish(struct judge *j)
{
    free(j->subjects);
    free(j->stints);
    free(j->runs);
}

void
judge_say(struct judge *j, enum invariant broken, const char *fmt, ...)
{
    va_list ap;

    if (j->broken != LAW_NONE)
        return; /* the first one is the news, the others follow from it */
    j->broken = broken;
    va_start(ap, fmt);
    (void)vsnprintf(j->why, sizeof(j->why), fmt, ap);
    va_end(ap);
}

/* ---- the books ------------------------------------------------------------------------------ */

/* grown - make room for index @at in an array that is indexed by an id; new places are zero. */
static void *
grown(void *items, size_t *n, uint64_t at, size_t bytes)
{
    size_t wanted = at + at / 2 + 16;

    if (at < *n)
        return items;
    items = realloc(items, wanted * bytes);
    if (!items)
        abort();
    memset((char *)items + *n * bytes, 0, (wanted - *n) * bytes);
    *n = wanted;
    return items;
}

struct subject *
judge_subject(struct judge *j, uint64_t id)
{
    return id > 0 && id < j->n_subjects && j->subjects[id].id > 0 ? &j->subjects[id] : NULL;
}

struct run *
judge_run(struct judge *j, uint64_t id)
{
    return id > 0 && id < j->n_runs && j->runs[id].begun ? &j->runs[id] : NULL;
}

struct stint *
judge_stint(struct judge *j, uint32_t service, uint64_t number)
{
    for (size_t i = j->n_stints; i > 0; i--)
        if (j->stints[i - 1].service == service && j->stints[i - 1].number == number)
            return &j->stints[i - 1];
    return NULL;
}

const struct wish *
judge_wish(const struct judge *j, const struct stint *g)
{
    return &j->wishes->list[g->wish];
}

uint64_t
judge_serving(const struct judge *j, uint32_t service)
{
    for (size_t i = j->n_stints; i > 0; i--) {
        const struct stint *g = &j->stints[i - 1];

        if (g->service == service && g->served && !g->relieved && !g->aborted)
            return g->number;
    }
    return 0;
}

bool
judge_unwanted(const struct judge *j, const struct stint *g)
{
    const struct affair *a = &j->affairs[g->wish];

    return j->stop_us > 0 || a->down || !judge_wish(j, g)->present || a->id != g->service;
}

/* ---- events ------------------------------------------------------------------------------------ */

static void
tell_worker(struct judge *j, const struct event *ev)
{
    struct subject *w = judge_subject(j, ev->worker);

    if (!w)
        return;
    judge_signal_told(w, ev);
    judge_inspect_told(w, ev);
    if (ev->type == EVENT_SPAWNED)
        w->pid = ev->spawned.pid;
    else if (ev->type == EVENT_READY && !w->gone && !w->ready) {
        w->ready = true;
        w->ready_us = ev->now_us;
        judge_relief_ready(j, w);
    } else if (ev->type == EVENT_EVIDENCE)
        w->evidence_given = true;
    else if (ev->type == EVENT_EXTEND)
        w->extended = true;
    else if (ev->type == EVENT_USAGE)
        w->worn_out = true;
    else if (ev->type == EVENT_EXIT || ev->type == EVENT_SPAWN_FAILED)
        judge_exit(j, ev);
}

static void
tell_service(struct judge *j, const struct event *ev)
{
    for (unsigned i = 0; i < WISHES; i++) {
        struct affair *a = &j->affairs[i];
        struct run *r = judge_run(j, a->run);

        if (a->id == 0 || (ev->service != 0 && ev->service != a->id))
            continue;
        if (ev->type == EVENT_START || (ev->type == EVENT_RELOAD && ev->request.force))
            a->forced = true;
        if (ev->type == EVENT_RELOAD && ev->request.past_door)
            a->past_door = true;
        a->asked = a->asked || ev->type == EVENT_START || ev->type == EVENT_RELOAD;
        if (ev->type == EVENT_STOP)
            a->down = j->wishes->list[i].present; /* what leaves for good cannot be stopped */
        else if (ev->type == EVENT_START)
            a->down = false;
        else if (ev->type == EVENT_CHECKED && r && ev->checked.reload == a->run && ev->checked.ok)
            r->check_passed = true;
        if (ev->type == EVENT_CHECKED && r && ev->checked.reload == a->run)
            r->door_opened = !ev->checked.again; /* whatever its check says then */
        else if (ev->type == EVENT_LOOKED && r && ev->looked.reload == a->run) {
            a->looked = true;
            a->seen = j->world->inputs[i].looked;
            r->could_run = ev->looked.result == LOOK_OK;
        }
    }
}

void
judge_event(struct judge *j, const struct event *ev)
{
    j->now_us = ev->now_us;
    j->excused = ev->type == EVENT_SPAWN_FAILED ||
                 (ev->type == EVENT_EXIT && ev->death.exec_error == -ETXTBSY);
    if (ev->type == EVENT_STOP_ALL && j->stop_us == 0)
        j->stop_us = ev->now_us;
    else if (ev->type == EVENT_HOOKED)
        judge_hook_told(j, ev);
    else if (ev->type == EVENT_SURVEYED)
        judge_survey_told(j, ev);
    else if (ev->worker > 0)
        tell_worker(j, ev);
    else
        tell_service(j, ev);
}

/* ---- effects ----------------------------------------------------------------------------------- */

static struct stint *
stint_born(struct judge *j, const struct record *r)
{
    unsigned i = wish_of(r->service);
    const struct wish *w = &j->wishes->list[i];
    struct affair *a = &j->affairs[i];
    struct stint *g;

    if (j->n_stints == j->stints_room) {
        j->stints_room = j->stints_room > 0 ? j->stints_room * 2 : 32;
        j->stints = realloc(j->stints, j->stints_room * sizeof(*j->stints));
        if (!j->stints)
            abort();
    }
    g = &j->stints[j->n_stints++];
    *g = (struct stint){.service = r->service_id, .number = r->generation, .wish = i};
    g->launch = a->looked_for.launch;
    g->once = a->looked_for.oneshot;
    g->wants_hooks = ~0U;
    g->least_start_us = g->least_drain_us = g->least_leak_us = g->least_run_us = g->least_age_us =
        TIME_NEVER;
    g->least_first_us = g->least_max_us = g->least_within_us = TIME_NEVER;
    g->least_failures = UINT_MAX;
    g->least_assume_us = TIME_NEVER;
    judge_follow(g, &a->looked_for);
    judge_follow(g, w);
    if (r->generation <= a->last_number)
        judge_say(j, LAW_NUMBERS, "generation %s/%" PRIu64 " was there before", r->service,
                  r->generation);
    a->last_number = r->generation;
    judge_again(j, i, r->generation);
    if (judge_run(j, r->reload))
        judge_run(j, r->reload)->candidate = r->generation;
    judge_door(j, g, judge_run(j, r->reload));
    judge_dependencies(j, g); /* from here on it has begun, if only with its hook */
    return g;
}

static void
effect_spawn(struct judge *j, const struct effect *e)
{
    const struct worker *w = core_worker(j->core, e->worker);
    struct stint *g = judge_stint(j, e->service, e->generation);
    struct subject *s;

    if (e->worker <= j->last_worker)
        judge_say(j, LAW_NUMBERS, "worker %" PRIu64 " was there before", e->worker);
    j->last_worker = e->worker;
    j->subjects = grown(j->subjects, &j->n_subjects, e->worker, sizeof(*j->subjects));
    s = &j->subjects[e->worker];
    *s = (struct subject){.id = e->worker, .service = e->service, .generation = e->generation};
    s->spawned_us = j->now_us;
    if (!w || !g) {
        judge_say(j, LAW_WANTED, "a worker is spawned for a generation nobody announced");
        return;
    }
    s->slot = w->slot;
    judge_once_spawn(j, s, g);
    judge_hook_spawn(j, g);
    judge_places(j, e);
    if (g->spawned++ == 0)
        judge_crowd(j, g);
    g->living++;
    g->snapshot = w->generation->snapshot;
    if (!world_snapshot(j->world, g->snapshot) || world_snapshot(j->world, g->snapshot)->given_back)
        judge_say(j, LAW_SNAPSHOTS, "worker %" PRIu64 " is spawned from a snapshot given back",
                  e->worker);
    /* In a stop, what others still depend on is kept up until they have left. */
    if (judge_unwanted(j, g) && !(j->stop_us > 0 && g->served))
        judge_say(j, LAW_WANTED, "worker %" PRIu64 " is spawned for a service that shall be down",
                  e->worker);
    if (g->relieved || g->aborted)
        judge_say(j, LAW_WANTED, "worker %" PRIu64 " is spawned for a generation that leaves",
                  e->worker);
    judge_relief_spawn(j, s, g);
    judge_pace(j, s, g);
}

static void
effect_on_worker(struct judge *j, const struct effect *e)
{
    struct subject *w = judge_subject(j, e->worker);
    struct stint *g = w ? judge_stint(j, w->service, w->generation) : NULL;

    if (!w || !g)
        return judge_say(j, I5, "worker %" PRIu64 " is acted on, but was never started", e->worker);
    if (w->gone || w->pid == 0)
        return judge_say(j, I5, "worker %" PRIu64 " is acted on, but %s", e->worker,
                         w->gone ? "it is dead and reaped" : "it has no pid yet");
    if (e->type == FX_EVIDENCE) {
        w->evidence_asked = true;
        w->evidence_us = j->now_us;
        g->leaks++;
        return;
    }
    if (e->type == FX_INSPECT) {
        judge_inspect(j, w, g);
        return;
    }
    if (e->type == FX_KILL)
        judge_kill(j, w, g);
    judge_handoff_signal(j, w, g);
    if (e->type == FX_SIGNAL)
        judge_hook_signal(j, w, g);
    if (e->type == FX_SIGNAL && w->asked_us == 0)
        w->asked_us = j->now_us;
}

void
judge_effect(struct judge *j, const struct effect *e)
{
    switch (e->type) {
    case FX_SPAWN:
        effect_spawn(j, e);
        break;
    case FX_HOOK:
        judge_hook_asked(j, e);
        break;
    case FX_SURVEY:
        judge_survey_asked(j, e);
        break;
    case FX_OPEN:
        judge_gate_open(j, e);
        break;
    case FX_CANCEL:
    case FX_SIGNAL:
    case FX_EVIDENCE:
    case FX_INSPECT:
    case FX_KILL:
        effect_on_worker(j, e);
        break;
    case FX_RELOAD:
        judge_signal_asked(j, e);
        break;
    case FX_DISCARD:
        judge_discard(j, e);
        break;
    case FX_RECORD:
        if (e->record->kind == RECORD_STARTING &&
            !judge_stint(j, e->record->service_id, e->record->generation))
            (void)stint_born(j, e->record);
        if (e->record->kind == RECORD_RELOAD)
            j->runs = grown(j->runs, &j->n_runs, e->record->reload, sizeof(*j->runs));
        if (e->record->kind == RECORD_ESCAPEE)
            j->subjects =
                grown(j->subjects, &j->n_subjects, e->record->worker, sizeof(*j->subjects));
        judge_record(j, e->record);
        break;
    case FX_LOOK:
        judge_look(j, e);
        break;
    case FX_CHECK:
    case FX_UNHOOK:
        break;
    }
}
