/* SPDX-License-Identifier: MIT */
#ifndef STINT_HEAP_H
#define STINT_HEAP_H

/*
 * libstint-heap.so: samples the heap of any program that allocates through malloc(). Loaded by
 * LD_PRELOAD and only then there; it has no thread, no handler, no file and asks for no memory of the
 * allocator it stands in front of. What is not sampled costs a subtraction, and a look at one byte when
 * it is freed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stint_heap_anchor;
struct stint_heap_context;
struct stint_heap_label;

/* sampler.c: the exponential distances between samples. Without libm: it is loaded into everything. */
int64_t heap_distance(uint64_t *state, uint64_t mean_bytes); /* bytes to the next sample; > 0 */
double heap_weight(size_t bytes, uint64_t mean_bytes); /* 1 / p of an allocation of that size */
uint64_t heap_seed(void);                              /* never 0 */

/* stacks.c: the sums, by where it was allocated. Their lock is inside; none is held over a call out. */
struct heap_sample {
    uint32_t stack; /* index */
    float weight;
    size_t bytes;
};

bool heap_open(void); /* the anchor and the table; false: no memory, and nothing is sampled */
uint64_t heap_mean(void);
void heap_add(struct heap_sample *ret, void *const *pcs, int n, size_t bytes);
void heap_gone(const struct heap_sample *sample);
void heap_lost(void);

/* labels.c: who allocates. */
bool heap_labels_open(struct stint_heap_anchor *anchor);
void heap_context(struct stint_heap_context *ret); /* of the calling thread; no lock held */
uint32_t heap_label(
    const struct stint_heap_label *label); /* stacks lock held. Index + 1; 0: none */

/* live.c: which blocks were sampled. */
extern uint8_t heap_filter[1U << 16];

static inline uint32_t
heap_hash(const void *block)
{
    return (uint32_t)(((uintptr_t)block >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* maybe - false: it was certainly not sampled. */
static inline bool
heap_maybe(const void *block)
{
    return __atomic_load_n(&heap_filter[heap_hash(block) >> 16], __ATOMIC_RELAXED) != 0;
}

void heap_filter_for_ever(const void *block); /* heap_maybe() is true of it from now on */
bool heap_live_add(const void *block, const struct heap_sample *sample); /* false: no room */
bool heap_live_take(const void *block, struct heap_sample *ret); /* false: it is not there */
void heap_live_lock(void);                                       /* over a fork */
void heap_live_unlock(void);
void heap_stacks_lock(void);
void heap_stacks_unlock(void);

#endif
