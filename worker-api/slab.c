/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "worker-api/state.h"

/*
 * Room for tokens, in chunks: a token's chunk is found by cutting off its address, and tokens made
 * one after the other lie side by side, which a cancel's walk likes. The heap is asked without
 * the lock: its own fork handlers may hold it while ours waits for the lock. Under a sanitizer each
 * token has a chunk for itself, so that a touch after its end is seen.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHUNK_ALIGN 256
#define CHUNK_BYTES 256
#else
#define CHUNK_ALIGN 32768
#define CHUNK_BYTES (CHUNK_ALIGN - CACHE_LINE) /* the heap's own word fits between two of them */
#endif

#define PER_CHUNK ((CHUNK_BYTES - CACHE_LINE) / sizeof(struct token))

struct chunk {
    struct chunk *next, *prev; /* in `roomy` while a token is free here */
    struct token *free;        /* given back ones, by their `next` */
    uint32_t used;             /* tokens that live */
    uint32_t begun;            /* tokens from the front that have ever lived */
    struct token tokens[] __attribute__((aligned(CACHE_LINE)));
};

_Static_assert(sizeof(struct chunk) == CACHE_LINE, "the rest of a chunk is tokens");
_Static_assert((CHUNK_ALIGN & (CHUNK_ALIGN - 1)) == 0 && PER_CHUNK > 0, "found by its address");

static struct chunk *roomy; /* tree lock */

static void
show(struct chunk *chunk)
{
    chunk->prev = NULL;
    chunk->next = roomy;
    if (roomy)
        roomy->prev = chunk;
    roomy = chunk;
}

static void
hide(const struct chunk *chunk)
{
    if (chunk->prev)
        chunk->prev->next = chunk->next;
    else
        roomy = chunk->next;
    if (chunk->next)
        chunk->next->prev = chunk->prev;
}

struct token *
stn_slab_get(void)
{
    struct chunk *chunk = roomy;
    struct token *token;

    if (!chunk)
        return NULL;
    token = chunk->free;
    if (token)
        chunk->free = token->next;
    else
        token = &chunk->tokens[chunk->begun++];
    if (++chunk->used == PER_CHUNK)
        hide(chunk);
    return token;
}

int
stn_slab_grow(void)
{
    struct chunk *chunk;
    void *memory;

    if (posix_memalign(&memory, CHUNK_ALIGN, CHUNK_BYTES) != 0)
        return -ENOMEM;
    chunk = memory;
    chunk->free = NULL;
    chunk->used = chunk->begun = 0;
    stn_tree_take();
    show(chunk);
    stn_tree_give();
    return 0;
}

void *
stn_slab_put(struct token *token)
{
    struct chunk *chunk =
        (struct chunk *)(void *)((char *)token - ((uintptr_t)token & (CHUNK_ALIGN - 1)));

    token->next = chunk->free;
    chunk->free = token;
    if (chunk->used-- == PER_CHUNK)
        show(chunk);
    /* One empty chunk may stay, or a token at the edge would cost a chunk each time. */
    if (chunk->used > 0 || (PER_CHUNK > 1 && roomy == chunk && !chunk->next))
        return NULL;
    hide(chunk);
    return chunk;
}
