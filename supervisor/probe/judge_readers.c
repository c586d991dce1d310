/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

/* A lock for many readers does not say who they are. */

enum side { SIDE_UNKNOWN, SIDE_READ, SIDE_WRITE };

static enum side
side_of(const struct thread_facts *f)
{
    if (strstr(f->object_note, "to write"))
        return SIDE_WRITE;
    if (strstr(f->object_note, "to read"))
        return SIDE_READ;
    for (unsigned k = 0; k < f->n_frames && k < 8; k++) {
        if (strstr(f->frames[k].function, "wrlock"))
            return SIDE_WRITE;
        if (strstr(f->frames[k].function, "rdlock"))
            return SIDE_READ;
    }
    return SIDE_UNKNOWN;
}

struct queue { /* those who wait for one lock, by tid */
    const size_t *who;
    size_t n;
    size_t reader, writer; /* the first of each, or NOBODY */
    unsigned readers;      /* who may be one */
};

static int
by_object(const void *a, const void *b, void *trial)
{
    const struct trial *t = trial;
    const struct thread_facts *x = &t->facts->threads[*(const size_t *)a];
    const struct thread_facts *y = &t->facts->threads[*(const size_t *)b];

    if (x->object != y->object)
        return x->object < y->object ? -1 : 1;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

static void
queue_sides(const struct trial *t, struct queue *q)
{
    size_t unknown = NOBODY;

    q->reader = q->writer = NOBODY;
    q->readers = 0;
    for (size_t k = 0; k < q->n; k++) {
        enum side side = side_of(&t->facts->threads[q->who[k]]);

        q->readers += side != SIDE_WRITE;
        if (side == SIDE_READ && q->reader == NOBODY)
            q->reader = q->who[k];
        if (side == SIDE_WRITE && q->writer == NOBODY)
            q->writer = q->who[k];
        if (side == SIDE_UNKNOWN && (unknown == NOBODY || q->reader == NOBODY))
            unknown = q->who[k];
    }
    if (q->reader == NOBODY && unknown != q->writer)
        q->reader = unknown;
    for (size_t k = 0; k < q->n && q->writer == NOBODY; k++)
        if (q->who[k] != q->reader && side_of(&t->facts->threads[q->who[k]]) == SIDE_UNKNOWN)
            q->writer = q->who[k];
}

/* Blocked in what is done under no lock: a loop waits for events. */
static bool
loops(const struct thread_facts *f)
{
    return f->wait == WAIT_EPOLL || f->wait == WAIT_ACCEPT || f->wait == WAIT_SIGNAL ||
           (f->wait == WAIT_POLL && f->n_fds > 1);
}

/*
 * Could @i, which does not wait for that lock, have it for reading? Not who waits for one of the queue,
 * and of those that should have left not a pool that waits for work. But whoever asks a backend, writes or
 * waits for another lock may well do it under this one.
 */
static bool
may_read(const struct trial *t, size_t i, uint64_t object)
{
    const struct thread_facts *f = &t->facts->threads[i];
    const struct standing *s = &t->of[i];
    size_t end = trial_walk(t, i);

    if (s->runtime || s->conduct == CONDUCT_ENDED || (s->waits && trial_moves(t, i)) ||
        (s->conduct == CONDUCT_BLOCKED && loops(f)))
        return false;
    if (end != i && t->facts->threads[end].wait == WAIT_RWLOCK &&
        t->facts->threads[end].object == object)
        return false;
    return !trial_late(t, i) || s->conduct != CONDUCT_BLOCKED ||
           (i != t->main && f->wait != WAIT_COND && f->wait != WAIT_FUTEX);
}

/*
 * A reader queues behind a writer, which waits for readers: when nobody else can be one of those, the
 * queue waits for itself. (With glibc's default a reader never queues behind a writer that waits.)
 */
static void
conclude_readers(struct trial *t, struct queue *q)
{
    uint64_t object = t->facts->threads[q->who[0]].object;
    unsigned inside = t->facts->threads[q->who[0]].value;

    queue_sides(t, q);
    if (q->reader == NOBODY || q->writer == NOBODY || inside > q->readers)
        return;
    for (size_t i = 0; i < t->facts->n; i++)
        if ((t->facts->threads[i].wait != WAIT_RWLOCK || t->facts->threads[i].object != object) &&
            may_read(t, i, object))
            return;
    for (size_t k = 0; k < q->n; k++) {
        struct standing *s = &t->of[q->who[k]];

        s->waits_for =
            side_of(&t->facts->threads[q->who[k]]) == SIDE_WRITE || q->who[k] == q->writer
                ? q->reader
                : q->writer;
        s->tie = TIE_GUESS;
    }
}

int
trial_readers(struct trial *t)
{
    size_t *who = calloc(t->facts->n + 1, sizeof(*who));
    size_t n = 0;

    if (!who)
        return -ENOMEM;
    for (size_t i = 0; i < t->facts->n; i++) {
        const struct thread_facts *f = &t->facts->threads[i];

        if (f->wait == WAIT_RWLOCK && t->of[i].firm && t->of[i].tie == TIE_NONE &&
            !t->of[i].orphan && f->object != 0 && !f->shared)
            who[n++] = i;
    }
    qsort_r(who, n, sizeof(*who), by_object, t);
    for (size_t from = 0, to; from < n; from = to) {
        struct queue q = {.who = who + from};

        for (to = from;
             to < n && t->facts->threads[who[to]].object == t->facts->threads[who[from]].object;
             to++)
            q.n++;
        if (q.n > 1)
            conclude_readers(t, &q);
    }
    free(who);
    return 0;
}
