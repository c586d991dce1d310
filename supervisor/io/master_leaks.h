/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_LEAKS_H
#define STINT_IO_MASTER_LEAKS_H

/* Who looks at the threads of workers, and for whom: between master*.c alone, like master_state.h. */
#include <stdbool.h>
#include <stdint.h>

struct effect;
struct hand;
struct master;
struct probing;
struct probing_look;
struct probing_request;
struct worker;

/* Of the master. */
struct leaks_state {
    struct probing *probing; /* owned; NULL: no memory, then nobody is looked at */
};

/* Of a worker's hand: looks under way. */
struct leaks_mark {
    struct probing_look *evidence;   /* for FX_EVIDENCE; NULL = none */
    struct probing_look *inspection; /* for FX_INSPECT; NULL = none */
};

void leaks_begin(struct master *m);  /* when there is a loop */
void leaks_finish(struct master *m); /* when all hands are gone */

void leaks_evidence(struct master *m, const struct effect *e); /* answers EVIDENCE */
void leaks_inspect(struct master *m, const struct effect *e);  /* answers INSPECTED */
void leaks_hand_gone(struct hand *h); /* before it is reaped; whoever asked about it hears so */

/* As operator_options.threads; @env is the master. */
void leaks_threads(void *env, const struct worker *w, const struct probing_request *want,
                   struct probing_look **ret);

#endif
