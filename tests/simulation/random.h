/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_RANDOM_H
#define STINT_SIMULATION_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* splitmix64: one word of state, so that a seed is a whole life. */
struct random {
    uint64_t state;
};

static inline uint64_t
random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t
random_next(struct random *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(r->state);
}

/* 0 … n-1 */
static inline uint64_t
random_below(struct random *r, uint64_t n)
{
    return random_next(r) % n;
}

static inline int64_t
random_between(struct random *r, int64_t low, int64_t high)
{
    return low + (int64_t)random_below(r, (uint64_t)(high - low) + 1);
}

static inline bool
random_chance(struct random *r, unsigned percent)
{
    return random_below(r, 100) < percent;
}

#endif
