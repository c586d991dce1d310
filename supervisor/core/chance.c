/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* xorshift128+: for jitter and trace ids, not for secrets. The state is never all zero (core_create). */
uint64_t
chance(struct core *c)
{
    uint64_t a = c->entropy[0], b = c->entropy[1];

    c->entropy[0] = b;
    a ^= a << 23;
    c->entropy[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
    return c->entropy[1] + b;
}

void
chance_trace(struct core *c, char trace[33])
{
    uint64_t high = chance(c), low = chance(c);

    if (high == 0 && low == 0) /* W3C trace context: all zero is no id */
        low = 1;
    (void)snprintf(trace, 33, "%016" PRIx64 "%016" PRIx64, high, low);
}

/*
 * The first failure after a healthy time is answered at once; then first, 2 × first, 4 × … up to
 * max. Up to a quarter is taken off by chance, so that slots that failed together do not return together.
 */
int64_t
backoff_us(struct core *c, const struct service_spec *spec, unsigned failures)
{
    int64_t delay = spec->backoff_first_us;

    if (failures <= 1)
        return 0;
    for (unsigned i = 2; i < failures && delay < spec->backoff_max_us; i++)
        delay *= 2;
    if (delay > spec->backoff_max_us)
        delay = spec->backoff_max_us;
    return delay - (int64_t)(chance(c) % (uint64_t)(delay / 4 + 1));
}
