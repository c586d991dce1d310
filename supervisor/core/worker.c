/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

#define ABANDON_AFTER_US (10 * US_PER_S) /* SIGKILL has worked by then, or the kernel is stuck */

void
worker_effect(struct core *c, const struct worker *w, enum effect_type type, int signal_number)
{
    struct effect *e = effects_add(c->fx, type);

    if (!e)
        return; /* counted as lost; the deadline that follows makes up for it */
    e->service = w->generation->service->id;
    e->generation = w->generation->number;
    e->worker = w->id;
    e->signo = signal_number;
    e->deadline_us = w->deadline_us;
}

/* Why it is asked to leave, for the CANCEL frame. */
static void
worker_why(const struct core *c, const struct worker *w, char *buf, size_t room)
{
    const struct generation *g = w->generation;
    const struct generation *serving = service_serving(g->service);

    if (c->stopping || g->service->want != WANT_UP)
        copy_text(buf, room, "the service stops");
    else if (w->relieved && generation_active(g))
        copy_text(buf, room, "relieved by another worker of its generation");
    else if (g->aborted)
        copy_text(buf, room, "this generation is rejected");
    else if (serving && serving != g)
        (void)snprintf(buf, room, "relieved by generation %" PRIu64, serving->number);
    else
        copy_text(buf, room, "fewer workers are wanted, or it was not ready in time");
}

static void
worker_send_drain(struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    w->signalled = true;
    if (spec->libstint && !w->escapee) {
        size_t before = c->fx->n;

        worker_effect(c, w, FX_CANCEL, 0);
        if (c->fx->n > before)
            worker_why(c, w, c->fx->items[before].text, sizeof(c->fx->items[before].text));
    }
    worker_effect(c, w, FX_SIGNAL, w->escapee ? SIGTERM : spec->drain_signal);
}

static void
worker_leave(struct core *c, struct worker *w)
{
    relief_vacate(c, w);
    list_del(&w->node);
    table_remove(&c->workers, &w->by_id);
}

/* ---- on entry --------------------------------------------------------------------------- */

static void
worker_announce(struct core *c, struct worker *w)
{
    struct record *r = record_worker(c, RECORD_READY, w);

    w->ready_us = c->now_us;
    w->deadline_us = TIME_NEVER;
    w->assume_us = TIME_NEVER;
    if (r)
        r->duration_us = w->ready_us - w->spawned_us;
    if (w->generation->spec->ready.mode == READY_ASSUME)
        record_text(r, "assumed: alive for the time configured (weak evidence)");
    worker_watch_budget(c, w);
    worker_let_in(c, w); /* a respawn; those of a candidate are let in together */
}

/* The drain deadline counts from the moment the worker is told. */
static void
worker_ask_to_leave(struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;
    int64_t patience = w->escapee ? spec->leak_grace_us : spec->drain_timeout_us;

    w->deadline_us = earlier(c->now_us + patience, stop_leak_at_us(c));
    w->extend_limit_us = c->now_us + patience * EXTEND_FACTOR;
    worker_send_drain(c, w);
}

static void
worker_begin_drain(struct core *c, struct worker *w)
{
    w->drain_us = c->now_us;
    w->assume_us = w->leave_us = TIME_NEVER;
    worker_inspect_end(w);
    w->deadline_us = TIME_NEVER;
    if (w->pid > 0)
        worker_ask_to_leave(c, w); /* otherwise with SPAWNED */
}

static void
worker_accuse(struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    w->deadline_us = earlier(c->now_us + spec->leak_grace_us, stop_kill_at_us(c));
    w->generation->leaks++;
    worker_ask_evidence(c, w, w->deadline_us);
}

static void
worker_kill(struct core *c, struct worker *w)
{
    struct record *r = record_worker(c, RECORD_KILL, w);
    char lived[32];

    w->deadline_us = earlier(c->now_us + ABANDON_AFTER_US, stop_end_us(c));
    w->generation->kills++;
    if (r)
        r->warning = true;
    record_text(r, "SIGKILL: still there %s after it was asked to leave%s",
                duration_human(c->now_us - w->drain_us, lived, sizeof(lived)),
                w->evidence ? "" : "; no evidence could be had");
    worker_effect(c, w, FX_KILL, SIGKILL);
}

static void
worker_abandon(struct core *c, struct worker *w)
{
    struct record *r = record_worker(c, RECORD_ABANDONED, w);

    w->deadline_us = TIME_NEVER;
    relief_vacate(c, w);
    if (r)
        r->warning = true;
    record_text(r,
                "SIGKILL has not ended it: stuck in the kernel or writing a core dump; it blocks "
                "nothing%s%s",
                w->leak[0] ? "; " : "", w->leak);
    if (!w->escapee && generation_active(w->generation) && w->slot < w->generation->n_slots)
        w->generation->slots[w->slot].next_spawn_us = c->now_us; /* nor the one that follows it */
}

static void
worker_bury(struct core *c, struct worker *w)
{
    w->deadline_us = TIME_NEVER;
    worker_leave(c, w);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct rule {
    enum worker_state next;                          /* WORKER_NONE (0): an empty cell */
    void (*enter)(struct core *c, struct worker *w); /* NULL: an honest race, nothing to do */
} rules[WORKER_STATE_COUNT][WE_COUNT] = {
#define ROW(from, event, to, fn) [WORKER_##from][WE_##event] = {WORKER_##to, fn},
#define IGNORE(from, event)      [WORKER_##from][WE_##event] = {WORKER_##from, NULL},
#include "supervisor/core/worker_fsm.def"
#undef ROW
#undef IGNORE
};

bool
worker_cell(enum worker_state s, enum worker_event e, enum worker_state *ret_next)
{
    *ret_next = rules[s][e].next;
    return rules[s][e].next != WORKER_NONE;
}

int
worker_step(struct core *c, struct worker *w, enum worker_event e)
{
    const struct rule *r = &rules[w->state][e];

    if (r->next == WORKER_NONE) {
        record_bug(c, w->generation->service, "worker", worker_state_name(w->state), (int)e);
        return -1;
    }
    if (!r->enter)
        return 0;
    place_leave(c, w);
    move_worker(c, w, e, r->next);
    w->state = r->next;
    r->enter(c, w);
    return 0;
}

/* ---- births and deaths -------------------------------------------------------------------- */

bool
worker_live(const struct worker *w)
{
    return w->state != WORKER_EXITED && w->state != WORKER_ABANDONED;
}

static struct worker *
worker_new(struct core *c, struct generation *g, unsigned slot, enum worker_state first)
{
    struct worker *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->generation = g;
    w->id = ++c->last_worker_id;
    w->born = g->number;
    w->slot = slot;
    w->state = first;
    w->spawned_us = w->since_us = c->now_us;
    w->deadline_us = TIME_NEVER;
    w->extend_limit_us = TIME_NEVER;
    w->assume_us = w->leave_us = TIME_NEVER;
    worker_inspect_end(w);
    list_add(&g->workers, &w->node);
    table_add(&c->workers, &w->by_id, w->id);
    return w;
}

static void
worker_await_ready(const struct core *c, struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    if (generation_runs_once(w->generation)) {
        oneshot_await_end(c, w);
        return;
    }
    w->spawned_us = c->now_us;
    w->deadline_us = c->now_us + spec->start_timeout_us;
    w->extend_limit_us = c->now_us + spec->start_timeout_us * EXTEND_FACTOR;
    if (spec->ready.mode == READY_ASSUME) {
        w->assume_us = c->now_us + spec->ready.assume_us;
        w->deadline_us = w->assume_us + spec->start_timeout_us;
    }
}

struct worker *
worker_create(struct core *c, struct generation *g, unsigned slot, struct worker **place)
{
    struct worker *w = worker_new(c, g, slot, WORKER_STARTING);
    size_t before = c->fx->n;

    if (!w)
        return NULL;
    worker_await_ready(c, w);
    *place = w;
    worker_effect(c, w, FX_SPAWN, 0);
    if (c->fx->n == before) { /* lost: nobody would ever tell of it */
        *place = NULL;
        worker_leave(c, w);
        worker_destroy(w);
        return NULL;
    }
    g->spawns++;
    place_take(c, w);
    return w;
}

void
worker_destroy(struct worker *w)
{
    if (!w)
        return;
    list_del(&w->node);
    free(w);
}

void
worker_spawned(struct core *c, struct worker *w, pid_t pid)
{
    w->pid = pid;
    if (w->state == WORKER_STARTING) /* a master that died may lie between asking for it and this */
        worker_await_ready(c, w);
    (void)record_worker(c, RECORD_SPAWN, w);
    if (w->drain_us > 0 && !w->signalled)
        worker_ask_to_leave(c, w); /* it was relieved before it had a pid */
}

void
worker_spawn_failed(struct core *c, struct worker *w, const struct event *ev)
{
    struct generation *g = w->generation;
    char why[256];

    (void)snprintf(why, sizeof(why), "cannot start a process: %s: %s",
                   ev->spawn_failed.what ? ev->spawn_failed.what : "spawn",
                   strerrordesc_np(-ev->spawn_failed.error));
    place_leave(c, w);
    w->state = WORKER_EXITED; /* never lived: no pid, so no obituary */
    worker_leave(c, w);
    g->excused = true;
    generation_failure(c, g, w, w->drain_us > 0 ? NULL : why,
                       false); /* nobody wanted it any more */
    worker_destroy(w);
}

void
worker_exit(struct core *c, struct worker *w, const struct event *ev)
{
    struct generation *g = w->generation;
    bool expected = w->state != WORKER_STARTING && w->state != WORKER_READY;
    bool abandoned = w->state == WORKER_ABANDONED; /* its slot was given to another then */
    bool busy = ev->death.exec_error == -ETXTBSY;  /* its writer still has it open */
    bool fatal = ev->death.exec_error != 0 && !busy;
    char text[1024];
    struct record *r;

    obituary_text(w, ev, text, sizeof(text));
    if (worker_step(c, w, WE_EXIT) < 0)
        return;
    survey_note(g, w, ev);
    r = w->untold && w->leak[0] == '\0' ? NULL : record_worker(c, RECORD_EXIT, w);
    if (r) {
        r->duration_us = c->now_us - w->spawned_us;
        r->count = (unsigned)ev->death.wait_status;
        r->warning = (!expected && !obituary_is_success(w, ev)) || w->leak[0] != '\0';
    }
    record_text(r, "%s%s", w->escapee ? "escapee: " : "", text);
    if (!w->escapee && !abandoned && generation_active(g)) {
        g->excused = busy;
        if (!expected)
            g->service->failure = obituary_status(ev);
        if (generation_runs_once(g) && !expected)
            oneshot_exit(c, g, w, ev, text);
        else if (w->relieved && expected)
            relief_over(c, w);
        else
            generation_failure(c, g, w, expected ? NULL : text, fatal && !expected);
        reload_signal_lost(c, w, ev, text);
    }
    worker_destroy(w);
}

/* Who forks and ends and forks makes thousands: of one generation so many are told one by one, then each doubling. */
#define ESCAPEES_TOLD 64

static bool
escapee_is_told(unsigned nth)
{
    return nth <= ESCAPEES_TOLD || (nth & (nth - 1)) == 0;
}

void
worker_escapee(struct core *c, struct worker *of, const struct event *ev)
{
    struct worker *w = worker_new(c, of->generation, of->slot, WORKER_DRAINING);
    struct record *r;
    char which[64] = "";

    if (!w)
        return; /* found again at the next scan */
    of->escapees++;
    if (++of->generation->escapees >= ESCAPEES_TOLD)
        (void)snprintf(which, sizeof(which),
                       "; the %uth of its generation, from here on not each is told",
                       of->generation->escapees);
    w->untold = !escapee_is_told(of->generation->escapees);
    w->escapee = true;
    w->pid = ev->escapee.pid;
    copy_text(w->name, sizeof(w->name), ev->escapee.name);
    r = w->untold ? NULL : record_worker(c, RECORD_ESCAPEE, w);
    if (r)
        r->warning = true;
    record_text(r, "process '%s' outlived its worker %d; it is ended too%s%s%s", w->name,
                (int)of->pid, which, ev->escapee.text ? ": " : "",
                ev->escapee.text ? ev->escapee.text : "");
    worker_begin_drain(c, w);
}
