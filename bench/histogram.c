// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/histogram.h"

#include <math.h>
#include <string.h>

void
histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

/* Values below HISTOGRAM_SUB have a bucket each; above, the top 8 bits choose it. */
static unsigned
bucket_of(uint64_t us)
{
    unsigned shift;
    unsigned i;

    if (us < HISTOGRAM_SUB)
        return (unsigned)us;
    shift = (unsigned)(63 - __builtin_clzll(us)) - 7;
    i = (shift + 1) * HISTOGRAM_SUB + (unsigned)((us >> shift) - HISTOGRAM_SUB);
    return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

static int64_t
bucket_end(unsigned i)
{
    unsigned shift = i / HISTOGRAM_SUB;

    if (i == HISTOGRAM_BUCKETS - 1) /* takes all that is larger, too */
        return INT64_MAX;
    if (shift == 0)
        return i;
    shift--;
    return (((int64_t)(i % HISTOGRAM_SUB) + HISTOGRAM_SUB + 1) << shift) - 1;
}

void
histogram_add(struct histogram *h, int64_t us)
{
    if (us < 0)
        us = 0;
    h->counts[bucket_of((uint64_t)us)]++;
    h->n++;
    if (us > h->max_us)
        h->max_us = us;
}

int64_t
histogram_at(const struct histogram *h, double share)
{
    uint64_t rank = (uint64_t)ceil(share * (double)h->n);
    uint64_t seen = 0;

    if (h->n == 0)
        return 0;
    if (rank == 0)
        rank = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= rank)
            return bucket_end(i) < h->max_us ? bucket_end(i) : h->max_us;
    }
    return h->max_us;
}
