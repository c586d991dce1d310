/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LEFTOVERS_H
#define STINT_IO_LEFTOVERS_H

/*
 * Who else is there of a worker, or of a generation: by descent, and by its cgroup, which nobody can
 * leave by fork() and setsid(). For a helper; where it is for the loop, `max` is small.
 */
#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "supervisor/probe/leftover.h"

struct text;

#define LEFTOVERS_MAX  64   /* of one worker that are told */
#define LEFTOVERS_SEEN 1024 /* … that are counted */

/* All borrowed for the call. */
struct leftovers_request {
    pid_t root;         /* a process whose descendants are meant, itself not; 0 = only the cgroup */
    const char *leaf;   /* directory of the cgroup; NULL = none */
    const pid_t *known; /* workers that live: they and who descends from them are theirs */
    size_t n_known;
    bool whole; /* who descends from them, too: only they themselves are not meant */
    struct leftover_look look;
    size_t max; /* at most LEFTOVERS_MAX */
};

struct leftovers {
    struct leftover *of; /* owned */
    size_t n;
    size_t total; /* there are; at least */
};

/* leftovers_find - Return: 0 or -ENOMEM. What is gone meanwhile, or may not be seen, is left out. */
int leftovers_find(const struct leftovers_request *rq, struct leftovers *ret);
void leftovers_finish(struct leftovers *l);

/* "2 processes of it are left: 12 `sleep 100` …; 13 …", at most @most of them by name; nothing: nothing. */
void leftovers_tell(const struct leftovers *l, const struct held *held, size_t most,
                    struct text *out);
json_t *leftovers_json(const struct leftovers *l, const struct held *held); /* NULL: no memory */

#endif
