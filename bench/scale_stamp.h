/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_SCALE_STAMP_H
#define STINT_BENCH_SCALE_STAMP_H

#include <stdint.h>

/* What a worker writes to the FIFO in its first line: whole, since it is far below PIPE_BUF. */
struct scale_stamp {
    int64_t at_ns; /* CLOCK_MONOTONIC */
    int32_t pid;   /* as its own namespace numbers it */
    int32_t unused;
};

#endif
