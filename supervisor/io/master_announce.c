/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/announce.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_state.h"

/*
 * What the service manager hears of us (announce.h), through the keeper. A start or a reload of
 * everything is over when each run that was promised by then has its verdict: run ids only grow,
 * so one number says which those are.
 */

#define STOP_MARGIN_US (5 * US_PER_S) /* from our last SIGKILL to our own exit */

struct announcer {
    struct announce says;
    bool began;     /* a start or reload was begun, its runs are not known yet */
    bool first;     /* … the start: who is on probation serves already */
    uint64_t until; /* the last run that belongs to it */
    uint64_t steps; /* master.count.steps when it was looked last */
    ev_prepare turn;
    ev_timer again;
};

/* ---- how things are ------------------------------------------------------------------------ */

static bool
service_owes_verdict(const struct announcer *a, const struct core *c, const struct service *s)
{
    const struct reload *r = &s->reload;
    const struct generation *candidate;

    if (s->want != WANT_UP)
        return false;
    if (r->trailing && r->trailing_id <= a->until)
        return true;
    if (r->state == RELOAD_IDLE || r->id > a->until)
        return false;
    if (r->state == RELOAD_WAITING)
        return !service_waits_in_vain(c, s);
    candidate = a->first ? service_candidate(s) : NULL;
    return !candidate || candidate->state != GENERATION_SOAKING;
}

static void
look(struct master *m, struct announce_facts *f)
{
    struct announcer *a = m->announcer;

    if (a->began && !m->reading && !m->hup_waits) {
        a->until = m->core->last_reload_id;
        a->began = false;
    }
    f->now_us = mono_now_us();
    f->under_way = a->began;
    f->stopping = m->core->stopping;
    f->stop_until_us = m->core->stop_deadline_us + STOP_MARGIN_US;
    list_for_each (n, &m->core->services) {
        const struct service *s = container_of(n, struct service, node);

        f->busy = f->busy || (s->reload.state != RELOAD_IDLE && s->reload.state != RELOAD_WAITING);
        f->under_way = f->under_way || service_owes_verdict(a, m->core, s);
    }
}

/* ---- in words -------------------------------------------------------------------------------- */

struct tally {
    unsigned services, running, starting, stopping, stopped, backoff, completed, rejected;
    const struct service *worst; /* one that was rejected; NULL: none */
};

static void
tally_service(struct tally *t, const struct service *s)
{
    switch (service_state(s)) {
    case SERVICE_RUNNING:
    case SERVICE_RELOADING:
        t->running++;
        break;
    case SERVICE_STARTING:
        t->starting++;
        break;
    case SERVICE_STOPPING:
        t->stopping++;
        break;
    case SERVICE_STOPPED:
        t->stopped++;
        break;
    case SERVICE_BACKOFF:
        t->backoff++;
        break;
    case SERVICE_COMPLETED:
        t->completed++;
        break;
    case SERVICE_FAILED: /* it is among the rejected */
    case SERVICE_STATE_COUNT:
        break;
    }
    if (s->input_rejected) {
        t->rejected++;
        t->worst = t->worst ? t->worst : s;
    }
}

static void
add_count(struct text *out, unsigned n, const char *what)
{
    if (n > 0)
        text_addf(out, ", %u %s", n, what);
}

static void
describe(const struct master *m, struct text *out)
{
    struct tally t = {0};

    list_for_each (n, &m->core->services) {
        t.services++;
        tally_service(&t, container_of(n, struct service, node));
    }
    if (m->core->stopping)
        text_add(out, "Stopping: ");
    text_addf(out, "%u service%s, %u running", t.services, t.services == 1 ? "" : "s", t.running);
    add_count(out, t.completed, "completed");
    add_count(out, t.starting, "starting");
    add_count(out, t.backoff, "in back-off");
    add_count(out, t.stopping, "stopping");
    add_count(out, t.stopped, "stopped");
    add_count(out, t.rejected, "rejected");
    if (t.worst)
        text_addf(out, ": %s: %.200s", t.worst->name, t.worst->rejected_reason);
    if (m->config_error)
        text_addf(out, "; configuration rejected: %.200s", m->config_error);
}

/* ---- when it is said --------------------------------------------------------------------------- */

static void
say(const struct master *m, const struct text *words)
{
    if (words->bytes > 0 && !words->failed)
        fdstore_notify(m->fdstore, text_str(words));
}

static void
announce_now(struct master *m)
{
    struct announcer *a = m->announcer;
    struct announce_facts f = {0};
    auto_text struct text status = TEXT_INIT, words = TEXT_INIT;
    int64_t again_us;

    look(m, &f);
    if (announce_status_due(&a->says, &f)) {
        describe(m, &status);
        f.status = status.failed ? NULL : text_str(&status);
    }
    again_us = announce_turn(&a->says, &f, &words);
    say(m, &words);
    if (!f.under_way)
        a->first = false;
    ev_timer_stop(m->loop, &a->again);
    if (again_us == TIME_NEVER)
        return;
    again_us -= mono_now_us();
    ev_now_update(m->loop);
    ev_timer_set(&a->again, again_us > 0 ? (double)again_us / (double)US_PER_S : 0., 0.);
    ev_timer_start(m->loop, &a->again);
}

static void
on_again(EV_P_ ev_timer *t, int revents)
{
    struct master *m = t->data;

    (void)loop;
    (void)revents;
    m->announcer->steps = 0; /* before the loop sleeps */
}

static void
on_turn(EV_P_ ev_prepare *w, int revents)
{
    struct master *m = w->data;
    struct announcer *a = m->announcer;

    (void)loop;
    (void)revents;
    if (a->steps == m->count.steps + 1)
        return; /* nothing has happened since */
    announce_now(m);
    a->steps = m->count.steps + 1;
}

/* ---- what the rest of the master says ---------------------------------------------------------- */

void
announcer_begin(struct master *m)
{
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);
    struct announcer *a;

    if (!w || !(w->flags & KEEPER_SYSTEMD))
        return;
    a = calloc(1, sizeof(*a));
    if (!a) {
        journal_say(m->journal, LOG_LEVEL_ERROR, "out_of_memory",
                    "the service manager is told nothing");
        return;
    }
    announce_init(&a->says);
    ev_prepare_init(&a->turn, on_turn);
    ev_set_priority(&a->turn, -1); /* after those who may still decide something */
    a->turn.data = m;
    ev_timer_init(&a->again, on_again, 0., 0.);
    a->again.data = m;
    ev_prepare_start(m->loop, &a->turn);
    m->announcer = a;
    a->first = !(w->flags & KEEPER_SUCCEEDS);
    if (a->first) {
        a->began = true;
        announce_begin(&a->says);
    } else {
        announcer_reload(m, "a master took over");
    }
}

void
announcer_reload(struct master *m, const char *cause)
{
    struct announcer *a = m->announcer;
    auto_text struct text words = TEXT_INIT;

    if (!a || m->core->stopping)
        return;
    a->began = true;
    a->steps = 0;
    announce_reload(&a->says, cause, mono_now_us(), &words);
    say(m, &words);
}

void
announcer_changed(struct master *m)
{
    if (m->announcer)
        m->announcer->steps = 0;
}

void
announcer_end(struct master *m, const char *failure)
{
    auto_text struct text words = TEXT_INIT;

    if (m->announcer) {
        struct announcer *a = m->announcer;

        if (m->core->stopping)
            announce_now(m); /* who had nothing to wait for has not slept */
        ev_prepare_stop(m->loop, &a->turn);
        ev_timer_stop(m->loop, &a->again);
        announce_finish(&a->says);
        free(a);
        m->announcer = NULL;
    }
    if (failure && failure[0]) {
        text_add(&words, "STATUS=");
        text_add_line(&words, failure, 400);
        say(m, &words);
    }
}
