/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_HEAP_READ_H
#define STINT_PROFILE_HEAP_READ_H

/* What libstint-heap.so counted in a process, as a copy. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "worker-api/heap/heap_table.h"

struct error;

struct heap_copy {
    struct stint_heap_anchor anchor;
    struct stint_heap_stack *stacks; /* owned; those in use */
    struct stint_heap_label *labels; /* owned; texts need not end */
    size_t n, n_labels;
    unsigned torn, wrong; /* stacks that were left out: being written; no sense */
    bool moving;          /* sums were moved from one to another all the time */
};

/*
 * heap_read - copy it. @ret: all zero, and to be finished in any case. The stacks are not read where
 * anchor.pid is another: they are of the parent, then.
 *
 * Return: 1; 0: there is no sampler in it; or a negative errno, -ESRCH: it is gone.
 */
int heap_read(pid_t pid, struct heap_copy *ret, struct error *reterr);
void heap_copy_finish(struct heap_copy *copy);

#endif
