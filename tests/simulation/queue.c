/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/queue.h"

#include <stdlib.h>

#include "base/units.h"

static bool
before(const struct news *a, const struct news *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void
swap(struct queue *q, size_t a, size_t b)
{
    struct news old = q->items[a];

    q->items[a] = q->items[b];
    q->items[b] = old;
}

void
queue_finish(struct queue *q)
{
    free(q->items);
    *q = (struct queue){NULL, 0, 0, 0};
}

static void
rise(struct queue *q, size_t at)
{
    while (at > 0 && before(&q->items[at], &q->items[(at - 1) / 2])) {
        swap(q, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

void
queue_add(struct queue *q, struct news news)
{
    if (q->n == q->room) {
        q->room = q->room > 0 ? q->room * 2 : 64;
        q->items = realloc(q->items, q->room * sizeof(*q->items));
        if (!q->items)
            abort(); /* a test without memory has nothing to say */
    }
    news.order = ++q->order;
    q->items[q->n] = news;
    rise(q, q->n++);
}

void
queue_filter(struct queue *q, bool (*keep)(struct news *n, void *env), void *env)
{
    size_t all = q->n;

    q->n = 0;
    for (size_t i = 0; i < all; i++) {
        struct news n = q->items[i];

        if (!keep(&n, env))
            continue;
        q->items[q->n] = n;
        rise(q, q->n++);
    }
}

int64_t
queue_next_us(const struct queue *q)
{
    return q->n > 0 ? q->items[0].at_us : TIME_NEVER;
}

struct news
queue_take(struct queue *q)
{
    struct news top = q->items[0];
    size_t at = 0;

    q->items[0] = q->items[--q->n];
    for (;;) {
        size_t least = at;

        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < q->n; child++)
            if (before(&q->items[child], &q->items[least]))
                least = child;
        if (least == at)
            return top;
        swap(q, at, least);
        at = least;
    }
}
