/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_CLOCK_H
#define STINT_BASE_CLOCK_H

#include <stdint.h>

/*
 * All deadlines are absolute CLOCK_MONOTONIC microseconds. Wall time is for people's eyes and for
 * comparing with file times only. supervisor/core/ may not include this header: it is told the time.
 */
int64_t mono_now_us(void);
int64_t wall_now_us(void);

#endif
