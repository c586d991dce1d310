/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_HISTOGRAM_H
#define STINT_BENCH_HISTOGRAM_H

#include <stdint.h>

/*
 * Times in µs, counted in buckets whose width is at most 1/128 of their value: fixed memory, no
 * sampling, percentiles off by less than one per cent. The largest value is kept exactly.
 */
#define HISTOGRAM_SUB     128 /* buckets per power of two */
#define HISTOGRAM_BUCKETS (HISTOGRAM_SUB * 34)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t n;
    int64_t max_us; /* 0 while n == 0 */
};

void histogram_clear(struct histogram *h);

/* histogram_add - count one value; below 0 counts as 0. */
void histogram_add(struct histogram *h, int64_t us);

/**
 * histogram_at - the value below or at which @share of all values lie.
 * @share: 0.0 to 1.0; 0.99 is the 99th percentile
 *
 * Return: µs, the upper end of its bucket and never more than max_us; 0 when empty.
 */
int64_t histogram_at(const struct histogram *h, double share);

#endif
