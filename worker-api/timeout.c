/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "worker-api/state.h"

/* Durations as headers say them. Strict in what is read, short in what is written. */
#define DIGITS_MAX    8        /* of grpc-timeout, and of whole seconds and the like */
#define VALUE_MAX     99999999 /* … in digits */
#define FRACTION_MAX  9
#define US_PER_SECOND INT64_C(1000000)

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digits at *@at, from 1 to @max of them. False: none, or more. */
static bool
read_digits(const char **at, int max, int64_t *ret, int *ret_n)
{
    int64_t value = 0;
    int n = 0;

    for (; is_digit(**at); ++*at, n++) {
        if (n == max)
            return false;
        value = value * 10 + (**at - '0');
    }
    *ret = value;
    *ret_n = n;
    return n > 0;
}

/* ".5" behind whole seconds, in microseconds, rounded down. */
static bool
read_fraction(const char **at, int64_t *usec)
{
    int64_t value;
    int n;

    if (**at != '.')
        return true;
    ++*at;
    if (!read_digits(at, FRACTION_MAX, &value, &n))
        return false;
    for (; n < FRACTION_MAX; n++)
        value *= 10;
    *usec += value / 1000;
    return true;
}

static bool
read_grpc_unit(const char **at, int64_t *usec)
{
    switch (**at) {
    case 'H':
        *usec *= 3600 * US_PER_SECOND;
        break;
    case 'M':
        *usec *= 60 * US_PER_SECOND;
        break;
    case 'S':
        *usec *= US_PER_SECOND;
        break;
    case 'm':
        *usec *= 1000;
        break;
    case 'u':
        break;
    case 'n':
        *usec /= 1000;
        break;
    default:
        return false;
    }
    ++*at;
    return true;
}

static bool
read_unit(enum stint_timeout_unit unit, const char **at, int64_t *usec)
{
    switch (unit) {
    case STINT_TIMEOUT_GRPC:
        return read_grpc_unit(at, usec);
    case STINT_TIMEOUT_SECONDS:
        *usec *= US_PER_SECOND;
        return read_fraction(at, usec);
    case STINT_TIMEOUT_MILLISECONDS:
        *usec *= 1000;
        return true;
    case STINT_TIMEOUT_MICROSECONDS:
        return true;
    }
    return false;
}

int
stint_timeout_parse(enum stint_timeout_unit unit, const char *text, int64_t *ret_usec)
{
    int64_t usec;
    int digits;

    if (!text)
        return -EINVAL;
    text += strspn(text, " \t");
    if (!read_digits(&text, DIGITS_MAX, &usec, &digits) || !read_unit(unit, &text, &usec))
        return -EINVAL;
    text += strspn(text, " \t");
    if (*text)
        return -EINVAL;
    *ret_usec = usec;
    return 0;
}

/* The finest unit in which it fits into eight digits, so that least is lost. */
static int
write_grpc(int64_t usec, char *text, size_t size)
{
    static const struct {
        int64_t usec;
        char letter;
    } units[] = {
        {1,                    'u'},
        {1000,                 'm'},
        {US_PER_SECOND,        'S'},
        {60 * US_PER_SECOND,   'M'},
        {3600 * US_PER_SECOND, 'H'}
    };
    const size_t last = sizeof(units) / sizeof(units[0]) - 1;
    size_t i = 0;
    int64_t value;

    while (i < last && usec / units[i].usec > VALUE_MAX)
        i++;
    value = usec / units[i].usec;
    return snprintf(text, size, "%" PRId64 "%c", value > VALUE_MAX ? VALUE_MAX : value,
                    units[i].letter);
}

/* Less than a second is said in milliseconds, which a reader of seconds has to know, too: nothing would be left. */
static int
write_seconds(int64_t usec, char *text, size_t size)
{
    int64_t whole = usec / US_PER_SECOND;

    if (whole > VALUE_MAX)
        whole = VALUE_MAX;
    if (whole > 0)
        return snprintf(text, size, "%" PRId64, whole);
    return snprintf(text, size, "0.%03" PRId64, usec / 1000);
}

static int
write_count(int64_t count, char *text, size_t size)
{
    return snprintf(text, size, "%" PRId64, count > VALUE_MAX ? VALUE_MAX : count);
}

/* The shortest time that the unit can say. */
static int64_t
least_of(enum stint_timeout_unit unit)
{
    return unit == STINT_TIMEOUT_SECONDS || unit == STINT_TIMEOUT_MILLISECONDS ? 1000 : 1;
}

int
stint_timeout_format(enum stint_timeout_unit unit, int64_t usec, char *text, size_t size)
{
    int n = -1;

    if (usec < least_of(unit))
        return -ETIMEDOUT;
    switch (unit) {
    case STINT_TIMEOUT_GRPC:
        n = write_grpc(usec, text, size);
        break;
    case STINT_TIMEOUT_SECONDS:
        n = write_seconds(usec, text, size);
        break;
    case STINT_TIMEOUT_MILLISECONDS:
        n = write_count(usec / 1000, text, size);
        break;
    case STINT_TIMEOUT_MICROSECONDS:
        n = write_count(usec, text, size);
        break;
    }
    if (n < 0)
        return -EINVAL;
    return (size_t)n < size ? n : -ENOSPC;
}
