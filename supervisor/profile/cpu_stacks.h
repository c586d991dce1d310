/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_STACKS_H
#define STINT_PROFILE_CPU_STACKS_H

/* Where samples become stacks: unwound at once, while the process is as it was; named at the end. */
#include "supervisor/profile/cpu_sample.h"

struct error;
struct profile;
struct profile_target;
struct cpu_stacks;

struct cpu_stacks_counts {
    uint64_t samples, ticks; /* taken in; what they stand for */
    uint64_t dropped; /* that were not, for lack of memory or because there were too many kinds */
    uint64_t bare;    /* of a process that was gone before it could be looked at */
};

int cpu_stacks_new(struct cpu_stacks **ret);
void cpu_stacks_free(struct cpu_stacks *stacks); /* NULL is fine */

/* cpu_stacks_add - @labels: of this sample; borrowed. */
void cpu_stacks_add(struct cpu_stacks *stacks, const struct cpu_sample *sample,
                    const struct cpu_labels *labels);

/* cpu_stacks_exec - @pid runs another program from now on. */
void cpu_stacks_exec(struct cpu_stacks *stacks, pid_t pid);

/**
 * cpu_stacks_write - all of them, with names, into @p, whose values are samples and nanoseconds.
 * @period_ns:   that one tick stands for
 * @deadline_us: by which names are to be found; stacks without them are in it all the same
 */
int cpu_stacks_write(struct cpu_stacks *stacks, struct profile *p, const struct profile_target *t,
                     int64_t period_ns, int64_t deadline_us, struct error *reterr);

const struct cpu_stacks_counts *cpu_stacks_counts(const struct cpu_stacks *stacks);

#endif
