/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/probing.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/io/helper.h"
#include "supervisor/probe/proc.h"

#define PER_TURN 64 /* are told that their time is over */

struct probing {
    struct ev_loop *loop; /* borrowed */
    struct list
        waiting; /* struct probing_look.node; urgent ones first, by deadline; then in order */
    struct list running;
    size_t n_waiting, n_running;
    size_t n_patient; /* of the running ones */
    ev_timer due;     /* the next deadline of one that waits */
    uint64_t made, failed;
};

struct probing_look {
    struct list node;
    struct probing *probing;    /* borrowed */
    struct probing_look **self; /* borrowed; NULL = nobody has a handle */
    struct probing_request request;
    struct helper *helper; /* owned; NULL: it waits */
    bool idle;             /* it runs, or will, on what nobody else wants, for half of its time */
};

static void look_next(struct probing *p);

/* ---- answers ------------------------------------------------------------------------------- */

/* Out of all lists, but still there: whoever hears of its end may ask anew, or end everything. */
static void
look_leave(struct probing_look *look)
{
    struct probing *p = look->probing;

    list_del(&look->node);
    if (look->self)
        *look->self = NULL;
    if (look->helper) {
        p->n_running--;
        p->n_patient -= look->request.patient;
    } else {
        p->n_waiting--;
    }
    service_spec_unref(look->request.spec); /* NULL is fine */
}

/* Take it out first: whoever hears it may ask anew, or end everything. */
static void
look_fail(struct probing_look *look, const char *why)
{
    struct probing_request rq = look->request;

    look_leave(look);
    look->probing->failed++;
    free(look);
    probing_tell_little(&rq, why);
}

/*
 * The machine had nothing to spare for it. Whoever looks cannot be hurried up (who may not raise a
 * priority may not leave SCHED_IDLE either), so another one does, for as long again.
 */
static void
look_again(struct probing_look *look)
{
    struct probing *p = look->probing;

    p->n_running--;
    p->n_patient--;
    p->n_waiting++;
    look->helper = NULL;
    look->idle = false;
    list_del(&look->node);
    list_add(p->waiting.next, &look->node); /* in front */
}

static void
on_end(void *env, enum helper_end how, int out)
{
    struct probing_look *look = env;
    struct probing *p = look->probing;
    struct probing_request rq = look->request;
    auto_free char *bytes = NULL;
    struct probing_answer a;

    if (how == HELPER_LATE && look->idle) {
        look_again(look);
    } else if (how != HELPER_DONE || !probing_read(out, &a, &bytes)) {
        look_fail(look,
                  how == HELPER_LATE ? "the look took too long" : "the process that looked died");
    } else if (!a.seen) {
        look_fail(look, a.summary);
    } else {
        look_leave(look);
        p->made++;
        free(look);
        rq.on_done(rq.env, &a);
        json_decref(a.report);
    }
    look_next(p);
}

/* ---- the line ------------------------------------------------------------------------------- */

static bool
work(const void *task, int keep, int out)
{
    const struct probing_look *look = task;

    return probing_work(&look->request, keep, out);
}

static enum helper_pace
pace_of(const struct probing_look *look)
{
    if (!look->request.patient)
        return HELPER_WITH_OTHERS;
    return look->idle ? HELPER_IDLE : HELPER_AFTER_OTHERS;
}

static void
look_start(struct probing_look *look)
{
    struct probing *p = look->probing;
    int64_t half_us = (look->request.deadline_us - mono_now_us()) / 2;
    struct helper_job job = {.name = "stint-probe",
                             .pace = pace_of(look),
                             .expendable = true,
                             .work = work,
                             .task = look,
                             .keep = look->request.registry_fd,
                             .deadline_us = look->request.deadline_us - (look->idle ? half_us : 0),
                             .on_end = on_end,
                             .env = look};
    struct error err = {0};
    int r = helper_start(p->loop, &job, &look->helper);

    if (r < 0) {
        (void)error_set(&err, r, "cannot start a process that looks");
        look_fail(look, err.text);
        return;
    }
    list_del(&look->node);
    list_add(&p->running, &look->node);
    p->n_waiting--;
    p->n_running++;
    p->n_patient += look->request.patient;
}

static void
arm(struct probing *p)
{
    int64_t next_us = TIME_NEVER, left_us;

    ev_timer_stop(p->loop, &p->due);
    list_for_each (n, &p->waiting) {
        const struct probing_look *look = container_of(n, struct probing_look, node);

        if (look->request.deadline_us < next_us)
            next_us = look->request.deadline_us;
    }
    if (next_us == TIME_NEVER)
        return;
    ev_now_update(p->loop);
    left_us = next_us - mono_now_us();
    ev_timer_set(&p->due, left_us > 0 ? (double)left_us / US_PER_S + 0.0005 : 0., 0.);
    ev_timer_start(p->loop, &p->due);
}

static struct probing_look *
look_expired(struct probing *p, int64_t now_us)
{
    list_for_each (n, &p->waiting) {
        struct probing_look *look = container_of(n, struct probing_look, node);

        if (look->request.deadline_us <= now_us)
            return look;
    }
    return NULL;
}

/* The first in line that may begin; NULL: nobody may. */
static struct probing_look *
look_first(const struct probing *p)
{
    list_for_each (n, &p->waiting) {
        struct probing_look *look = container_of(n, struct probing_look, node);

        if (!look->request.patient || p->n_patient < PROBING_PATIENT_AT_ONCE)
            return look;
    }
    return NULL;
}

/* Whoever is answered may ask anew: the list is looked at from its beginning each time. */
static void
look_next(struct probing *p)
{
    int64_t now_us = mono_now_us();
    struct probing_look *late, *look;

    for (int i = 0; i < PER_TURN && (late = look_expired(p, now_us)) != NULL; i++)
        look_fail(late, "too many others were looked at first");
    while (p->n_running < PROBING_AT_ONCE && (look = look_first(p)) != NULL) {
        if (look->request.deadline_us <= now_us)
            break; /* in the next turn */
        look_start(look);
    }
    arm(p);
}

static void
on_due(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    look_next(container_of(t, struct probing, due));
}

/* Does @a go before one that has been there longer? */
static bool
goes_before(const struct probing_request *a, const struct probing_request *b)
{
    return a->urgent && (!b->urgent || a->deadline_us < b->deadline_us);
}

static void
look_queue(struct probing *p, struct probing_look *look)
{
    struct list *before = &p->waiting; /* the end */

    list_for_each (n, &p->waiting)
        if (goes_before(&look->request, &container_of(n, struct probing_look, node)->request)) {
            before = n;
            break;
        }
    list_add(before, &look->node);
    p->n_waiting++;
}

void
probing_ask(struct probing *p, const struct probing_request *rq, struct probing_look **ret)
{
    struct probing_look *look = NULL;
    bool crowded = p && p->n_waiting >= (rq->patient ? PROBING_PATIENT_MAX : PROBING_WAITING_MAX);

    if (ret)
        *ret = NULL;
    if (p && !crowded)
        look = calloc(1, sizeof(*look));
    if (!look) {
        probing_tell_little(rq, crowded ? "too many are to be looked at" : "out of memory");
        return;
    }
    look->probing = p;
    look->request = *rq;
    if (rq->spec)
        look->request.spec = service_spec_ref(rq->spec);
    look->idle = rq->patient;
    look->self = ret;
    if (ret)
        *ret = look;
    look_queue(p, look);
    look_next(p);
}

static void
look_drop(struct probing_look *look)
{
    look_leave(look);
    helper_cancel(look->helper);
    free(look);
}

void
probing_cancel(struct probing_look *look)
{
    struct probing *p;

    if (!look)
        return;
    p = look->probing;
    look_drop(look);
    if (list_empty(&p->waiting))
        return;
    ev_timer_stop(p->loop, &p->due); /* whoever waits has its turn, but not from within this */
    ev_timer_set(&p->due, 0., 0.);
    ev_timer_start(p->loop, &p->due);
}

static struct probing_look *
look_of(struct list *in, pid_t pid)
{
    list_for_each (n, in) {
        struct probing_look *look = container_of(n, struct probing_look, node);

        if (look->request.pid == pid)
            return look;
    }
    return NULL;
}

void
probing_forget(struct probing *p, pid_t pid)
{
    struct probing_look *look;

    while (p && ((look = look_of(&p->running, pid)) || (look = look_of(&p->waiting, pid)))) {
        struct probing_answer a = {.summary = "no evidence: it is gone", .budget = ""};
        struct probing_request rq = look->request;

        look_drop(look);
        rq.on_done(rq.env, &a);
    }
}

struct probing *
probing_create(struct ev_loop *loop)
{
    struct probing *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->loop = loop;
    list_init(&p->waiting);
    list_init(&p->running);
    ev_timer_init(&p->due, on_due, 0., 0.);
    return p;
}

void
probing_destroy(struct probing *p)
{
    if (!p)
        return;
    while (!list_empty(&p->waiting))
        look_drop(container_of(p->waiting.next, struct probing_look, node));
    while (!list_empty(&p->running))
        look_drop(container_of(p->running.next, struct probing_look, node));
    ev_timer_stop(p->loop, &p->due);
    free(p);
}

void
probing_count(const struct probing *p, uint64_t *ret_made, uint64_t *ret_failed)
{
    *ret_made = p ? p->made : 0;
    *ret_failed = p ? p->failed : 0;
}
