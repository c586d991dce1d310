/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_UNITS_H
#define STINT_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

/* "no deadline": later than any other, so that min() of deadlines needs no special case. */
#define TIME_NEVER INT64_MAX

/**
 * duration_parse - "250ms", "30s", "5m", "1h", "2d", "10us", "1.5s", "0" (the unit is otherwise required).
 *
 * Return: 0, -EINVAL (no number, unknown or missing unit), -ERANGE (does not fit in 63 bits of µs).
 */
int duration_parse(const char *s, int64_t *ret_us);

/* duration_format - the shortest exact form that duration_parse() reads back. Return: @buf. */
char *duration_format(int64_t us, char *buf, size_t room);

/* duration_human - for people's eyes: about three digits ("3.21 s", "12 ms"). Return: @buf. */
char *duration_human(int64_t us, char *buf, size_t room);

/* size_parse - "64KiB", "1MiB", "2GiB", "512" or "512B"; bytes. Return: 0, -EINVAL, -ERANGE. */
int size_parse(const char *s, uint64_t *ret_bytes);
char *size_format(uint64_t bytes, char *buf, size_t room);

#endif
