/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_STACKS_INTERNAL_H
#define STINT_PROFILE_CPU_STACKS_INTERNAL_H

#include "base/table.h"
#include "supervisor/profile/cpu_stacks.h"

#define CPU_FRAMES_MAX 256 /* of one stack, those of the kernel among them */

struct names;

/* A process as long as its maps did not change: what its addresses mean. */
struct cpu_era {
    struct cpu_era *next; /* of all, the newest first */
    pid_t pid;
    struct names *names; /* owned; NULL: it was gone, or may not be looked at */
    int64_t opened_us;
    unsigned number; /* of this pid, from 0 */
    bool over;       /* another program, or other maps */
};

struct cpu_frame {
    uint64_t pc;
    bool call, kernel;
};

struct cpu_known_labels {
    struct table_node node;
    struct cpu_labels labels;
};

struct cpu_stack {
    struct table_node node;
    struct cpu_stack *next; /* of all */
    const struct cpu_era *era;
    const struct cpu_known_labels *labels;
    uint64_t samples, ticks;
    size_t n;
    struct cpu_frame frames[];
};

struct cpu_stacks {
    struct cpu_era *eras;    /* owned */
    struct cpu_stack *first; /* owned */
    struct table by_content; /* struct cpu_stack */
    struct table labels;     /* struct cpu_known_labels; owned */
    size_t n;
    struct cpu_stacks_counts counts;
};

/* kernel_names - what the kernel's addresses mean, where it tells. */
struct kernel_names;
struct kernel_names *kernel_names_read(void); /* NULL: it does not tell, or no memory */
const char *kernel_names_find(const struct kernel_names *k, uint64_t pc); /* NULL = not known */
void kernel_names_free(struct kernel_names *k);                           /* NULL is fine */

#endif
