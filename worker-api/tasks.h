/* SPDX-License-Identifier: MIT */
#ifndef STINT_TASKS_H
#define STINT_TASKS_H

/* The threads of this process as the kernel counts them, joined with those that are registered. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker-api/stint.h"

struct kernel_task {
    uint64_t start; /* field 22 of stat; 0 = /proc does not say */
    pid_t tid;
    bool registered, exempt;
    bool wanted; /* by the filter */
    struct stint_straggler is;
};

struct kernel_tasks {
    struct kernel_task *of; /* owned; by tid */
    size_t n;
};

/* What to ask of registered threads, under the tree lock; NULLs: anything. */
struct task_filter {
    const struct stint_token *token;
    const struct stint_scope *scope;
};

int stn_tasks_look(struct kernel_tasks *ret, const struct task_filter *filter); /* 0 or -ENOMEM */
void stn_tasks_finish(struct kernel_tasks *tasks);

/* Is it a background thread of a sanitizer: asleep in a system call of the sanitizer's own? */
bool stn_task_is_runtime(pid_t tid);

#endif
