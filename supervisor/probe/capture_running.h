/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_RUNNING_H
#define STINT_PROBE_CAPTURE_RUNNING_H

/* Where threads are that run, without stopping them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RUNNING_MAX   16   /* at a time: a crowd of them is all doing one thing */
#define RUNNING_STACK 8192 /* bytes of the stack */

struct running {
    pid_t tid;    /* in */
    size_t index; /* the caller's */
    bool seen;    /* out: the rest is known */
    uint64_t sp, pc;
    size_t n; /* bytes of the stack, from sp upwards */
    unsigned char bytes[RUNNING_STACK];
};

/**
 * running_look - stack and pc of each of @who at its next tick on a CPU.
 *
 * Waits some 60 ms at most; who gets no CPU in that time, or may not be looked at, is not seen.
 * @n: at most RUNNING_MAX
 */
void running_look(struct running *who, size_t n, int64_t deadline_us);

#endif
