/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/core.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_spans.h"

/*
 * Each run is a trace: what it went through, and what those went through that it started and relieved, are its
 * spans. They follow from the moves of the lives, and their ids from what they are, so that a parent has its id
 * before it has ended, and another master would give the same.
 */
#define ROOT 63 /* in place of a phase: the whole run */

static const char *const reload_names[RELOAD_STATE_COUNT] = {
    [RELOAD_SETTLING] = "settle", [RELOAD_WAITING] = "wait", [RELOAD_LOOKING] = "look",
    [RELOAD_CHECKING] = "check",  [RELOAD_QUEUED] = "queue", [RELOAD_RELIEVING] = "relieve",
    [RELOAD_HANDING] = "hand",    [RELOAD_ASKING] = "ask",   [RELOAD_RESTORING] = "restore",
};

#define KEPT "spans" /* … by the keeper */

void
master_spans_open(struct master *m)
{
    int fd = fdstore_take(m->fdstore, KEPT);
    struct error why = {0};

    m->spans = spans_create();
    if (m->spans && fd >= 0) {
        if (spans_adopt(m->spans, fd, &why) == 0)
            return;
        journal_say(m->journal, LOG_LEVEL_WARNING, "spans_lost",
                    "the spans of the master before are not shown: %s", why.text);
    }
    if (m->spans && spans_fd(m->spans) >= 0 &&
        fdstore_put(m->fdstore, KEPT, spans_fd(m->spans)) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "not_kept",
                    KEPT ": no memory: they are lost should the master be killed");
}

static uint64_t
root_of(const char *trace)
{
    return span_id(trace, LIFE_RELOAD, 0, ROOT, 0);
}

uint64_t
master_span_of_worker(const char *trace, uint64_t worker)
{
    return span_id(trace, LIFE_WORKER, worker, WORKER_STARTING, 0);
}

static int64_t
wall_ns(int64_t at_us, int64_t now_us)
{
    return (wall_now_us() - (now_us - at_us)) * 1000;
}

static void
call_it(struct span *span, const char *name)
{
    (void)snprintf(span->name, sizeof(span->name), "%s", name ? name : "");
}

static struct span
span_of(const struct master *m, const struct move *move, const char *name)
{
    const struct service *s = core_service(m->core, move->service);
    struct span span = {.generation = move->generation,
                        .reload = move->relieved ? 0 : move->reload,
                        .parent = root_of(move->trace)};

    memcpy(span.trace, move->trace, sizeof(span.trace));
    call_it(&span, name);
    if (s)
        (void)snprintf(span.service, sizeof(span.service), "%s", s->name);
    span.start_ns = wall_ns(move->since_us, m->core->now_us);
    span.end_ns = wall_ns(m->core->now_us, m->core->now_us);
    return span;
}

static bool
ended_well(const struct service *s)
{
    return s && (s->last.outcome == OUTCOME_SERVING || s->last.outcome == OUTCOME_UNCHANGED ||
                 s->last.outcome == OUTCOME_COMPLETED);
}

static void
end_run(struct master *m, const struct move *move, bool failed)
{
    const struct service *s = core_service(m->core, move->service);
    struct span span = span_of(m, move, "reload");

    span.id = span.parent;
    span.parent = 0;
    span.start_ns = wall_ns(move->started_us, m->core->now_us);
    span.failed = failed;
    if (s)
        (void)snprintf(span.text, sizeof(span.text), "%s: %.120s", outcome_name(s->last.outcome),
                       s->last.cause);
    spans_put(m->spans, &span);
}

static void
on_reload(struct master *m, const struct move *move)
{
    struct span span = span_of(m, move, reload_names[move->from]);
    bool ends = move->to == RELOAD_IDLE;

    span.id = span_id(move->trace, LIFE_RELOAD, move->id, (unsigned)move->from, move->since_us);
    span.failed = ends && !ended_well(core_service(m->core, move->service));
    spans_put(m->spans, &span);
    if (ends)
        end_run(m, move, span.failed);
}

static uint64_t
of_generation(const struct move *move, enum generation_state phase)
{
    return span_id(move->trace, LIFE_GENERATION, move->generation, (unsigned)phase,
                   move->started_us);
}

static void
on_generation(struct master *m, const struct move *move)
{
    static const char *const names[] = {[GENERATION_STARTING] = "start",
                                        [GENERATION_SOAKING] = "soak",
                                        [GENERATION_DRAINING] = "drain",
                                        [GENERATION_PARKED] = "park"};
    const char *name = (size_t)move->from < ARRAY_LEN(names) ? names[move->from] : NULL;
    struct span span = span_of(m, move, name);

    if (name) {
        span.id = of_generation(move, (enum generation_state)move->from);
        span.failed = move->event == GE_ABORT || (move->from == GENERATION_DRAINING && move->leaks);
        spans_put(m->spans, &span);
    }
    if (move->to != GENERATION_RETIRED)
        return;
    call_it(&span, "certify"); /* until its certificate is written */
    span.id = of_generation(move, GENERATION_RETIRED);
    span.start_ns = span.end_ns;
    spans_hold(m->spans, &span);
}

void
master_spans_certificate(struct master *m, const struct record *r)
{
    const struct span *held = m->spans ? spans_held(m->spans, r->service, r->generation) : NULL;
    struct span span;

    if (!held)
        return;
    span = *held;
    span.end_ns = wall_ns(r->at_us, mono_now_us());
    span.failed = r->count > 0;
    (void)snprintf(span.text, sizeof(span.text), "leaks: %u", r->count);
    spans_put(m->spans, &span);
    spans_release(m->spans, r->service, r->generation);
}

static void
on_worker(struct master *m, const struct move *move)
{
    static const char *const names[] = {[WORKER_STARTING] = "spawn",
                                        [WORKER_DRAINING] = "leave",
                                        [WORKER_LEAKED] = "leaked",
                                        [WORKER_KILLED] = "kill"};
    const char *name = (size_t)move->from < ARRAY_LEN(names) ? names[move->from] : NULL;
    struct span span = span_of(m, move, name);

    if (!name)
        return;
    span.id = move->from == WORKER_STARTING
                  ? master_span_of_worker(move->trace, move->id)
                  : span_id(move->trace, LIFE_WORKER, move->id, (unsigned)move->from, 0);
    span.parent = of_generation(move, move->relieved ? GENERATION_DRAINING : GENERATION_STARTING);
    span.has_slot = true;
    span.slot = move->slot;
    span.pid = move->pid;
    span.failed = (move->from == WORKER_STARTING && move->to != WORKER_READY) ||
                  move->from == WORKER_LEAKED || move->from == WORKER_KILLED;
    spans_put(m->spans, &span);
}

void
master_spans_note(struct master *m)
{
    for (size_t i = 0; m->spans && i < m->core->n_moves; i++) {
        const struct move *move = &m->core->moves[i];

        if (move->from == move->to || !move->trace[0])
            continue;
        if (move->life == LIFE_WORKER)
            on_worker(m, move);
        else if (move->life == LIFE_GENERATION)
            on_generation(m, move);
        else if (reload_names[move->from])
            on_reload(m, move);
    }
}
