/* SPDX-License-Identifier: MIT */
#ifndef STINT_HEAP_ASK_H
#define STINT_HEAP_ASK_H

/* What libstint-heap.so and libstint have to do with each other, where a process has both. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker-api/heap/heap_table.h"

struct stint_heap_context {
    struct stint_heap_label label; /* `used` is not looked at */
    uint8_t trace_id[16];
};

/*
 * Told of the calling thread, below its malloc(): it takes no lock and allocates nothing. False: nothing
 * is known of that thread.
 */
typedef bool stint_heap_teller(struct stint_heap_context *ret);

/* stint_heap_ask - libstint-heap.so asks @whom with each sample from now on. @size: of the context. */
void stint_heap_ask(stint_heap_teller *whom, size_t size);

#endif
