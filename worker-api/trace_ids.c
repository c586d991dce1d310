/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/state.h"

/*
 * Ids are a counter, mixed with a secret: two in one process are never the same, and no lock is needed.
 * The secret lies in the page that the kernel wipes in a child, whoever forked: there it is drawn anew. So it is
 * by the fork handlers, for kernels that do not wipe.
 */
struct luck {
    uint64_t secret[2]; /* atomic; 0 = not drawn yet */
    uint64_t count;     /* atomic */
};

static struct luck fallback; /* before stint_init(), and on kernels that do not wipe */

static struct luck *
luck(void)
{
    return stn.wiped ? (struct luck *)stn.wiped : &fallback;
}

static uint64_t
draw(void)
{
    struct timespec now = {0};
    uint64_t word = 0;

    if (getrandom(&word, sizeof(word), GRND_NONBLOCK) == (ssize_t)sizeof(word))
        return word | 1;
    (void)clock_gettime(CLOCK_REALTIME,
                        &now); /* a machine that has only just started, or no such call */
    word = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    return (word ^ (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)&now) | 1;
}

static uint64_t
secret(uint64_t *place)
{
    uint64_t word = __atomic_load_n(place, __ATOMIC_RELAXED), drawn;

    if (word != 0)
        return word;
    drawn = draw();
    if (__atomic_compare_exchange_n(place, &word, drawn, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return drawn;
    return word; /* another thread was first */
}

static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t
next(void)
{
    struct luck *l = luck();
    uint64_t first = secret(&l->secret[0]), second = secret(&l->secret[1]);
    uint64_t n = __atomic_fetch_add(&l->count, 1, __ATOMIC_RELAXED);

    return mix(mix(n * UINT64_C(0x9e3779b97f4a7c15) + first) ^ second);
}

void
stn_id_make(uint8_t *id, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t word = next();

        while (word == 0)
            word = next();
        memcpy(id + at, &word, sizeof(word));
    }
}

void
stn_ids_forget(void)
{
    struct luck *l = luck();

    l->secret[0] = l->secret[1] = 0;
}
