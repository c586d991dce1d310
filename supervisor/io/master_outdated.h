/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_OUTDATED_H
#define STINT_IO_MASTER_OUTDATED_H

/* Workers that run libraries of before an upgrade: between master*.c alone. */
#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct master;
struct outdated_look;
struct service;
struct worker;

#define OUTDATED_TAG (UINT32_MAX - 1) /* for the watch: no service has that id */

/* Of the master. */
struct outdated_state {
    struct outdated_look *look; /* owned; NULL = none */
    ev_timer settles;
    int64_t at_us, took_us; /* when the last one began, and how long it took */
    bool stale;             /* … and something may have been replaced since */
};

/* Of one worker: the code it runs, as it was seen last. */
struct outdated_mark {
    char *files;   /* owned; those that are not on disk any more, a line each; NULL = none */
    int64_t at_us; /* 0: never looked at */
    int error;     /* negative errno: not known */
    unsigned n;
    bool asked; /* an answer is awaited */
    bool told;  /* people know, of this or another of its generation */
};

void outdated_begin(struct master *m);
void outdated_finish(struct master *m);
void outdated_hint(struct master *m); /* libraries may have been replaced */
/* Look at the workers' libraries, unless that is known. Return: operator_looked() will be called. */
bool outdated_look(struct master *m);
/* For struct report_sources. */
json_t *outdated_of_worker(void *env, const struct worker *w);
json_t *outdated_of_service(void *env, const struct service *s);

#endif
