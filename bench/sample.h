/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_SAMPLE_H
#define STINT_BENCH_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load_stats.h"
#include "bench/rival.h"

/* One way to press on a server; the arguments of stint-load. */
struct load_kind {
    const char *name;        /* "A" */
    const char *description; /* for the table's title */
    const char *arguments[12];
    bool heavy; /* only for servers that can answer it on a part of this machine */
};

extern const struct load_kind load_kinds[];
extern const unsigned n_load_kinds;

struct latency {
    double p50_ms, p99_ms, p999_ms;
};

/* What one bout came to. */
struct sample {
    uint64_t requests, failed;
    uint64_t failed_by_kind[LOAD_FAILURE_COUNT];
    unsigned reloads;
    unsigned missed;     /* reloads after which no new generation answered before the next one */
    double gap_ms;       /* the longest time without an answer */
    double first_ms;     /* command -> first answer of the new generation; the bout's median */
    double first_max_ms; /* and the longest of the bout */
    struct latency steady, reload;
};

struct measure_options {
    const struct load_kind *load; /* borrowed */
    unsigned reloads;             /* per bout */
    int64_t interval_us;          /* from command to command */
    int64_t warmup_us;            /* of load, before the first command */
    const char *json;             /* borrowed; where the load client's accounts stay */
};

/**
 * measure - one bout of @rival: start, press, hand over again and again, stop.
 *
 * Return: 0 or negative errno with the sentence in @reterr (it includes the tail of what the
 * server said).
 */
int measure(const struct arena *arena, const struct rival *rival, const struct measure_options *o,
            struct sample *ret, struct error *reterr);

/* sample_read - the accounts in @json and the times of the commands into @ret. */
int sample_read(const char *json, const int64_t *commanded_us, unsigned n, struct sample *ret,
                struct error *reterr);

/* median_of - sorts @values. Return: 0 when @n is 0. */
double median_of(double *values, unsigned n);

#endif
