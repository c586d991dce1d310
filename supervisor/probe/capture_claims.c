/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the process says of itself, joined with what the kernel says: tid and start time are the identity. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/probe/capture_parts.h"
#include "supervisor/probe/overruns.h"
#include "supervisor/probe/registry.h"

/* The registry at one moment, and who of it was found in the kernel's list. */
struct joint {
    struct registry_view view;
    bool *joined; /* owned; for each of view.threads */
    size_t n_joined;
};

static void
joint_finish(struct joint *j)
{
    registry_view_finish(&j->view);
    free(j->joined);
}

static bool
is_there_now(const struct capture *c, pid_t tid)
{
    char path[24];

    (void)snprintf(path, sizeof(path), "%d", (int)tid);
    return faccessat(c->task_fd, path, F_OK, 0) == 0;
}

/* twice - the slot before says that it is the same thread: at least one of them lies. */
static bool
twice(const struct registry_view *v, const struct registry_thread *r, uint64_t start_time)
{
    const struct registry_view before = {.threads = v->threads, .n = (size_t)(r - v->threads)};

    return registry_find(&before, r->tid, start_time) != NULL;
}

/* beats_then - how far it was at the first sample. */
static void
beats_then(const struct capture *c, const struct registry_thread *r, uint64_t start_time,
           struct claim *claim)
{
    const struct registry_thread *then =
        c->early ? registry_find(c->early, r->tid, start_time) : NULL;

    if (!then || then->slot != r->slot || then->epoch != r->epoch)
        return;
    claim->beats_before = then->claim.beats;
    claim->beats_before_us = c->first_us;
}

static void
threads_join(struct capture *c, struct joint *j)
{
    struct process_facts *f = c->facts;

    for (size_t i = 0; i < f->n; i++) {
        struct thread_facts *t = &f->threads[i];
        const struct registry_thread *r =
            registry_find(&j->view, capture_inner(c, t->tid), t->start_time);

        if (!r)
            continue;
        t->claimed = true;
        t->claim = r->claim;
        t->claim.creator_tid = capture_outer(c, r->claim.creator_tid);
        t->claim.awaits_tid = capture_outer(c, r->claim.awaits_tid);
        beats_then(c, r, t->start_time, &t->claim);
        f->untrusted |= twice(&j->view, r, t->start_time);
        j->joined[r - j->view.threads] = true;
        j->n_joined++;
    }
}

/* missed - live by the registry and not by the kernel's list: now, too, not only when that was read. */
static bool
missed(const struct capture *c, const struct joint *j, size_t i)
{
    const struct registry_thread *r = &j->view.threads[i];
    pid_t tid = capture_outer(c, r->tid);

    if (j->joined[i])
        return false;
    if (tid > 0 && capture_thread(c, (uint64_t)tid))
        return true; /* another has its number */
    return r->claim.started_us <= c->facts->at_us && (tid <= 0 || !is_there_now(c, tid));
}

static bool
misses_some(const struct capture *c, const struct joint *j)
{
    if (c->facts->n < c->facts->n_threads) /* not all were looked at: nobody is missed */
        return false;
    for (size_t i = 0; i < j->view.n; i++)
        if (missed(c, j, i))
            return true;
    return false;
}

static bool
still_live(const struct registry_view *again, const struct registry_thread *r)
{
    for (size_t i = 0; i < again->n; i++)
        if (again->threads[i].slot == r->slot)
            return again->threads[i].epoch == r->epoch && again->threads[i].tid == r->tid;
    return false;
}

/* ghosts_add - who is missed, unless he has just left in order: that is why it is read once more. */
static void
ghosts_add(struct capture *c, const struct joint *j)
{
    struct process_facts *f = c->facts;
    struct registry_view again = {0};

    if (!misses_some(c, j) || registry_read(c->req->registry_fd, &again, NULL) < 0)
        return;
    for (size_t i = 0; i < j->view.n; i++)
        if (missed(c, j, i) && still_live(&again, &j->view.threads[i]))
            f->dead[f->n_dead++] = (struct dead_facts){
                .tid = j->view.threads[i].tid, .ghost = true, .claim = j->view.threads[i].claim};
    registry_view_finish(&again);
}

static int
dead_add(struct capture *c, const struct joint *j)
{
    struct process_facts *f = c->facts;

    f->dead = calloc(j->view.n + j->view.n_ended + 1, sizeof(*f->dead));
    if (!f->dead)
        return -ENOMEM;
    for (size_t i = 0; i < j->view.n_ended; i++)
        f->dead[f->n_dead++] = (struct dead_facts){.tid = j->view.ended[i].tid,
                                                   .joinable = j->view.ended[i].joinable,
                                                   .claim = j->view.ended[i].claim};
    ghosts_add(c, j);
    return 0;
}

/* Nothing it says is used then: a liar's other words are no better. */
static void
distrust(struct process_facts *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->threads[i].claimed = false;
    free(f->dead);
    free(f->scopes);
    f->dead = NULL;
    f->scopes = NULL;
    f->n_dead = f->n_scopes = 0;
}

static int
join(struct capture *c, struct joint *j)
{
    struct process_facts *f = c->facts;
    int r;

    j->joined = calloc(j->view.n + 1, sizeof(*j->joined));
    if (!j->joined)
        return -ENOMEM;
    threads_join(c, j);
    f->torn = j->view.torn;
    f->overflow = j->view.overflow;
    f->untrusted |= j->view.untrusted;
    if (j->n_joined == 0 && j->view.n > 0 && f->n == f->n_threads)
        f->untrusted = true; /* it is all about others, or about nobody */
    r = dead_add(c, j);
    f->scopes = steal(j->view.scopes);
    f->n_scopes = j->view.n_scopes;
    c->registered = true;
    if (f->untrusted)
        distrust(f);
    return r;
}

int
capture_claims_early(struct capture *c)
{
    if (c->req->registry_fd < 0)
        return 0;
    c->early = calloc(1, sizeof(*c->early));
    if (!c->early)
        return -ENOMEM;
    (void)registry_read(c->req->registry_fd, c->early, NULL); /* then nothing is known of then */
    return 0;
}

/*
 * Work that has ended past its deadline was counted by the process; who is past one now is seen by the
 * claims of its thread. Without memory, or in a registry that makes no sense, there are none.
 */
static void
past_deadlines(struct capture *c, struct process_facts *f)
{
    struct overruns all;

    if (f->untrusted || !overruns_any(c->req->registry_fd) ||
        overruns_read(c->req->registry_fd, f->at_us, INT64_MAX / 2, &all, NULL) < 0)
        return;
    f->overruns = all.n > 0 ? malloc(sizeof(*f->overruns)) : NULL;
    if (f->overruns)
        *f->overruns = all;
    else
        overruns_finish(&all);
}

int
capture_claims(struct capture *c)
{
    struct joint j = {0};
    struct error err = {0};
    int r;

    if (c->req->registry_fd < 0) {
        (void)snprintf(c->claims_note, sizeof(c->claims_note), "it has no registry");
        return 0;
    }
    r = registry_read(c->req->registry_fd, &j.view, &err);
    if (r == 0)
        r = join(c, &j);
    else
        (void)snprintf(c->claims_note, sizeof(c->claims_note), "%.120s", err.text);
    if (r == 0)
        past_deadlines(c, c->facts);
    joint_finish(&j);
    return r == -ENOMEM ? r : 0;
}

void
capture_claims_free(struct capture *c)
{
    if (c->early)
        registry_view_finish(c->early);
    free(c->early);
    c->early = NULL;
}
