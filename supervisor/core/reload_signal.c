/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * handoff: signal. The workers stay, and each is asked to take over the new input. One goes first,
 * alone: a signal or an input that ends the program then ends one of them. When it has done it, all
 * others are asked at once, so that the time does not grow with their number. A worker that is not
 * ready yet is asked when it is, since the signal would end it; one that was started since has the
 * new input already.
 */

#define EXTEND_FACTOR   10 /* EXTEND_TIMEOUT_USEC, as for a start: not for ever */
#define RETRY_MEMORY_US US_PER_S

/* ---- may it be a signal? ---------------------------------------------------------------------- */

static bool
somebody_ready(const struct generation *g)
{
    for (unsigned i = 0; i < g->n_slots; i++)
        if (slot_worker(g, i) && slot_worker(g, i)->state == WORKER_READY)
            return true;
    return false;
}

/* What speaks against a signal; "" = nothing. */
static void
signal_objection(const struct service *s, const struct generation *g, struct text *out)
{
    const struct reload *r = &s->reload;

    auto_text struct text keys = TEXT_INIT;

    if (!digest_equal(service_spec_launch_digest(g->spec), service_spec_launch_digest(r->spec))) {
        (void)service_spec_diff(g->spec, r->spec, &keys);
        text_addf(out, "what it is started with changed: %s", text_str(&keys));
    } else if (digest_none(g->program) || digest_none(r->program)) {
        text_add(out, "which executable runs was not looked at");
    } else if (!digest_equal(g->program, r->program)) {
        text_add(out, "its executable is another one");
    } else if (!digest_equal(g->setting, r->setting)) {
        text_add(out, "its env_file, user or groups changed");
    } else if (r->force && r->outdated) { /* what status asked for, a signal cannot do */
        text_add(out, "a worker runs libraries that were replaced on disk");
    } else if (g->state != GENERATION_SERVING || !somebody_ready(g)) {
        text_add(out, "no worker is ready to be asked");
    }
}

bool
reload_by_signal(struct core *c, struct service *s)
{
    auto_text struct text why = TEXT_INIT;
    const struct generation *g = service_serving(s);
    struct reload *r = &s->reload;
    char before[sizeof(r->fallback)];

    if (r->spec->handoff != HANDOFF_SIGNAL || r->spec->type == TYPE_ONESHOT || !g)
        return false; /* with nobody there it is a start */
    signal_objection(s, g, &why);
    if (why.bytes == 0)
        return true;
    memcpy(before, r->fallback, sizeof(before));
    (void)snprintf(r->fallback, sizeof(r->fallback), "not by SIG%s, but %s: %s",
                   sigabbrev_np(r->spec->reload_signal),
                   r->spec->signal_fallback == HANDOFF_REPLACE ? "replaced" : "overlapped",
                   text_str(&why));
    if (strcmp(before, r->fallback) != 0) /* a run that is queued comes here again */
        record_text(record_service(c, RECORD_FALLBACK, s), "%s", r->fallback);
    return false;
}

/* ---- asking ------------------------------------------------------------------------------------ */

void
reload_signal_begin(struct core *c, struct service *s)
{
    struct generation *g = service_serving(s);

    s->reload.patience_us = c->now_us + g->spec->reload_timeout_us;
    s->reload.fallback[0] = '\0'; /* of a run that was queued, and need not have been */
    relief_end(c, g);
    for (unsigned i = 0; i < g->n_slots; i++)
        if (slot_worker(g, i))
            slot_worker(g, i)->reloading = RELOADING_DUE;
}

void
reload_signal_over(struct service *s)
{
    list_for_each (n, &s->generations) {
        struct generation *g = container_of(n, struct generation, node);

        list_for_each (m, &g->workers) {
            struct worker *w = container_of(m, struct worker, node);

            if (w->reloading == RELOADING_ASKED)
                w->assume_us = TIME_NEVER;
            w->reloading = RELOADING_NONE;
            w->asked_us = 0;
        }
    }
}

/* Of the run that asks, not of the one that started the worker. */
static struct record *
record_asked(struct core *c, enum record_kind kind, const struct worker *w)
{
    const struct reload *run = &w->generation->service->reload;
    struct record *r = record_worker(c, kind, w);

    if (!r)
        return NULL;
    r->reload = run->id;
    memcpy(r->trace, run->trace, sizeof(r->trace));
    return r;
}

/* Return: false: out of memory, nobody was asked. */
static bool
signal_ask(struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;
    struct reload *r = &w->generation->service->reload;
    struct effect *e = effects_add(c->fx, FX_RELOAD);

    if (!e)
        return false;
    e->service = w->generation->service->id;
    e->generation = w->generation->number;
    e->worker = w->id;
    e->signo = spec->reload_signal;
    w->reloading = RELOADING_ASKED;
    w->asked_us = c->now_us;
    w->assume_us = c->now_us + spec->reload_assume_us;
    r->patience_us = c->now_us + spec->reload_timeout_us; /* later than whatever it was */
    record_text(record_asked(c, RECORD_SIGNALLED, w), "SIG%s: %s",
                sigabbrev_np(spec->reload_signal), r->cause);
    return true;
}

static void
signal_done(struct core *c, struct worker *w, enum grade grade)
{
    static const char *const words[GRADE_COUNT] = {
        [GRADE_NONE] = "",
        [GRADE_ASSUMED] = "assumed: it is still alive (weak evidence)",
        [GRADE_FILE] = "it rewrote the file of 'ready'",
        [GRADE_NOTIFY] = "RELOADING=1, then READY=1",
    };
    struct record *r = record_asked(c, RECORD_RELOADED, w);

    w->reloading = RELOADING_DONE;
    w->assume_us = TIME_NEVER;
    w->grade = grade;
    if (r) {
        r->grade = grade;
        r->duration_us = c->now_us - w->asked_us;
    }
    record_text(r, "%s", words[grade]);
}

/* ---- the end ------------------------------------------------------------------------------------- */

static unsigned
signal_count(const struct generation *g, enum reloading what)
{
    unsigned count = 0;

    for (unsigned i = 0; i < g->n_slots; i++)
        count += slot_worker(g, i) && slot_worker(g, i)->reloading == what;
    return count;
}

/* Nobody is stopped for that: who serves goes on, with the old input or the new one. */
static void
signal_reject(struct core *c, struct service *s, const struct generation *g, bool condemned,
              const char *what)
{
    unsigned done = signal_count(g, RELOADING_DONE);
    char why[sizeof(s->rejected_reason)];

    if (done > 0)
        (void)snprintf(why, sizeof(why), "%s; %u of %u workers have taken it over", what, done,
                       g->n_slots);
    else
        copy_text(why, sizeof(why), what);
    service_reject(s, condemned ? s->reload.digest : (struct digest){0, 0}, why);
    reload_end(c, s, OUTCOME_REJECTED, why);
}

static void
signal_too_late(struct core *c, struct service *s, const struct generation *g)
{
    char spell[32], what[256] = "no worker is left that could be asked to reload";
    bool busy = false;

    (void)duration_human(g->spec->reload_timeout_us, spell, sizeof(spell));
    for (unsigned i = 0; i < g->n_slots && !busy; i++) {
        const struct worker *w = slot_worker(g, i);

        busy = w && w->reloading == RELOADING_BUSY;
        if (busy)
            (void)snprintf(what, sizeof(what),
                           "worker %u (pid %d) said RELOADING=1 on SIG%s, and no READY=1 came "
                           "within %s; it was left as it is",
                           i, (int)w->pid, sigabbrev_np(g->spec->reload_signal), spell);
        else if (w && w->reloading == RELOADING_DUE)
            (void)snprintf(what, sizeof(what),
                           "worker %u did not get ready within %s, and could not be asked", i,
                           spell);
    }
    signal_reject(c, s, g, busy, what);
}

void
reload_signal_lost(struct core *c, struct worker *w, const struct event *ev, const char *how)
{
    struct generation *g = w->generation;
    const char *name = sigabbrev_np(g->spec->reload_signal);
    int status = ev->death.wait_status;
    bool by_it = WIFSIGNALED(status) && WTERMSIG(status) == g->spec->reload_signal;
    char what[900];

    if (g->service->reload.state != RELOAD_ASKING || w->drain_us > 0 || /* it was told to go */
        (w->reloading != RELOADING_ASKED && w->reloading != RELOADING_BUSY))
        return;
    (void)snprintf(what, sizeof(what), "worker %u (pid %d) did not outlive SIG%s%s: %s", w->slot,
                   (int)w->pid, name, by_it ? ", which it does not handle" : "", how);
    signal_reject(c, g->service, g, true, what);
}

/* ---- what a worker says -------------------------------------------------------------------------- */

static bool
signal_concerns(const struct worker *w)
{
    return w->state == WORKER_READY && w->generation->service->reload.state == RELOAD_ASKING;
}

void
reload_signal_busy(struct worker *w, int64_t at_us)
{
    if (!signal_concerns(w) || w->reloading != RELOADING_ASKED)
        return;
    if (at_us != 0 && at_us < w->asked_us)
        return; /* what it began before it was asked is another reload: somebody else's */
    w->reloading = RELOADING_BUSY;
    w->assume_us = TIME_NEVER;
}

bool
reload_signal_ready(struct core *c, struct worker *w)
{
    if (!signal_concerns(w) || w->reloading != RELOADING_BUSY)
        return false;
    signal_done(c, w, GRADE_NOTIFY);
    return true;
}

void
reload_signal_rewritten(struct core *c, struct worker *w)
{
    if (signal_concerns(w) && w->reloading == RELOADING_ASKED)
        signal_done(c, w, GRADE_FILE);
}

/* Silence would be taken for assent. */
void
reload_signal_unsent(struct core *c, struct worker *w, int error)
{
    struct generation *g = w->generation;
    char what[160];

    if (!signal_concerns(w) || w->reloading != RELOADING_ASKED)
        return;
    (void)snprintf(what, sizeof(what), "worker %u (pid %d) could not be sent SIG%s: %s", w->slot,
                   (int)w->pid, sigabbrev_np(g->spec->reload_signal), strerrordesc_np(-error));
    signal_reject(c, g->service, g, false, what);
}

void
reload_signal_extend(struct worker *w, int64_t until_us)
{
    struct reload *r = &w->generation->service->reload;

    if (!signal_concerns(w) || w->reloading != RELOADING_BUSY)
        return;
    until_us =
        earlier(until_us, w->asked_us + w->generation->spec->reload_timeout_us * EXTEND_FACTOR);
    if (until_us > r->patience_us)
        r->patience_us = until_us;
}

/* ---- progress ------------------------------------------------------------------------------------- */

/* Who is silent for long enough, and lives. */
static void
signal_assume(struct core *c, const struct generation *g)
{
    for (unsigned i = 0; i < g->n_slots; i++) {
        struct worker *w = slot_worker(g, i);

        if (w && w->reloading == RELOADING_ASKED && w->state == WORKER_READY &&
            w->assume_us <= c->now_us)
            signal_done(c, w, GRADE_ASSUMED);
    }
}

/* The first alone, then all others. Return: false: out of memory. */
static bool
signal_ask_next(struct core *c, const struct generation *g)
{
    bool first = signal_count(g, RELOADING_DONE) == 0;

    for (unsigned i = 0; i < g->n_slots; i++) {
        struct worker *w = slot_worker(g, i);

        if (!w || w->reloading != RELOADING_DUE || w->state != WORKER_READY)
            continue;
        if (!signal_ask(c, w))
            return false;
        if (first)
            break;
    }
    return true;
}

/*
 * Who was there has done it. One that was started since is waited for, as long as there is patience:
 * it has the new input. Who waits for its next try is not: it did before, too.
 */
static bool
signal_complete(const struct generation *g, bool patience)
{
    bool some = false;

    for (unsigned i = 0; i < g->n_slots; i++) {
        const struct worker *w = slot_worker(g, i);

        if (!w)
            continue;
        if (w->reloading != RELOADING_NONE && w->reloading != RELOADING_DONE)
            return false;
        if (w->state != WORKER_READY && patience)
            return false;
        some = some || w->state == WORKER_READY;
    }
    return some;
}

void
reload_signal_advance(struct core *c, struct service *s)
{
    struct generation *g = service_serving(s);
    bool asked = true, patience = s->reload.patience_us > c->now_us;

    if (!g) {
        reload_untried(c, s, "nothing serves any more that could be asked to reload");
        return;
    }
    signal_assume(c, g);
    if (signal_count(g, RELOADING_ASKED) + signal_count(g, RELOADING_BUSY) == 0)
        asked = signal_ask_next(c, g);
    if (signal_complete(g, patience))
        reload_hand_over(c, s, g);
    else if (!patience && s->reload.patience_us <= c->now_us) /* … and nobody was asked just now */
        signal_too_late(c, s, g);
    else
        s->reload.deadline_us = asked ? s->reload.patience_us : c->now_us + RETRY_MEMORY_US;
}

/* The signal may only now go out, or its answer have waited for a master: nobody is assumed to be done before. */
void
reload_signal_resume(struct core *c, struct service *s)
{
    struct generation *g = service_serving(s);

    for (unsigned i = 0; g && i < g->n_slots; i++) {
        struct worker *w = slot_worker(g, i);

        if (!w || (w->reloading != RELOADING_ASKED && w->reloading != RELOADING_BUSY))
            continue;
        if (w->reloading == RELOADING_ASKED)
            w->assume_us = c->now_us + g->spec->reload_assume_us;
        s->reload.patience_us = c->now_us + g->spec->reload_timeout_us;
        s->reload.deadline_us = s->reload.patience_us;
    }
}
