/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/helper.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/survey.h"
#include "supervisor/probe/registry.h"
#include "supervisor/probe/registry_toll.h"

/*
 * The answers to FX_SURVEY. They are gathered for one turn of the loop, so that who was buried in it is
 * so, and then looked at together, by one helper at a time.
 */

#define PATIENCE_US  (9 * US_PER_S) /* the core waits longer */
#define REST         4 /* times as long as it took, nobody asks all processes again … */
#define REST_MOST_US (500 * US_PER_MS) /* … but no longer than that */

/* One generation that is asked about. */
struct asked {
    struct list node; /* in surveys.waiting or surveys.running */
    uint32_t service;
    uint64_t generation, root, snapshot;
    bool escaped; /* somebody did */
    char name[65];
};

/* A listener, by what a helper sees of it. */
struct given {
    uint64_t inode;
    const struct listener *listener; /* borrowed: of a snapshot */
};

struct surveys {
    struct master *master;
    struct list waiting, running; /* struct asked.node */
    size_t n_running;
    struct helper *helper; /* owned; NULL: none runs */
    ev_timer due;
    int64_t began_us, calm_us; /* the one that runs; not before, all processes are asked again */
    bool outsiders;            /* it does that */
    bool insist;               /* … and looks more than once */
    pid_t top[2]; /* this process, and the keeper or 0: a helper would ask for its own */
    struct survey_subject subjects[SURVEY_AT_ONCE];        /* of those that run … */
    struct given sockets[SURVEY_AT_ONCE * HELD_LISTENERS]; /* … and what they had, in that order */
    size_t n_sockets;
    struct registry_copy copy; /* its memory, from death to death */
};

static void surveys_next(struct surveys *s);

/* ---- answers -------------------------------------------------------------------------------------- */

static void
answer(struct master *m, struct asked *a, const struct survey_found *found)
{
    struct event ev = {.type = EVENT_SURVEYED, .service = a->service};
    size_t i;
    json_t *one;

    if (found)
        json_array_foreach(found->processes, i, one)
            ledger_retain(m->leaks.ledger, a->name, a->generation, one);
    EDGE("surveyed");
    ev.surveyed.generation = a->generation;
    ev.surveyed.seen = found != NULL;
    if (found) {
        ev.surveyed.found = found->survey;
        ev.surveyed.text = found->text;
    }
    list_del(&a->node);
    free(a);
    master_post(m, &ev);
}

static int64_t
rest(int64_t took_us)
{
    return took_us < REST_MOST_US / REST ? took_us * REST : REST_MOST_US;
}

static void
on_end(void *env, enum helper_end how, int out)
{
    struct surveys *s = env;
    json_t *all = NULL;
    bool ok = how == HELPER_DONE && survey_read(out, s->n_running, &all) == 0;
    int64_t now_us = mono_now_us();

    if (s->outsiders)
        s->calm_us = now_us + rest(now_us - s->began_us);
    s->helper = NULL;
    for (size_t i = 0; !list_empty(&s->running); i++) {
        struct asked *a = container_of(s->running.next, struct asked, node);
        struct survey_found found;

        if (ok)
            survey_at(all, i, &found);
        answer(s->master, a, ok ? &found : NULL);
    }
    json_decref(all);
    s->n_running = 0;
    surveys_next(s);
}

/* ---- the helper ------------------------------------------------------------------------------------- */

static bool
knows(void *env, pid_t pid)
{
    return graves_knows(env, pid) || retained_is_anothers(env, pid);
}

/* What is a worker's own is asked for when that has ended, so one that lives was given listeners only. */
static int
was_given(void *env, pid_t pid, uint64_t inode)
{
    const struct master *m = env;
    const struct surveys *s = m->leaks.surveys;
    const struct hand *h = hand_of_pid(m, pid);

    if (!h || h->dead)
        return -1;
    for (size_t i = 0; i < s->n_sockets; i++)
        if (s->sockets[i].inode == inode)
            return held_has(h, s->sockets[i].listener);
    return 0;
}

static bool
work(const void *task, int keep, int out)
{
    const struct surveys *s = task;
    struct master *m = s->master;
    struct survey_request rq = {
        .of = s->subjects,
        .n = s->n_running,
        .top = {s->top[0], s->top[1]},
        .outsiders = s->outsiders,
        .insist = s->insist,
        .is_known = knows,
        .was_given = was_given,
        .env = m
    };

    (void)keep;
    return survey_work(&rq, out);
}

/* Which of them does @h have? It lives, so whoever has only those may be of it. */
static uint64_t
shared_with(const struct surveys *s, const struct survey_subject *of, const struct hand *h)
{
    uint64_t has = 0;

    for (size_t i = of->first_socket; i < s->n_sockets; i++)
        for (unsigned k = 0; held_has(h, s->sockets[i].listener) && k < HELD_MAX; k++)
            if (of->held[k].inode == s->sockets[i].inode)
                has |= UINT64_C(1) << k;
    return has;
}

static void
rival_add(const struct surveys *s, struct survey_subject *of, const struct hand *h)
{
    uint64_t has = shared_with(s, of, h);
    size_t i = 0;

    if (!has)
        return;
    while (i < of->n_rivals &&
           (of->rivals[i].generation != h->born || strcmp(of->rivals[i].service, h->service) != 0))
        i++;
    of->more_rivals = of->more_rivals || i == SURVEY_RIVALS;
    if (i == SURVEY_RIVALS)
        return;
    if (i < of->n_rivals) {
        of->rivals[i].has |= has;
        if (survey_older(h->start_time, h->pid, of->rivals[i].since, of->rivals[i].worker)) {
            of->rivals[i].since = h->start_time;
            of->rivals[i].worker = h->pid;
        }
        return;
    }
    of->rivals[of->n_rivals++] = (struct survey_rival){.leaf = h->snapshot->leaf,
                                                       .service = h->service,
                                                       .generation = h->born,
                                                       .since = h->start_time,
                                                       .has = has,
                                                       .worker = h->pid};
}

/* In the master: a helper has none of our descriptors. */
static void
subject_fill(struct surveys *s, const struct asked *a, struct survey_subject *ret)
{
    const struct master *m = s->master;
    const struct snapshot *snap = snapshot_find(m, a->snapshot);
    struct stat st;

    *ret = (struct survey_subject){.service = a->name,
                                   .root = a->root,
                                   .generation = a->generation,
                                   .first_socket = s->n_sockets,
                                   .leaf = snap ? cgroup_leaf_path(snap->leaf) : NULL};
    if (snap && snap->exe_fd >= 0 && fstat(snap->exe_fd, &st) == 0) {
        ret->exe_device = st.st_dev;
        ret->exe_inode = st.st_ino;
    }
    held_of(snap, NULL, ret->held);
    for (size_t i = 0; snap && i < snap->n_listeners && i < HELD_LISTENERS; i++)
        s->sockets[s->n_sockets++] =
            (struct given){held_inode(snap->listeners[i]->fd), snap->listeners[i]};
    list_for_each (n, &m->hands) {
        const struct hand *h = container_of(n, struct hand, node);

        if (h->pid > 0 && !h->dead)
            rival_add(s, ret, h);
    }
}

/* Is it time to ask all processes again? A stop does not wait for that. */
static bool
may_ask_all(struct surveys *s)
{
    int64_t rest_us = s->calm_us - mono_now_us();

    if (rest_us <= 0 || s->master->core->stopping)
        return true;
    if (!ev_is_active(&s->due)) {
        ev_timer_set(&s->due, (double)rest_us / US_PER_S, 0.);
        ev_timer_start(s->master->loop, &s->due);
    }
    return false;
}

static void
surveys_next(struct surveys *s)
{
    int64_t now_us = mono_now_us();
    struct helper_job job = {.name = "stint-survey",
                             .work = work,
                             .task = s,
                             .keep = -1,
                             .deadline_us = now_us + PATIENCE_US,
                             .on_end = on_end,
                             .env = s};

    if (s->helper || list_empty(&s->waiting) || !may_ask_all(s))
        return;
    s->outsiders = s->calm_us <= now_us;
    s->began_us = now_us;
    s->top[0] = getpid();
    s->top[1] = s->master->fdstore ? getppid() : 0;
    s->n_sockets = 0;
    s->insist = false;
    while (!list_empty(&s->waiting) && s->n_running < SURVEY_AT_ONCE) {
        struct asked *a = container_of(s->waiting.next, struct asked, node);

        subject_fill(s, a, &s->subjects[s->n_running++]);
        s->insist = s->insist || a->escaped;
        list_del(&a->node);
        list_add(&s->running, &a->node);
    }
    if (helper_start(s->master->loop, &job, &s->helper) < 0)
        on_end(s, HELPER_DIED, -1);
}

static void
on_due(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    surveys_next(container_of(t, struct surveys, due));
}

void
survey_ask(struct master *m, const struct effect *e)
{
    struct surveys *s = m->leaks.surveys;
    const struct service *service = core_service(m->core, e->service);
    const struct generation *g = service ? service_generation(service, e->generation) : NULL;
    struct asked *a = g && s ? calloc(1, sizeof(*a)) : NULL;
    struct event none = {.type = EVENT_SURVEYED, .service = e->service};

    if (!a) {
        none.surveyed.generation = e->generation;
        master_post(m, &none);
        return;
    }
    a->service = e->service;
    a->generation = e->generation;
    a->root = g->root;
    a->escaped = g->escapees > 0;
    a->snapshot = e->snapshot;
    (void)snprintf(a->name, sizeof(a->name), "%s", service->name);
    list_add(&s->waiting, &a->node);
    if (!ev_is_active(&s->due)) {
        ev_timer_set(&s->due, 0., 0.);
        ev_timer_start(m->loop, &s->due);
    }
}

/* ---- the dead ---------------------------------------------------------------------------------------- */

void
survey_registry(const struct hand *h, struct event *ev, struct text *words)
{
    struct surveys *s = h->master->leaks.surveys;
    struct registry_toll toll;
    int r;

    if (!s || h->registry_fd < 0 || !h->spec || !h->spec->libstint)
        return;
    r = registry_copy_take(h->registry_fd, &s->copy, NULL);
    if (r < 0 && r != -ENODATA) /* what is not understood says nothing */
        return;
    ev->death.registry = true;
    if (r == -ENODATA) /* it never got as far as to have threads */
        return;
    registry_toll(&s->copy, &toll, words);
    ev->death.registry = !toll.untrusted;
    ev->death.unjoined = toll.live + toll.unjoined;
    ev->death.threads = text_str(words);
}

/* ---- life ----------------------------------------------------------------------------------------------- */

void
surveys_begin(struct master *m)
{
    struct surveys *s = calloc(1, sizeof(*s));

    if (!s)
        return; /* certificates say what they conclude */
    s->master = m;
    list_init(&s->waiting);
    list_init(&s->running);
    ev_timer_init(&s->due, on_due, 0., 0.);
    m->leaks.surveys = s;
}

void
surveys_finish(struct master *m)
{
    struct surveys *s = m->leaks.surveys;

    if (!s)
        return;
    helper_cancel(s->helper);
    ev_timer_stop(m->loop, &s->due);
    list_for_each_safe (n, &s->waiting)
        free(container_of(n, struct asked, node));
    list_for_each_safe (n, &s->running)
        free(container_of(n, struct asked, node));
    registry_copy_finish(&s->copy);
    free(s);
    m->leaks.surveys = NULL;
}
