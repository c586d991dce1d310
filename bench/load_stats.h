/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_LOAD_STATS_H
#define STINT_BENCH_LOAD_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "bench/histogram.h"
#include "bench/load_http.h"

/*
 * The accounts of a load run. Every request ends in exactly one entry: an answer or a failure of one
 * kind. Latency runs from the scheduled time to the last byte, and is recorded for answers only.
 */
enum load_failure {
    LOAD_REFUSED,        /* nobody listens */
    LOAD_CONNECT,        /* connecting failed otherwise */
    LOAD_RESET,          /* reset on a fresh connection, or in the middle of an answer */
    LOAD_EOF_FRESH,      /* a fresh connection closed before any byte of the answer */
    LOAD_LOST_ON_REUSED, /* a reused connection closed or reset before any byte of the answer */
    LOAD_SHORT,          /* closed in the middle of an answer */
    LOAD_WRONG,      /* not HTTP, not 200, not the expected body, or more bytes than announced */
    LOAD_TIMEOUT,    /* sent, not answered in time */
    LOAD_QUEUED_OUT, /* no connection came free in time: never sent */
    LOAD_FAILURE_COUNT
};

const char *load_failure_name(enum load_failure kind);

#define LOAD_WINDOW_US     INT64_C(1000000) /* how long after a mark "during a reload" lasts */
#define LOAD_FAILURES_KEPT 64

/* Somebody said "a reload begins now". */
struct load_mark {
    int64_t at_us;
    int64_t longest_gap_us; /* among the gaps that touch the window */
    uint64_t requests;      /* ended, and touching the window */
    uint64_t failed;
};

struct load_generation {
    char name[HTTP_MARK_MAX];
    int64_t first_us, last_us; /* when its first and its latest answer were complete */
    uint64_t answers;
};

struct load_failed {
    int64_t at_us, scheduled_us;
    enum load_failure kind;
};

struct load_stats {
    uint64_t requests; /* ended: answers + all failures */
    uint64_t answers;
    uint64_t failed[LOAD_FAILURE_COUNT];
    uint64_t connects;    /* connections opened */
    uint64_t idle_closed; /* ended or spoilt by the server with no request on them: no failure */
    struct histogram all, steady, reload; /* reload: the request touches a mark's window */
    int64_t begun_us, ended_us;           /* ended_us: 0 while it runs */
    int64_t last_answer_us;               /* begun_us before the first */
    int64_t longest_gap_us, longest_gap_at_us;
    struct load_mark *marks; /* owned; in order of time */
    size_t n_marks;
    struct load_generation *generations; /* owned; in order of first sight */
    size_t n_generations;
    struct load_failed kept[LOAD_FAILURES_KEPT]; /* the first failures, one by one */
    size_t n_kept;
};

/* load_stats_create - accounts of a run that begins at @now_us. Return: owned; NULL: no memory. */
struct load_stats *load_stats_create(int64_t now_us);
void load_stats_destroy(struct load_stats *s);

/* load_stats_answer - a right answer. @generation may be "". Return: 0 or -ENOMEM. */
int load_stats_answer(struct load_stats *s, int64_t scheduled_us, int64_t now_us,
                      const char *generation);

void load_stats_failure(struct load_stats *s, enum load_failure kind, int64_t scheduled_us,
                        int64_t now_us);

/* load_stats_mark - a reload begins now. Return: 0 or -ENOMEM. */
int load_stats_mark(struct load_stats *s, int64_t now_us);

/* load_stats_end - no request was scheduled after @stopped_us. Call once, when all have ended. */
void load_stats_end(struct load_stats *s, int64_t stopped_us);

uint64_t load_stats_failed(const struct load_stats *s);

#endif
