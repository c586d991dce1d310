/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_WORKER_SPANS_H
#define STINT_IO_MASTER_WORKER_SPANS_H

/* The spans that workers tell of, see stint_span(3): between master*.c alone, like master_state.h. */
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/probe/span_ring.h"

struct error;
struct hand;
struct master;

/* Of the master. */
struct worker_spans_state {
    struct stint_registry_span *room; /* owned; NULL until there is a worker with them */
    uint64_t cursor;                  /* the worker that had its turn last */
    ev_timer timer;
};

/* Of a worker's hand. */
struct worker_spans_mark {
    struct span_ring_at at;
    uint64_t last;   /* number of its last one in the store */
    uint64_t lost;   /* since people were told */
    int64_t told_us; /* when they were; 0 = never */
    int64_t due_us;  /* to be looked at then */
    bool has_ring;   /* its registry may have one */
    bool closed;     /* it is dead, and all is taken */
};

void worker_spans_init(struct master *m);
void worker_spans_finish(struct master *m);
/* The registry of a worker that is to start: with a ring, when somebody wants spans. */
int worker_spans_registry(struct hand *h, bool libstint, struct error *reterr);
void worker_spans_adopt(struct hand *h);        /* of another master's: goes on where that was */
void worker_spans_configured(struct master *m); /* workers are told what is wanted now */
void worker_spans_hand_gone(struct hand *h);    /* its registry is still there: the last ones */

#endif
