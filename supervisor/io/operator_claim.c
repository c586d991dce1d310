/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/operator_internal.h"
#include "supervisor/io/report_internal.h"

#define LAST_LINES 10

static void
put(char *to, size_t room, const char *s)
{
    (void)snprintf(to, room, "%s", s); /* cut when too long */
}

static const struct core *
core_of(const struct ticket *t)
{
    return t->op->options.sources.core;
}

void
claim_decide(struct claim *c, bool good, const char *outcome, const char *reason)
{
    c->decided = true;
    c->good = good;
    put(c->outcome, sizeof(c->outcome), outcome);
    if (reason)
        put(c->reason, sizeof(c->reason), reason);
}

static void
add_leak(struct claim *c, const struct record *leak)
{
    struct object o;
    size_t i;
    json_t *known;

    json_array_foreach(c->leaks, i, known) /* told as a record and seen as a level */
        if (json_integer_value(json_object_get(known, "generation")) ==
                (json_int_t)leak->generation &&
            json_integer_value(json_object_get(known, "pid")) == leak->pid) return;
    o = object_new();
    object_number(&o, "generation", (int64_t)leak->generation);
    object_number(&o, "slot", leak->slot);
    object_number(&o, "pid", leak->pid);
    object_number(&o, "stragglers", leak->count);
    object_text(&o, "text", leak->text);
    if (!c->leaks)
        c->leaks = json_array();
    (void)json_array_append_new(c->leaks, object_take(&o)); /* no memory: it is in the log */
}

static void
note_leaks(struct claim *c, const struct generation *g)
{
    list_for_each (pos, &g->workers) {
        const struct worker *w = container_of(pos, struct worker, node);
        struct record leak = {
            .generation = g->number, .slot = w->slot, .pid = w->pid, .count = w->stragglers};

        put(leak.text, sizeof(leak.text), w->leak);
        if (w->evidence && w->leak[0])
            add_leak(c, &leak);
    }
}

static void
relieve(struct claim *c, const struct generation *g)
{
    if (c->n_relieved < RELIEVED_MAX)
        c->relieved[c->n_relieved++] = (struct relieved){.number = g->number};
    note_leaks(c, g);
}

/* Who is on the way out now; @keep: the ones that serve or start stay. */
static void
relieve_all(struct claim *c, const struct service *s, bool keep)
{
    list_for_each (pos, &s->generations) {
        const struct generation *g = container_of(pos, struct generation, node);

        if (!keep || (g != service_serving(s) && g != service_candidate(s)))
            relieve(c, g);
    }
}

void
claim_open(struct ticket *t, struct claim *c, const struct service *s)
{
    const struct generation *serving = service_serving(s);
    enum service_state state = service_state(s);

    c->service_id = s->id;
    put(c->service, sizeof(c->service), s->name);
    c->last_before = s->last.reload;
    c->before = serving ? serving->number : 0;
    c->was_up = s->spec->type == TYPE_ONESHOT
                    ? state == SERVICE_COMPLETED
                    : state == SERVICE_RUNNING || state == SERVICE_RELOADING;
    if (t->kind == TICKET_STOP || t->kind == TICKET_STOP_ALL)
        relieve_all(c, s, false);
}

/* What a generation that did not make it had to say. */
static void
keep_last_lines(const struct ticket *t, struct claim *c, const struct service *s)
{
    auto_text struct text lines = TEXT_INIT;
    struct journal_query q = {
        .service = c->service, .generation = s->last_generation, .max = LAST_LINES};

    if (!t->op->options.journal)
        return;
    journal_last_lines(t->op->options.journal, &q, &lines);
    if (lines.bytes > 0)
        c->last_lines = text_steal(&lines);
}

static void
decide_by_verdict(const struct ticket *t, struct claim *c, const struct service *s,
                  const struct verdict *v)
{
    bool good = v->outcome == OUTCOME_SERVING || v->outcome == OUTCOME_UNCHANGED ||
                v->outcome == OUTCOME_COMPLETED;

    claim_decide(c, good, outcome_name(v->outcome), v->reason);
    if (t->kind == TICKET_RELOAD)
        c->awaited = v->reload;
    c->generation = v->generation;
    c->duration_us = v->duration_us;
    put(c->cause, sizeof(c->cause), v->cause);
    put(c->trace, sizeof(c->trace), v->trace);
    put(c->evidence, sizeof(c->evidence), grade_name(v->grade));
    if (!s)
        return;
    if (!good && s->last_generation != v->generation) /* there was a candidate */
        keep_last_lines(t, c, s);
    relieve_all(c, s, true);
}

static void
settle_reload(const struct ticket *t, struct claim *c, const struct service *s)
{
    char why[256];

    if (s->last.reload >= c->awaited)
        decide_by_verdict(t, c, s, &s->last);
    else if (s->want != WANT_UP && s->reload.state == RELOAD_IDLE)
        claim_decide(c, false, "cancelled", "the service stops");
    else if (service_waits_in_vain(core_of(t), s))
        claim_decide(c, false, "waiting", service_why(core_of(t), s, why, sizeof(why)));
}

/* Whoever starts a oneshot, or waits for it, is answered when it has ended. */
static void
settle_completed(const struct ticket *t, struct claim *c, const struct service *s)
{
    const struct generation *g = service_serving(s);

    if (service_state(s) != SERVICE_COMPLETED || !g ||
        (t->target == TARGET_GENERATION && g->number < t->target_generation))
        return;
    c->generation = g->number;
    c->duration_us = mono_now_us() - t->started_us;
    if (t->kind == TICKET_START && c->was_up)
        claim_decide(c, true, "unchanged", "'stint reload --force' runs it again");
    else if (t->kind == TICKET_START && s->last.reload > c->last_before)
        decide_by_verdict(t, c, s, &s->last);
    else
        claim_decide(c, true, "completed", "");
}

static void
settle_start(const struct ticket *t, struct claim *c, const struct service *s)
{
    enum service_state state = service_state(s);

    if (s->spec->type == TYPE_ONESHOT)
        settle_completed(t, c, s);
    if (c->decided)
        return;
    if (s->spec->type != TYPE_ONESHOT &&
        (state == SERVICE_RUNNING || (state == SERVICE_RELOADING && c->was_up))) {
        if (s->last.reload > c->last_before)
            decide_by_verdict(t, c, s, &s->last);
        claim_decide(c, true, c->was_up ? "unchanged" : "serving", c->was_up ? "it is up" : NULL);
        c->generation = service_serving(s) ? service_serving(s)->number : 0;
        c->duration_us = c->duration_us ? c->duration_us : mono_now_us() - t->started_us;
    } else if (state == SERVICE_FAILED) {
        if (s->last.reload > c->last_before)
            decide_by_verdict(t, c, s, &s->last);
        claim_decide(c, false, "rejected", s->rejected_reason);
    } else if (s->want != WANT_UP) {
        claim_decide(c, false, "cancelled", "the service stops");
    }
}

static void
settle_stop(const struct ticket *t, struct claim *c, const struct service *s)
{
    bool ended = t->kind == TICKET_STOP ? s && service_state(s) == SERVICE_STOPPED
                                        : core_stopped(core_of(t));

    if (!s || (service_state(s) == SERVICE_STOPPED && list_empty(&s->generations)))
        claim_decide(c, true, "stopped", c->before ? NULL : "it was not running");
    else if (ended)
        claim_decide(c, false, "abandoned", "not even SIGKILL ended all of its processes");
    else if (t->kind == TICKET_STOP && s->want == WANT_UP)
        claim_decide(c, false, "cancelled", "it was started again meanwhile");
    c->duration_us = mono_now_us() - t->started_us;
}

static bool
nobody_leaves(const struct service *s)
{
    list_for_each (pos, &s->generations) {
        const struct generation *g = container_of(pos, struct generation, node);

        if (s->want != WANT_UP || (g != service_serving(s) && g != service_candidate(s)))
            return false;
    }
    return true;
}

static void
settle_wait(const struct ticket *t, struct claim *c, const struct service *s)
{
    const struct generation *g = service_serving(s);
    enum service_state state = service_state(s);
    bool up = g && g->state == GENERATION_SERVING;
    bool ready =
        t->target == TARGET_READY && up && (state == SERVICE_RUNNING || state == SERVICE_RELOADING);

    c->generation = g ? g->number : 0;
    c->duration_us = mono_now_us() - t->started_us;
    if (t->target == TARGET_GONE && nobody_leaves(s))
        claim_decide(c, true, "gone", "");
    else if (t->target != TARGET_GONE && s->spec->type == TYPE_ONESHOT)
        settle_completed(t, c, s);
    else if (ready || (t->target == TARGET_GENERATION && up && g->number >= t->target_generation))
        claim_decide(c, true, "serving", "");
    if (!c->decided && t->target != TARGET_GONE && state == SERVICE_FAILED)
        claim_decide(c, false, "failed", s->rejected_reason);
}

static void
settle_gone(struct claim *c, const struct service *s)
{
    for (unsigned i = 0; i < c->n_relieved; i++) {
        struct relieved *r = &c->relieved[i];
        const struct generation *g = s && !r->gone ? service_generation(s, r->number) : NULL;

        if (!g) {
            r->gone = true;
            continue;
        }
        r->leaks = g->leaks; /* its certificate may be given by a master that we never hear */
        note_leaks(c, g);
    }
}

void
claim_settle(const struct ticket *t, struct claim *c)
{
    const struct service *s = core_service(core_of(t), c->service_id);
    bool stops = t->kind == TICKET_STOP || t->kind == TICKET_STOP_ALL;

    if (!c->decided && stops)
        settle_stop(t, c, s);
    else if (!c->decided && !s)
        claim_decide(c, t->kind == TICKET_WAIT && t->target == TARGET_GONE, "cancelled",
                     "the service was removed from the configuration");
    else if (!c->decided && t->kind == TICKET_RELOAD)
        settle_reload(t, c, s);
    else if (!c->decided && t->kind == TICKET_START)
        settle_start(t, c, s);
    else if (!c->decided)
        settle_wait(t, c, s);
    settle_gone(c, s);
}

void
claim_record(const struct ticket *t, struct claim *c, const struct record *r)
{
    const struct service *s = core_service(core_of(t), c->service_id);

    if (r->kind == RECORD_VERDICT && t->kind == TICKET_RELOAD && !c->decided &&
        r->reload >= c->awaited) {
        struct verdict v = {.reload = r->reload,
                            .outcome = r->outcome,
                            .grade = r->grade,
                            .generation = r->generation,
                            .duration_us = r->duration_us};

        put(v.reason, sizeof(v.reason), r->text);
        put(v.trace, sizeof(v.trace), r->trace);
        decide_by_verdict(t, c, s, s && s->last.reload == r->reload ? &s->last : &v);
    }
    for (unsigned i = 0; i < c->n_relieved; i++) {
        if (c->relieved[i].number != r->generation)
            continue;
        if (r->kind == RECORD_LEAK)
            add_leak(c, r);
        if (r->kind == RECORD_CERTIFICATE) {
            c->relieved[i].gone = true;
            c->relieved[i].leaks = r->count;
        }
    }
}

size_t
claim_progress(const struct claim *c)
{
    size_t n = c->decided + json_array_size(c->leaks);

    for (unsigned i = 0; i < c->n_relieved; i++)
        n += 1 + c->relieved[i].gone + c->relieved[i].leaks;
    return n;
}

bool
claim_done(const struct ticket *t, const struct claim *c)
{
    if (!c->decided)
        return false;
    if (t->kind == TICKET_STOP && !c->good)
        return true; /* who cannot be ended is not waited for */
    for (unsigned i = 0; t->wait == WAIT_GONE && i < c->n_relieved; i++)
        if (!c->relieved[i].gone)
            return false;
    return true;
}

static json_t *
relieved_json(const struct claim *c)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < c->n_relieved; i++) {
        struct object o = object_new();

        object_number(&o, "generation", (int64_t)c->relieved[i].number);
        object_bool(&o, "gone", c->relieved[i].gone);
        if (c->relieved[i].gone)
            object_number(&o, "leaks", c->relieved[i].leaks);
        (void)json_array_append_new(array, object_take(&o)); /* NULL array: the caller sees it */
    }
    return array;
}

json_t *
claim_json(const struct ticket *t, const struct claim *c)
{
    const struct service *s = core_service(core_of(t), c->service_id);
    char why[256] = "";
    struct object o = object_new();

    object_text(&o, "service", c->service);
    object_text(&o, "outcome", c->decided ? c->outcome : "pending");
    object_bool(&o, "ok", c->decided && c->good);
    if (c->generation > 0)
        object_number(&o, "generation", (int64_t)c->generation);
    if (c->before > 0)
        object_number(&o, "before", (int64_t)c->before);
    if (c->awaited > 0)
        object_number(&o, "reload", (int64_t)c->awaited);
    object_text_unless_empty(&o, "cause", c->cause);
    object_text_unless_empty(&o, "reason", c->reason);
    object_text_unless_empty(&o, "evidence", c->evidence);
    if (c->duration_us > 0)
        object_number(&o, "duration_ms", c->duration_us / US_PER_MS);
    object_text_unless_empty(&o, "trace", c->trace);
    object_text_unless_empty(&o, "last_lines", c->last_lines);
    if (c->n_relieved > 0)
        object_set(&o, "relieved", relieved_json(c));
    if (c->leaks)
        object_set(&o, "leaks", json_incref(c->leaks));
    object_text(&o, "state", s ? service_state_name(service_state(s)) : "gone");
    if (s && c->awaited > 0)
        object_optional(&o, "hooks", report_hooks(s, c->awaited, mono_now_us()));
    if (s)
        object_text_unless_empty(&o, "why", service_why(core_of(t), s, why, sizeof(why)));
    return object_take(&o);
}
