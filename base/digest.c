/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

static struct digest
from_xxh(XXH128_hash_t h)
{
    return (struct digest){h.high64, h.low64};
}

struct digest
digest_of(const void *data, size_t bytes)
{
    return from_xxh(XXH3_128bits(data, bytes));
}

struct digest
digest_mix(struct digest sum, struct digest next)
{
    struct digest both[2] = {sum, next};

    return digest_of(both, sizeof(both));
}

bool
digest_equal(struct digest a, struct digest b)
{
    return a.high == b.high && a.low == b.low;
}

bool
digest_none(struct digest d)
{
    return d.high == 0 && d.low == 0;
}

char *
digest_format(struct digest d, char buf[DIGEST_TEXT])
{
    (void)snprintf(buf, DIGEST_TEXT, "%016" PRIx64 "%016" PRIx64, d.high, d.low);
    return buf;
}

struct digest_stream *
digest_stream_create(void)
{
    XXH3_state_t *state = XXH3_createState();

    if (state)
        (void)XXH3_128bits_reset(state); /* cannot fail on a valid state */
    return (struct digest_stream *)(void *)state;
}

void
digest_stream_update(struct digest_stream *s, const void *data, size_t bytes)
{
    (void)XXH3_128bits_update((XXH3_state_t *)(void *)s, data, bytes); /* fails on NULL data only */
}

struct digest
digest_stream_finish(struct digest_stream *s)
{
    XXH3_state_t *state = (XXH3_state_t *)(void *)s;
    struct digest d = from_xxh(XXH3_128bits_digest(state));

    (void)XXH3_freeState(state);
    return d;
}
