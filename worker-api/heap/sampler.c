/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <time.h>

#include "worker-api/heap/heap.h"

#define LN2 0.693147180559945309

static uint64_t
next(uint64_t *state)
{
    /* splitmix64: any state will do, and neighbours are far apart */
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t
heap_seed(void)
{
    static uint64_t threads;
    struct timespec now = {0};
    uint64_t state;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    state = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 32 ^
            __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED) * UINT64_C(0xd1342543de82ef95);
    return next(&state) | 1;
}

/* log_of - the natural logarithm of 0 < @x, by its exponent and atanh of the rest; to 1e-9. */
static double
log_of(double x)
{
    uint64_t bits;
    int exponent;
    double m, t, t2;

    memcpy(&bits, &x, sizeof(bits));
    exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(1023) << 52;
    memcpy(&m, &bits, sizeof(m)); /* 1 <= m < 2 */
    t = (m - 1) / (m + 1);
    t2 = t * t;
    return exponent * LN2 +
           2 * t *
               (1 +
                t2 * (1.0 / 3 +
                      t2 * (1.0 / 5 +
                            t2 * (1.0 / 7 +
                                  t2 * (1.0 / 9 + t2 * (1.0 / 11 + t2 * (1.0 / 13 + t2 / 15)))))));
}

int64_t
heap_distance(uint64_t *state, uint64_t mean_bytes)
{
    double unit = (double)((next(state) >> 11) + 1) / 9007199254740992.0; /* 0 < unit <= 1 */

    return (int64_t)(-log_of(unit) * (double)mean_bytes) + 1;
}

double
heap_weight(size_t bytes, uint64_t mean_bytes)
{
    double x = (double)bytes / (double)mean_bytes, y = x / 1024, power;

    if (x > 40)
        return 1;
    if (x < 1e-3) /* the difference below would cancel out */
        return 1 / (x * (1 - x / 2 + x * x / 6));
    power = 1 - y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4)));
    for (int i = 0; i < 10; i++)
        power *= power; /* exp(-x) */
    return 1 / (1 - power);
}
