/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_SAMPLE_H
#define STINT_PROFILE_CPU_SAMPLE_H

/* What the two ways of a CPU profile have in common: a moment of a thread, and whom it is told to. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CPU_STACK_COPY ((size_t)16 << 10) /* of a thread's stack, from its stack pointer upwards */
#define CPU_HZ_DEFAULT 99 /* not in step with anything that happens 100 times a second */
#define CPU_HZ_MAX     1000

/* Who a thread says it is, in plain text. "": not known. */
struct cpu_labels {
    char thread[48], scope[128], trace_id[33];
};

/* All pointers are borrowed for the call. */
struct cpu_sample {
    pid_t pid, tid;
    int64_t at_us;             /* CLOCK_MONOTONIC */
    uint64_t ticks;            /* that it stands for: more than 1 where some were missed */
    uint64_t sp, pc;           /* in user mode; pc 0: the thread has none */
    const uint64_t *registers; /* as for names_stack(); NULL: sp and pc are all */
    const void *stack;         /* what lay at `stack_at` */
    size_t stack_n;
    uint64_t stack_at;
    const uint64_t *kernel; /* pcs, the innermost first */
    size_t n_kernel;
    const struct cpu_labels *labels; /* of that very moment; NULL: they are to be found out */
};

struct cpu_sink {
    void (*sample)(void *env, const struct cpu_sample *sample);
    void (*name)(void *env, pid_t pid, pid_t tid, const char *comm); /* it is called that now */
    void (*exec)(void *env, pid_t pid); /* another program: nothing known of it holds any more */
    void *env;
};

#endif
