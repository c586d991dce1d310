/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

#include <time.h>

static int64_t
now_us(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
mono_now_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t
wall_now_us(void)
{
    return now_us(CLOCK_REALTIME);
}
