/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "worker-api/heap/heap.h"

/*
 * The blocks that were sampled and are in use, by their address. A block in use is one of some
 * thousands (a heap of 10 GB has 20,000 at a mean of 512 KiB), so nearly every free() is done with a
 * look at the filter: how many of the sampled have that hash, 255 at most and then for ever.
 */
#define BLOCKS (1U << 16)
#define FULL   (BLOCKS / 4 * 3)

static struct block {
    const void *at; /* NULL = empty */
    struct heap_sample sample;
} blocks[BLOCKS]; /* lock; pages that are not touched are not there */

static uint32_t n_blocks; /* lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint8_t heap_filter[1U << 16];

static void
filter(const void *block, int by)
{
    uint8_t *at = &heap_filter[heap_hash(block) >> 16];

    if (*at != UINT8_MAX)
        __atomic_store_n(at, (uint8_t)(*at + by), __ATOMIC_RELAXED);
}

void
heap_filter_for_ever(const void *block)
{
    heap_filter[heap_hash(block) >> 16] = UINT8_MAX;
}

bool
heap_live_add(const void *block, const struct heap_sample *sample)
{
    uint32_t i = heap_hash(block) % BLOCKS;
    bool room;

    (void)pthread_mutex_lock(&lock);
    room = n_blocks < FULL;
    if (room) {
        while (blocks[i].at)
            i = (i + 1) % BLOCKS;
        blocks[i] = (struct block){block, *sample};
        n_blocks++;
        filter(block, 1);
    }
    (void)pthread_mutex_unlock(&lock);
    return room;
}

/* close_gap - no search may end at @i that ended behind it before: who is there for want of room moves up. */
static void
close_gap(uint32_t i)
{
    for (uint32_t k = (i + 1) % BLOCKS; blocks[k].at; k = (k + 1) % BLOCKS) {
        uint32_t home = heap_hash(blocks[k].at) % BLOCKS;

        if ((k - home) % BLOCKS >= (k - i) % BLOCKS) {
            blocks[i] = blocks[k];
            i = k;
        }
    }
    blocks[i].at = NULL;
}

bool
heap_live_take(const void *block, struct heap_sample *ret)
{
    uint32_t i = heap_hash(block) % BLOCKS;
    bool found = false;

    (void)pthread_mutex_lock(&lock);
    while (blocks[i].at && blocks[i].at != block)
        i = (i + 1) % BLOCKS;
    if (blocks[i].at) {
        found = true;
        *ret = blocks[i].sample;
        close_gap(i);
        n_blocks--;
        filter(block, -1);
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

void
heap_live_lock(void)
{
    (void)pthread_mutex_lock(&lock);
}

void
heap_live_unlock(void)
{
    (void)pthread_mutex_unlock(&lock);
}
