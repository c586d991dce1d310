/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_METRICS_H
#define STINT_IO_METRICS_H

/*
 * Metrics as text: what is known at one moment, as plain numbers, and two ways to write it down:
 * OpenMetrics 1.0, and the older text format of Prometheus (0.0.4), which node_exporter's textfile
 * collector reads. Pure: whoever gathers them (master_metrics.c) knows where they come from. What
 * each is called, and means, is in metrics_families.c and docs/metrics.md.
 *
 * Times are microseconds; those that end in _wall_us since the epoch.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/core/model.h"
#include "supervisor/export/queue.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/lint.h"

struct text;

#define METRICS_KINDS 8 /* of threads with overruns, of a service: labels; all others are one */
#define METRICS_EDGES 32

/* Overruns of one kind of thread. */
struct metrics_kind {
    char thread[48], creator[160];
    uint64_t count;
    char trace_id[33]; /* of the last one; "" = not known, and then it is no example */
    int64_t over_us, last_wall_us;
};

/* Who calls it, and whether one of the two waits in vain. */
struct metrics_edge {
    char caller[48];
    uint64_t fault;
};

struct metrics_service {
    char name[65];
    bool has_reload, has_log, has_lint, has_deadlines, has_book, has_resources;
    int64_t created_wall_us; /* it was added then */
    uint64_t state[SERVICE_STATE_COUNT], processes[WORKER_STATE_COUNT],
        generations[GENERATION_STATE_COUNT];
    uint64_t wanted, workers_wanted, workers_ready, generation;
    uint64_t respawns;
    uint64_t verdicts[OUTCOME_COUNT], certificates[CERTIFIED_COUNT], unclean;
    uint64_t reloads; /* all verdicts */
    int64_t reload_us;
    uint64_t spawns, exits, overdue, kills, abandoned, escapees, thread_leaks, aborted;
    uint64_t reloading, rejected, last_good;
    int64_t last_wall_us, last_duration_us;
    uint64_t leaked[LEDGER_LEAKS], rising, retained; /* threads, kinds of threads, processes */
    uint64_t overruns, overruns_live;
    struct metrics_kind *kinds; /* owned; METRICS_KINDS at most, and "other" */
    size_t n_kinds;
    struct metrics_edge *edges; /* owned; METRICS_EDGES at most */
    size_t n_edges;
    uint64_t log_lines, log_bytes, log_dropped_lines, log_dropped_bytes, log_waiting, log_failed;
    uint64_t lint_lines, lint_stamped, lint_explained, lint_without, lint_faults[LINT_FAULTS];
    uint64_t rss_bytes, threads;
};

/* What goes to a collector, of one signal. */
struct metrics_lane {
    uint64_t working, sent, requests, retries, waiting, waiting_bytes, dropped[EXPORT_REASONS];
    int64_t success_wall_us;
};

struct metrics {
    int64_t stint_wall_us, master_wall_us; /* when they began */
    uint64_t up, masters, stopping, config_valid, n_services;
    uint64_t loop_stalls, steps, lost_effects, strangers, relistens, watches, watch_overflows,
        spans_dropped;
    int64_t longest_turn_us, cpu_us;
    uint64_t rss_bytes, fds, max_fds, kept, not_kept;
    uint64_t log_lines, log_dropped, log_broken, events, output_lines;
    struct metrics_lane lanes[OTLP_SIGNALS];
    size_t n_lanes;                   /* 0: nothing is exported */
    struct metrics_service *services; /* owned; all of n_services */
};

void metrics_finish(struct metrics *m);

enum metrics_format { METRICS_OPENMETRICS, METRICS_PROMETHEUS };
const char *metrics_type(enum metrics_format format); /* the media type */

/* Where it goes on; begins with zeroes. */
struct metrics_cursor {
    size_t family, item;
    bool told, ended;
};

/**
 * metrics_render - append the next part of the text.
 * @most: bytes after which no further line is begun
 *
 * Return: false: that was the end.
 */
bool metrics_render(const struct metrics *m, enum metrics_format format, struct metrics_cursor *at,
                    struct text *out, size_t most);

/* ---- between metrics*.c ------------------------------------------------------------------- */

enum family_type { FAMILY_GAUGE, FAMILY_COUNTER, FAMILY_INFO, FAMILY_SUMMARY };
enum family_scope { OF_STINT, OF_SERVICE, OF_LANE };
enum family_began { BEGAN_NOT_TOLD, BEGAN_STINT, BEGAN_MASTER, BEGAN_SERVICE };
enum family_rows { ROWS_PLAIN, ROWS_VERSION, ROWS_KINDS, ROWS_EDGES };

struct family {
    const char *name; /* of the family: without _total, _info */
    const char *help;
    size_t at;                          /* of the value in what the scope is; of the first of `n` */
    size_t count;                       /* SUMMARY: of the number of things; `at` is their sum */
    size_t has;                         /* of a bool: false: it does not apply; 0: it always does */
    const char *label;                  /* n > 0: one for each of them … */
    const char *(*name_of)(unsigned i); /* … called so; NULL: this one is left out */
    unsigned n;
    enum family_type type;
    enum family_scope scope;
    enum family_rows rows;   /* what is not as in the table */
    enum family_began began; /* a counter: since when it counts */
    bool micros;             /* the value is microseconds, shown as seconds */
};
extern const struct family metrics_families[];
extern const size_t metrics_n_families;

#endif
