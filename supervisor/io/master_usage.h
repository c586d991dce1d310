/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_USAGE_H
#define STINT_IO_MASTER_USAGE_H

/* What workers have used up of their limits, see `restart_after`: between master*.c alone. */
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct hand;
struct master;
struct report_usage;
struct worker;

/* Of one worker. */
struct usage_mark {
    int64_t
        due_us; /* to be looked at then; 0: when it is seen for the first time it is told when */
    bool over;  /* the core knows that it is beyond a limit */
};

void usage_init(struct master *m);
void usage_finish(struct master *m);
/* Somebody may be there now who has limits. Without one there is no timer. */
void usage_wake(struct master *m);
/* For struct report_sources: what it has used up now. */
void usage_of_worker(void *env, const struct worker *w, struct report_usage *ret);

#endif
