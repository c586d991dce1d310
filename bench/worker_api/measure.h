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

/* MEASURE - nanoseconds of one @work: the best of up to five runs, @times of them in all. */
#define MEASURE(row, times, work)                                       \
    do {                                                                \
        const long each_ = (times) < 5 ? (times) : (times) / 5;         \
        double best_ns_ = 0;                                            \
        for (long run_ = 0; run_ < (times) / each_; run_++) {           \
            double begin_ns_ = measure_now_ns();                        \
            for (long i_ = 0; i_ < each_; i_++) {                       \
                work;                                                   \
            }                                                           \
            begin_ns_ = (measure_now_ns() - begin_ns_) / (double)each_; \
            if (run_ == 0 || begin_ns_ < best_ns_)                      \
                best_ns_ = begin_ns_;                                   \
        }                                                               \
        printf("%s %.3f\n", (row), best_ns_);                           \
    } while (0)

#endif
