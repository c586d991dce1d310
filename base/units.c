/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct unit {
    const char *name;
    uint64_t scale;
};

/* Largest first: the formatters take the first that divides exactly. */
static const struct unit durations[] = {
    {"d",  UINT64_C(86400000000)},
    {"h",  UINT64_C(3600000000) },
    {"m",  UINT64_C(60000000)   },
    {"s",  UINT64_C(1000000)    },
    {"ms", UINT64_C(1000)       },
    {"us", UINT64_C(1)          },
};

static const struct unit sizes[] = {
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B",   UINT64_C(1)      },
};

/* digits [. digits] unit, in exact integer arithmetic: 0.1s is 100000 µs, not nearly so. */
static int
quantity_parse(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
    uint64_t whole = 0, fraction = 0, scale = 1, sum;
    const char *p = s;

    if (*p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
            return -ERANGE;
    if (*p == '.') {
        p++;
        if (*p < '0' || *p > '9')
            return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++)
            if (scale < UINT64_C(1000000000)) { /* more digits than that change nothing */
                fraction = fraction * 10 + (uint64_t)(*p - '0');
                scale *= 10;
            }
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p, units[i].name) != 0)
            continue;
        /* 0.999999999d: the product needs more than 64 bits, the quotient does not. */
        unsigned __int128 part = (unsigned __int128)fraction * units[i].scale / scale;

        if (__builtin_mul_overflow(whole, units[i].scale, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)part, &sum) || sum > INT64_MAX)
            return -ERANGE;
        *ret = sum;
        return 0;
    }
    return -EINVAL;
}

static char *
quantity_format(uint64_t value, const struct unit *units, size_t n, char *buf, size_t room)
{
    size_t i = 0;

    while (i + 1 < n && value % units[i].scale != 0)
        i++;
    (void)snprintf(buf, room, "%" PRIu64 "%s", value / units[i].scale, units[i].name);
    return buf;
}

int
duration_parse(const char *s, int64_t *ret_us)
{
    uint64_t us;
    int r =
        strcmp(s, "0") == 0 ? (us = 0, 0) : quantity_parse(s, durations, ARRAY_LEN(durations), &us);

    if (r == 0)
        *ret_us = (int64_t)us;
    return r;
}

char *
duration_format(int64_t us, char *buf, size_t room)
{
    if (us == 0)
        (void)snprintf(buf, room, "0");
    else
        (void)quantity_format((uint64_t)us, durations, ARRAY_LEN(durations), buf, room);
    return buf;
}

char *
duration_human(int64_t us, char *buf, size_t room)
{
    double s = (double)us / (double)US_PER_S;

    if (us < US_PER_MS)
        (void)snprintf(buf, room, "%" PRId64 " µs", us);
    else if (us < US_PER_S)
        (void)snprintf(buf, room, "%.*f ms", us < 100 * US_PER_MS, (double)us / (double)US_PER_MS);
    else if (us < 120 * US_PER_S)
        (void)snprintf(buf, room, "%.*f s", us < 10 * US_PER_S ? 2 : 1, s);
    else if (us < 7200 * US_PER_S)
        (void)snprintf(buf, room, "%.0f min", s / 60);
    else if (us < 172800 * US_PER_S)
        (void)snprintf(buf, room, "%.1f h", s / 3600);
    else
        (void)snprintf(buf, room, "%.1f d", s / 86400);
    return buf;
}

int
size_parse(const char *s, uint64_t *ret_bytes)
{
    char with_unit[32];
    int n;

    if (s[0] == '\0' || s[strspn(s, "0123456789")] != '\0')
        return quantity_parse(s, sizes, ARRAY_LEN(sizes), ret_bytes);
    n = snprintf(with_unit, sizeof(with_unit), "%sB", s);
    if (n < 0 || (size_t)n >= sizeof(with_unit))
        return -ERANGE;
    return quantity_parse(with_unit, sizes, ARRAY_LEN(sizes), ret_bytes);
}

char *
size_format(uint64_t bytes, char *buf, size_t room)
{
    if (bytes == 0)
        (void)snprintf(buf, room, "0B");
    else
        (void)quantity_format(bytes, sizes, ARRAY_LEN(sizes), buf, room);
    return buf;
}
