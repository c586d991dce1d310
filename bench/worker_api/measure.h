/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

/* What the C and C++ programs of bench/worker_api share: one line "ROW VALUE" for each row. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline double
measure_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* MEASURE - nanoseconds of one @work, of @times of them in a row. */
#define MEASURE(row, times, work)                                                     \
    do {                                                                              \
        double begin_ns_ = measure_now_ns();                                          \
        for (long i_ = 0; i_ < (times); i_++) {                                       \
            work;                                                                     \
        }                                                                             \
        printf("%s %.3f\n", (row), (measure_now_ns() - begin_ns_) / (double)(times)); \
    } while (0)

#endif
