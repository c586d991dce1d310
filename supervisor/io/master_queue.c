/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/image.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_spans.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/state.h"

#define MANY_EFFECTS 256
#define EVENT_TEXTS  4
#define TRIM_AFTER_S 2.

/* An event that waits for its turn, with copies of the texts it borrows. */
struct queued {
    struct list node;
    struct event event;
    int pidfd; /* owned; ESCAPEE only, else -1 */
    char *texts[EVENT_TEXTS];
};

static void
queued_free(struct queued *q)
{
    list_del(&q->node);
    for (int i = 0; i < EVENT_TEXTS; i++)
        free(q->texts[i]);
    fd_close(q->pidfd);
    free(q);
}

/* The places of an event's borrowed texts, by type. */
static void
event_texts(struct event *ev, const char **ret[EVENT_TEXTS])
{
    for (int i = 0; i < EVENT_TEXTS; i++)
        ret[i] = NULL;
    switch (ev->type) {
    case EVENT_LOOKED:
        ret[0] = &ev->looked.reason;
        break;
    case EVENT_CHECKED:
        ret[0] = &ev->checked.reason;
        break;
    case EVENT_HOOKED:
        ret[0] = &ev->hooked.text;
        break;
    case EVENT_SURVEYED:
        ret[0] = &ev->surveyed.text;
        break;
    case EVENT_SPAWN_FAILED:
        ret[0] = &ev->spawn_failed.what;
        break;
    case EVENT_STATUS:
        ret[0] = &ev->status.text;
        break;
    case EVENT_EVIDENCE:
        ret[0] = &ev->evidence.text;
        break;
    case EVENT_INSPECTED:
        ret[0] = &ev->inspected.text;
        ret[1] = &ev->inspected.compare;
        ret[2] = &ev->inspected.trend;
        ret[3] = &ev->inspected.budget;
        break;
    case EVENT_EXIT:
        ret[0] = &ev->death.exec_step;
        ret[1] = &ev->death.last_lines;
        break;
    case EVENT_ESCAPEE:
        ret[0] = &ev->escapee.name;
        ret[1] = &ev->escapee.text;
        break;
    case EVENT_RELOAD:
    case EVENT_START:
    case EVENT_STOP:
    case EVENT_STOP_ALL:
        ret[0] = &ev->request.cause;
        break;
    case EVENT_HINT:
        ret[0] = &ev->hint.path;
        break;
    case EVENT_TICK:
    case EVENT_CONFIG: /* always posted outside a step, so what it borrows is still there */
    case EVENT_SPAWNED:
    case EVENT_READY:
    case EVENT_RELOADING:
    case EVENT_REWRITTEN:
    case EVENT_UNSENT:
    case EVENT_EXTEND:
    case EVENT_USAGE:
    case EVENT_INSPECT:
    case EVENT_TYPE_COUNT:
        break;
    }
}

static struct queued *
queued_create(const struct event *ev, int pidfd)
{
    struct queued *q = calloc(1, sizeof(*q));
    const char **texts[EVENT_TEXTS];

    if (!q)
        return NULL;
    list_init(&q->node);
    q->event = *ev;
    q->pidfd = pidfd;
    event_texts(&q->event, texts);
    for (int i = 0; i < EVENT_TEXTS; i++) {
        if (!texts[i] || !*texts[i])
            continue;
        q->texts[i] = strdup(*texts[i]);
        *texts[i] = q->texts[i]; /* out of memory: the event goes on without its words */
    }
    return q;
}

/* People are told at once; what is to be done may have to wait for its turn. */
static void
take_effect(struct master *m, const struct effect *e)
{
    struct effect *todo = e->type == FX_RECORD ? NULL : effects_add(&m->todo, e->type);

    if (todo) {
        *todo = *e;
        return;
    }
    master_act(m, e); /* a record, or there is no memory to remember it with */
    save_done(m, e);
}

static void
spans_settled(const struct master *m)
{
    if (m->spans)
        spans_settle(m->spans);
}

/* What a step has decided: written down, then told and done. */
static void
queue_effects(struct master *m)
{
    EDGE_MOVES("stepped");
    save_step(m, &m->effects);
    hands_release(m);
    EDGE_MOVES("written");
    while (m->effects_taken < m->effects.n) {
        take_effect(m, &m->effects.items[m->effects_taken]);
        m->effects_taken++;
    }
    EDGE_MOVES("told");
    save_commit(m);
    spans_settled(m);
    m->effects.lost += m->todo.lost;
    m->todo.lost = 0;
    if (m->effects.lost > 0) {
        m->count.lost_effects += m->effects.lost;
        journal_say(m->journal, LOG_LEVEL_ERROR, "out_of_memory", "%zu effects were lost",
                    m->effects.lost);
        m->effects.lost = 0;
    }
    effects_clear(&m->effects);
    m->effects_taken = 0;
}

/* One event through the core and out again. */
static void
queue_step(struct master *m, struct queued *q)
{
    q->event.now_us = mono_now_us();
    m->count.steps++;
    EDGE("peeked");
    core_step(m->core, &q->event, &m->effects);
    master_spans_note(m);
    if (q->event.type == EVENT_ESCAPEE) {
        const struct worker *w = core_worker(m->core, m->core->last_worker_id);

        if (w && w->escapee && w->pid == q->event.escapee.pid && !hand_find(m, w->id))
            hand_adopt(m, w, steal_fd(q->pidfd));
    }
    queue_effects(m);
}

/* ---- the clock ------------------------------------------------------------------------------- */

/* Set the timer to the core's next deadline. */
static void
rearm(struct master *m)
{
    int64_t next = core_next_deadline_us(m->core);
    int64_t wait_us = next - mono_now_us();

    ev_timer_stop(m->loop, &m->tick);
    if (next == TIME_NEVER)
        return;
    ev_now_update(m->loop);
    /* A whole millisecond is epoll's grain: a timer that fires early would only look and re-arm. */
    ev_timer_set(&m->tick, wait_us > 0 ? (double)wait_us / (double)US_PER_S + 0.0005 : 0., 0.);
    ev_timer_start(m->loop, &m->tick);
}

/* ---- events and effects, in order --------------------------------------------------------------- */

/* Which status it is, the core knows from then on: a master that takes over exits with it, too. */
static void
end_when_failed(struct master *m)
{
    char why[1200];
    struct event ev = {.type = EVENT_STOP_ALL, .request.cause = why};
    int status = m->exit_when_failed && m->spec && !m->core->stopping
                     ? core_spent(m->core, why, sizeof(why))
                     : -1;

    if (status < 0)
        return;
    ev.request.status = (unsigned)status;
    journal_say(m->journal, status ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "exit_when_failed",
                "stopping everything, to exit with status %d: %s", status, why);
    master_post(m, &ev);
}

static void
step_all(struct master *m, struct queued *first)
{
    m->stepping = true;
    queue_step(m, first);
    while (!list_empty(&m->queue)) {
        struct queued *q = container_of(m->queue.next, struct queued, node);

        queue_step(m, q);
        queued_free(q);
    }
    m->stepping = false;
    rearm(m);
    if (core_stopped(m->core))
        ev_break(m->loop, EVBREAK_ALL);
    end_when_failed(m);
}

/* A thousand services that start together must not keep the loop from everybody else. */
static void
act_until(struct master *m, int64_t until_us)
{
    if (m->acting)
        return;
    m->acting = true;
    while (m->todo_done < m->todo.n && mono_now_us() < until_us) {
        struct effect e = m->todo.items[m->todo_done++]; /* the list may move meanwhile */

        EDGE_EFFECT("before", &e);
        master_act(m, &e);
        EDGE_EFFECT("after", &e);
        save_done(m, &e);
        save_commit(m);
        spans_settled(m);
    }
    m->acting = false;
    if (m->todo_done == m->todo.n) {
        bool many = m->todo.room > MANY_EFFECTS;

        effects_clear(&m->todo); /* the records among them: there are none */
        if (many)
            ev_timer_again(m->loop, &m->trim);
        m->todo_done = 0;
        ev_timer_stop(m->loop, &m->more);
    } else if (!ev_is_active(&m->more)) {
        ev_timer_set(&m->more, 0., 0.);
        ev_timer_start(m->loop, &m->more);
    }
}

static void
on_more(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    /* Half of the time is its own, however long others took before it in this turn. */
    act_until(container_of(t, struct master, more), mono_now_us() + BUDGET_US / 2);
}

/* What a start of thousands needed for a moment is given back, once they are what they are. */
static void
on_trim(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, trim);

    (void)revents;
    ev_timer_stop(EV_A_ t);
    if (m->state) {
        state_tidy(m->state);
        save_config(m); /* a commit has to have something in it */
        save_commit(m);
    }
    (void)malloc_trim(0);
}

static void
queue_remember(struct master *m, const struct event *ev, int pidfd)
{
    struct queued *q = queued_create(ev, pidfd);

    if (q) {
        list_add(&m->queue, &q->node);
        return;
    }
    fd_close(pidfd);
    journal_say(m->journal, LOG_LEVEL_ERROR, "out_of_memory", "an event of type %d is lost",
                (int)ev->type);
}

/* Outside a step, which is nearly always, an event needs no memory: what it borrows is still there. */
static void
queue_post(struct master *m, const struct event *ev, int pidfd)
{
    struct queued now = {.event = *ev, .pidfd = pidfd};

    if (m->stepping) {
        queue_remember(m, ev, pidfd);
        return;
    }
    step_all(m, &now);
    fd_close(now.pidfd);
    act_until(m, m->turn_at_us + BUDGET_US);
    EDGE("not-consumed");
}

void
master_resume(struct master *m)
{
    m->stepping = true;
    core_resume(m->core, mono_now_us(), &m->effects);
    queue_effects(m);
    m->stepping = false;
    rearm(m);
    end_when_failed(m); /* before any input is looked at again */
    act_until(m, mono_now_us() + BUDGET_US);
}

void
master_post(struct master *m, const struct event *ev)
{
    queue_post(m, ev, -1);
}

void
master_post_escapee(struct master *m, const struct event *ev, int pidfd)
{
    queue_post(m, ev, pidfd);
}

void
master_queue_init(struct master *m)
{
    ev_timer_init(&m->more, on_more, 0., 0.);
    ev_timer_init(&m->trim, on_trim, 0., TRIM_AFTER_S);
}

void
master_queue_finish(struct master *m)
{
    list_for_each_safe (n, &m->queue)
        queued_free(container_of(n, struct queued, node));
    effects_finish(&m->effects);
    effects_finish(&m->todo);
}
