/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_QUEUE_H
#define STINT_SIMULATION_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/event.h"

/* Something the world will tell the core at its time. */
struct news {
    int64_t at_us;
    uint64_t order;   /* news of one instant come in the order they were made */
    uint64_t token;   /* EXIT: news of a death that was overtaken by an earlier one is stale */
    unsigned input;   /* HINT: whose inputs changed */
    bool escapee;     /* EXIT: a descendant stays behind */
    bool at_read;     /* LOOKED: read when asked, not when answered */
    uint64_t version; /* LOOKED with at_read */
    int64_t settle_us;
    struct event event;
};

/* A binary heap, the next news on top. */
struct queue {
    struct news *items; /* owned */
    size_t n, room;
    uint64_t order;
};

void queue_finish(struct queue *q);
/* queue_add - @at_us and event in @news are the caller's, the order is given here. */
void queue_add(struct queue *q, struct news news);
/* When the next news comes; TIME_NEVER: no news. */
int64_t queue_next_us(const struct queue *q);
struct news queue_take(struct queue *q);
/* queue_filter - whom @keep does not want is dropped; it may change what it keeps, but not its time. */
void queue_filter(struct queue *q, bool (*keep)(struct news *n, void *env), void *env);

#endif
