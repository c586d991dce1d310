/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SPANS_H
#define STINT_IO_SPANS_H

/*
 * Finished spans: each reload is a trace, its phases are the spans of it, and workers that link libstint tell of
 * theirs. Two rings of bounded size, so that busy workers do not push reloads out, with one count over both. Readers
 * take with a cursor of their own; the one that sends them elsewhere says how far it is, and what it was too slow
 * for is counted. The newest are there for whoever looks. The supervisor's own are in memory that outlives it
 * (spans_memory.h): numbers go on, and none is there twice when the step that it ended in is made again. Those of
 * workers begin with each master, at the first that was not taken (master_worker_spans.c).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"

#define SPANS_MAX           1024 /* of the supervisor … */
#define SPANS_WORKER_MAX    8192 /* … and of workers, that are kept */

#define SPAN_ATTRIBUTES_MAX 192 /* bytes of all of one span, with their NULs */

struct text;

enum span_kind { /* by OTLP's numbers */
                 SPAN_UNSPECIFIED = 0,
                 SPAN_INTERNAL = 1,
                 SPAN_SERVER = 2, /* a request that came in */
                 SPAN_CLIENT = 3, /* a call that went out */
                 SPAN_PRODUCER = 4,
                 SPAN_CONSUMER = 5
};

/* What is marked with * only one of a worker's own has, told by its libstint. */
struct span {
    uint64_t seq;                /* from 1; given by spans_put() */
    uint64_t id, parent;         /* 0 = none */
    uint64_t generation, reload; /* 0 = none */
    int64_t start_ns, end_ns;    /* CLOCK_REALTIME, for people and collectors */
    int64_t deadline_ns;         /* * CLOCK_REALTIME; 0 = none */
    const char *of;      /* * a literal: what has ended, "thread", "task" …; NULL = not known */
    const char *cause;   /* * a literal: what its work was cancelled for; NULL = it was not */
    enum span_kind kind; /* * */
    unsigned slot;
    pid_t pid, tid; /* 0 = none; * the thread that ended it */
    bool has_slot;
    bool failed; /* its status is "error"; `text` says why, or what came of it */
    bool of_worker;
    char trace[33];
    char name[65]; /* "check", "drain" …; of a worker whatever it says */
    char service[65];
    char text[160];
    char thread[41], creator[41], scope[41]; /* * names; "" = none */
    char attributes[SPAN_ATTRIBUTES_MAX];    /* * key, NUL, value, NUL … and an empty key */
};

/* span_attribute - of `attributes`, one after the other: @at begins with 0. False: that was all; else both are borrowed. */
bool span_attribute(const struct span *span, size_t *at, const char **key, const char **value);

struct spans;

struct error;

struct spans *spans_create(void); /* NULL: no memory */
/* spans_fd - the memory of its own ones, to be kept by somebody who lives longer. Borrowed; -1: there is none. */
int spans_fd(const struct spans *s);
/* spans_adopt - that of the master before, while there are none yet. @fd: taken over in any case. 0 or negative errno. */
int spans_adopt(struct spans *s, int fd, struct error *reterr);
bool spans_go_on(const struct spans *s); /* the numbers are those of the master before */
/* spans_settle - the step is written down: what was put until now is not put again. */
void spans_settle(struct spans *s);
void spans_destroy(struct spans *s);
void spans_put(struct spans *s, const struct span *span); /* copies; never fails: the oldest goes */

/* spans_hold - one that has begun and ends later: found by service and generation until it is released, which is
 * after it was put. Of more than SPANS_HELD the oldest is forgotten. */
#define SPANS_HELD 64
void spans_hold(struct spans *s, const struct span *span);
const struct span *spans_held(const struct spans *s, const char *service,
                              uint64_t generation); /* borrowed; or NULL */
void spans_release(struct spans *s, const char *service, uint64_t generation);

/* spans_next - the first kept one above @after; borrowed until the next put. @ret_lost: so many between are gone;
 * without another one, so many behind @after. */
const struct span *spans_next(const struct spans *s, uint64_t after, uint64_t *ret_lost);
uint64_t spans_last(const struct spans *s);

/* spans_taken - whoever sends them has those up to @seq. Until somebody says so none is missed. */
void spans_taken(struct spans *s, uint64_t seq);
uint64_t spans_sent(const struct spans *s);    /* that number; 0 = nobody ever said so */
uint64_t spans_dropped(const struct spans *s); /* that he did not get, and those … */
void spans_lost(struct spans *s, uint64_t n); /* … that were overwritten in a worker's own ring */

/* Somebody who follows. woken() may not put spans. */
struct spans_watch {
    struct list node;
    void (*woken)(struct spans_watch *w);
};
void spans_watch_add(struct spans *s, struct spans_watch *w);
void spans_watch_remove(struct spans_watch *w); /* harmless when it is not there */

/* span_id - the same for the same phase of the same trace, in any master. Never 0. */
uint64_t span_id(const char *trace, unsigned what, uint64_t id, unsigned phase, int64_t at_us);

/* span_json - one object, no newline: the keys of an event, and span, parent, name, start, duration_us, status;
 * of a worker's also kind, thread, creator … and attributes. */
void span_json(const struct span *span, struct text *out);

#endif
