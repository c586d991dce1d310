/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

/* The heap of the model: part of the state, never used twice, poisoned when freed. */
#include <stdbool.h>
#include <stddef.h>

#define MC_HEAP_BYTES 65536

struct mc_range {
    void *begin;
    size_t bytes;
};

void mc_heap_open(void *memory);
struct mc_range mc_heap_range(void); /* what has ever been used of it */
bool mc_is_freed(const void *at);
void mc_heap_check(void); /* nobody has written to what was freed */

#endif
