/* SPDX-License-Identifier: MIT */
#ifndef STINT_HEAP_TABLE_H
#define STINT_HEAP_TABLE_H

/*
 * What libstint-heap.so keeps in the memory of the process it is loaded into, and what a reader copies
 * from there (process_vm_readv). Nothing is sent, no descriptor stays open, and a fork takes its copy
 * along: what the child inherited is still in use there.
 *
 * It is found by its anchor, one page with the name of a memfd: "/memfd:stint-heap" in /proc/PID/maps.
 * Nothing in here is believed: a reader checks each number, and follows no address but through the
 * kernel.
 *
 * The sums are estimates of the whole, each sampled allocation having been counted 1/p times, where
 * p = 1 - exp(-size / mean) is how likely it was to be sampled: so they are without bias for each size
 * (averaging sizes first is not: jemalloc/jemalloc#1897).
 */
#include <stdint.h>

#define STINT_HEAP_NAME    "stint-heap"
#define STINT_HEAP_MAGIC   UINT64_C(0x31706165685f7473) /* "st_heap1" */
#define STINT_HEAP_FRAMES  30U
#define STINT_HEAP_STACKS  8192U
#define STINT_HEAP_DEFAULT (UINT64_C(512) << 10) /* mean bytes between two samples */

struct stint_heap_stack {
    uint32_t seq;      /* odd: being written */
    uint32_t n;        /* frames; 0 = never used */
    double objects[2]; /* allocated since the beginning, in use */
    double bytes[2];
    uint64_t hash;
    uint64_t pcs[STINT_HEAP_FRAMES]; /* return addresses, innermost first */
};

struct stint_heap_anchor {
    uint64_t magic;
    uint32_t stack_bytes, stacks; /* of one, and how many there are room for */
    uint64_t table;               /* address of the first in this process */
    uint64_t mean_bytes;
    uint32_t pid;      /* whose history it is; a child that has not sampled yet has its parent's */
    uint32_t used;     /* stacks */
    uint64_t samples;  /* taken */
    uint64_t lost;     /* allocations that were sampled and found no room: the sums are too small */
    uint64_t start_ns; /* CLOCK_REALTIME */
};

#endif
