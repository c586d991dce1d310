/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/model/memory.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "tests/model/calls.h"
#include "tests/model/explore.h"

#define BLOCKS_MAX 64
#define POISON     0xdb

struct block {
    char *at;
    size_t bytes;
    bool freed;
};

static char *heap;
static size_t used;
static struct block blocks[BLOCKS_MAX];
static unsigned n_blocks;

void
mc_heap_open(void *memory)
{
    heap = memory;
}

struct mc_range
mc_heap_range(void)
{
    return (struct mc_range){heap, used};
}

static void *
take(size_t align, size_t bytes)
{
    size_t at = (used + align - 1) / align * align;

    if (n_blocks == BLOCKS_MAX || at + bytes > MC_HEAP_BYTES)
        mc_violation("the model's heap is too small");
    blocks[n_blocks++] = (struct block){heap + at, bytes, false};
    used = at + bytes;
    return heap + at;
}

void *
mc_malloc(size_t size)
{
    return memset(take(16, size), 0x5a, size);
}

void *
mc_calloc(size_t n, size_t size)
{
    return memset(take(16, n * size), 0, n * size);
}

int
mc_posix_memalign(void **ret_memory, size_t align, size_t size)
{
    *ret_memory = memset(take(align, size), 0x5a, size);
    return 0;
}

static struct block *
block_of(const void *at)
{
    for (unsigned i = 0; i < n_blocks; i++)
        if ((const char *)at >= blocks[i].at && (const char *)at < blocks[i].at + blocks[i].bytes)
            return &blocks[i];
    return NULL;
}

void
mc_free(void *memory)
{
    struct block *block = block_of(memory);

    if (!memory)
        return;
    if (!block || block->at != memory)
        mc_violation("what is freed was never given");
    if (block->freed)
        mc_violation("freed twice");
    block->freed = true;
    memset(memory, POISON, block->bytes);
}

bool
mc_is_freed(const void *at)
{
    const struct block *block = block_of(at);

    return block && block->freed;
}

void
mc_heap_check(void)
{
    for (unsigned i = 0; i < n_blocks; i++)
        for (size_t j = 0; blocks[i].freed && j < blocks[i].bytes; j++)
            if ((unsigned char)blocks[i].at[j] != POISON)
                mc_violation("memory is written to that was freed");
}

size_t
mc_blocks(void)
{
    size_t live = 0;

    for (unsigned i = 0; i < n_blocks; i++)
        live += !blocks[i].freed;
    return live;
}
