/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/spans_memory.h"

struct ring {
    struct span *of; /* owned; `max` of them, NULL until there is one */
    uint64_t n;      /* put so far; what is kept has rising numbers */
    uint64_t first;  /* the first that is whole */
    unsigned max;
};

struct spans {
    struct ring own; /* in `kept` */
    struct ring of_workers;
    struct spans_kept *kept; /* owned: a mapping */
    int fd;                  /* … of this, owned; -1: it is our own */
    uint64_t before;         /* numbers up to this were given by a master before us … */
    uint64_t unsettled;      /* … and spans behind this may come again */
    uint64_t taken, dropped;
    bool has_taker, adopted;
    struct list watches; /* struct spans_watch.node */
};

struct spans *
spans_create(void)
{
    struct spans *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    list_init(&s->watches);
    s->kept = spans_memory_create(&s->fd);
    if (!s->kept) {
        free(s);
        return NULL;
    }
    s->own = (struct ring){.of = s->kept->own, .max = SPANS_MAX};
    s->of_workers.max = SPANS_WORKER_MAX;
    return s;
}

int
spans_fd(const struct spans *s)
{
    return s->fd;
}

int
spans_adopt(struct spans *s, int fd, struct error *reterr)
{
    struct spans_kept *kept = spans_memory_adopt(fd, reterr);

    if (!kept) {
        (void)fd_close(fd);
        return -EBADMSG;
    }
    spans_memory_close(s->kept);
    (void)fd_close(s->fd);
    s->kept = kept;
    s->fd = fd;
    s->own = (struct ring){.of = kept->own, .max = SPANS_MAX, .n = shared_load(&kept->n)};
    if (s->own.n >= SPANS_MAX && kept->own[s->own.n % SPANS_MAX].seq == 0)
        s->own.first = s->own.n - SPANS_MAX + 1; /* its place was being taken */
    s->before = shared_load(&kept->last);
    s->unsettled = shared_load(&kept->settled);
    s->adopted = true;
    return 0;
}

bool
spans_go_on(const struct spans *s)
{
    return s->adopted;
}

void
spans_settle(struct spans *s)
{
    shared_store(&s->kept->settled, shared_load(&s->kept->last));
}

void
spans_destroy(struct spans *s)
{
    if (!s)
        return;
    list_for_each_safe (pos, &s->watches)
        list_del(pos);
    spans_memory_close(s->kept);
    (void)fd_close(s->fd);
    free(s->of_workers.of);
    free(s);
}

/* The master before had put it, and was killed before the step was written down. */
static bool
is_there(const struct spans *s, const struct span *span)
{
    const struct ring *own = &s->own;

    for (uint64_t i = own->n; i > 0 && i + own->max > own->n; i--) {
        const struct span *there = &own->of[(i - 1) % own->max];

        if (there->seq <= s->unsettled)
            return false;
        if (there->seq <= s->before && there->id == span->id)
            return true;
    }
    return false;
}

/* Whole or not at all: it has no number while it is written. */
static void
fill(struct span *place, const struct span *span, uint64_t seq)
{
    place->seq = 0;
    atomic_signal_fence(memory_order_seq_cst);
    *place = *span;
    place->seq = 0;
    atomic_signal_fence(memory_order_seq_cst);
    place->seq = seq;
    atomic_signal_fence(memory_order_seq_cst);
}

void
spans_put(struct spans *s, const struct span *span)
{
    struct ring *ring = span->of_worker ? &s->of_workers : &s->own;
    uint64_t seq = shared_load(&s->kept->last) + 1;
    struct span *place;

    if (!span->of_worker && s->unsettled < s->before && is_there(s, span))
        return;
    if (!ring->of)
        ring->of = calloc(ring->max, sizeof(*ring->of));
    if (!ring->of)
        return; /* no memory: it is not there, and there will be others */
    place = &ring->of[ring->n % ring->max];
    if (s->has_taker && place->seq > s->taken)
        s->dropped++;
    fill(place, span, seq);
    shared_store(&s->kept->last, seq); /* before it is kept: no kept one is above that */
    ring->n++;
    if (ring == &s->own)
        shared_store(&s->kept->n, ring->n);
    list_for_each_safe (pos, &s->watches) {
        struct spans_watch *w = container_of(pos, struct spans_watch, node);

        w->woken(w);
    }
}

static struct span *
find_held(const struct spans *s, const char *service, uint64_t generation)
{
    for (unsigned i = 0; i < SPANS_HELD; i++) {
        struct span *span = &s->kept->held[i];

        if (span->generation == generation && strcmp(span->service, service) == 0)
            return span;
    }
    return NULL;
}

void
spans_hold(struct spans *s, const struct span *span)
{
    uint64_t n = shared_load(&s->kept->n_held);
    struct span *place = find_held(s, span->service, span->generation);
    struct span copy = *span;

    if (place) /* the step that it began in is made again */
        return;
    place = &s->kept->held[n % SPANS_HELD];
    copy.generation = place->generation = 0; /* which none has */
    atomic_signal_fence(memory_order_seq_cst);
    *place = copy;
    atomic_signal_fence(memory_order_seq_cst);
    place->generation = span->generation;
    shared_store(&s->kept->n_held, n + 1);
}

const struct span *
spans_held(const struct spans *s, const char *service, uint64_t generation)
{
    return find_held(s, service, generation);
}

void
spans_release(struct spans *s, const char *service, uint64_t generation)
{
    struct span *span = find_held(s, service, generation);

    if (span)
        span->generation = 0;
}

/* The first kept one above @after: they are in order. NULL: none. */
static const struct span *
ring_next(const struct ring *ring, uint64_t after)
{
    uint64_t low = ring->n > ring->max ? ring->n - ring->max : 0, high = ring->n;

    low = low > ring->first ? low : ring->first;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (ring->of[middle % ring->max].seq > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low < ring->n ? &ring->of[low % ring->max] : NULL;
}

const struct span *
spans_next(const struct spans *s, uint64_t after, uint64_t *ret_lost)
{
    const struct span *own = ring_next(&s->own, after), *other = ring_next(&s->of_workers, after);
    const struct span *first = !own || (other && other->seq < own->seq) ? other : own;
    uint64_t end = first ? first->seq - 1 : spans_last(s);
    uint64_t from = after > s->before ? after : s->before; /* those of workers come again */

    *ret_lost = from < end ? end - from : 0;
    return first;
}

uint64_t
spans_last(const struct spans *s)
{
    return shared_load(&s->kept->last);
}

void
spans_taken(struct spans *s, uint64_t seq)
{
    s->has_taker = true;
    if (seq > s->taken)
        s->taken = seq < spans_last(s) ? seq : spans_last(s);
}

uint64_t
spans_sent(const struct spans *s)
{
    return s->taken;
}

void
spans_lost(struct spans *s, uint64_t n)
{
    s->dropped += n;
}

uint64_t
spans_dropped(const struct spans *s)
{
    return s->dropped;
}

void
spans_watch_add(struct spans *s, struct spans_watch *w)
{
    list_add(&s->watches, &w->node);
}

void
spans_watch_remove(struct spans_watch *w)
{
    list_del(&w->node);
}
