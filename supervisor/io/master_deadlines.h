/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_DEADLINES_H
#define STINT_IO_MASTER_DEADLINES_H

/* Who works on past a deadline, see `deadlines`: between master*.c alone, like master_state.h. */
#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "supervisor/io/metrics.h"
#include "supervisor/probe/overruns.h"

struct hand;
struct master;
struct service;

#define DEADLINES_TOLD 16 /* live ones of a worker that are remembered as told */

/* Of the master. */
struct deadlines_state {
    struct list books; /* struct overrun_book.node, in master_deadlines_book.c */
    struct registry_copy copy;
    ev_timer timer;
};

/* Of a worker's hand. */
struct deadlines_mark {
    int64_t due_us;  /* to be looked at then; 0: it was not seen yet */
    int64_t seen_us; /* what ended up to then was told; 0: up to the beginning of this master */
    uint64_t total;
    struct {
        pid_t tid;
        int64_t since_us;
    } told[DEADLINES_TOLD]; /* who was at work past which deadline; in turn */
    unsigned next_told;
    bool closed; /* it is in the ledger */
};

struct overrun_kind {
    char thread[48], creator[160]; /* "" = a free place */
};

/* How much was said of a service, and whose overruns metrics name. Not kept over masters. */
struct overrun_book {
    struct list node;
    char service[65];
    struct overrun_kind kinds[METRICS_KINDS];
    int64_t window_us; /* when lines about it began to be counted … */
    unsigned lines, left_out;
};

void deadlines_init(struct master *m);
void deadlines_finish(struct master *m); /* when all hands are gone */
/* Somebody may be there now who has deadlines. Without one there is no timer. */
void deadlines_wake(struct master *m);
void deadlines_hand_gone(struct hand *h); /* its registry is still there */

/* For report_sources; @env is the master. NULL: nothing is configured, and nothing was seen. */
json_t *deadlines_of_service(void *env, const struct service *s);

/* deadlines_sum - what has ended past its deadline, into @sum, which is empty; and how many are at it now. */
void deadlines_sum(struct master *m, const struct service *s, struct overruns *sum,
                   unsigned *ret_live);
/* deadlines_edges - `edges` of the above, with what was seen of them; new. */
json_t *deadlines_edges(const struct master *m, const struct service *s,
                        const struct overruns *seen);

/* deadlines_add - give each service of a stint.leaks/1 its `overruns`, where it has any. Takes and returns @leaks. */
json_t *deadlines_add(struct master *m, const char *service, json_t *leaks);

/* master_deadlines_book.c */
struct overrun_book *deadlines_book(struct master *m, const char *service); /* NULL: no memory */
struct overrun_book *deadlines_book_find(struct master *m,
                                         const char *service); /* NULL: nothing was seen */
void deadlines_forget(struct master *m, const char *service);  /* it is not configured any more */
void deadlines_books_finish(struct master *m);

/* master_deadlines_tell.c */
void deadlines_tell(struct hand *h, const struct overruns *o);

#endif
