/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker-api/state.h"

/*
 * `deadlines:` of the configuration, as the supervisor hands it over in $STINT_DEADLINES: words with
 * blanks between them, durations in microseconds, as in
 *
 *     default=5000000 max=30000000 reserve=5000 tolerance=100000 header=x-request-timeout:s
 *
 * A word that is not understood is of a newer supervisor, and skipped.
 */
#define HEADERS_MAX 16

static struct stint_deadline_header headers[HEADERS_MAX] = {
    {"grpc-timeout", STINT_TIMEOUT_GRPC}
};
static char names[HEADERS_MAX][64];
static struct stint_deadline_policy policy = {.default_us = STINT_NEVER,
                                              .max_us = STINT_NEVER,
                                              .reserve_us = 5000,
                                              .tolerance_us = 100000,
                                              .headers = headers,
                                              .n_headers = 1};

const struct stint_deadline_policy *
stint_deadline_policy(void)
{
    return &policy;
}

/* "default=5000000": false when it is another word, or no number. */
static bool
take_duration(const char *word, size_t n, const char *key, int64_t *ret)
{
    const size_t at = strlen(key);
    int64_t value = 0;

    if (n <= at || strncmp(word, key, at) != 0)
        return false;
    for (size_t i = at; i < n; i++) {
        if (word[i] < '0' || word[i] > '9' || value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (word[i] - '0');
    }
    *ret = value;
    return true;
}

static void
take_header(const char *word, size_t n)
{
    static const struct {
        const char *text;
        enum stint_timeout_unit unit;
    } units[] = {
        {"s",    STINT_TIMEOUT_SECONDS     },
        {"ms",   STINT_TIMEOUT_MILLISECONDS},
        {"us",   STINT_TIMEOUT_MICROSECONDS},
        {"grpc", STINT_TIMEOUT_GRPC        }
    };
    const char key[] = "header=", *unit = memchr(word, ':', n);
    const size_t at = sizeof(key) - 1;
    size_t length;

    if (n <= at || strncmp(word, key, at) != 0 || !unit || policy.n_headers == HEADERS_MAX)
        return;
    length = (size_t)(unit - word) - at;
    if (length == 0 || length >= sizeof(names[0]))
        return;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        const size_t m = strlen(units[i].text);

        if ((size_t)(word + n - unit) - 1 != m || strncmp(unit + 1, units[i].text, m) != 0)
            continue;
        memcpy(names[policy.n_headers], word + at, length);
        headers[policy.n_headers] =
            (struct stint_deadline_header){names[policy.n_headers], units[i].unit};
        policy.n_headers++;
    }
}

void
stn_deadlines_read(const char *text)
{
    for (const char *word = text; word && *word; word += strspn(word, " ")) {
        const size_t n = strcspn(word, " ");

        if (!take_duration(word, n, "default=", &policy.default_us) &&
            !take_duration(word, n, "max=", &policy.max_us) &&
            !take_duration(word, n, "reserve=", &policy.reserve_us) &&
            !take_duration(word, n, "tolerance=", &policy.tolerance_us))
            take_header(word, n);
        word += n;
    }
}
