/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_FUTEX_H
#define STINT_PROBE_CAPTURE_FUTEX_H

/* What the parts that know the C library's objects share. Each capture_is_*() fills in @t, or says no. */
#include <linux/futex.h>

#include "supervisor/probe/capture_parts.h"

#define TID_MAX           (1U << 22) /* no kernel gives out a larger one */
#define FUTEX_SHARED_WORD 128U       /* what glibc notes in an object that processes share */

static inline bool
futex_private(const struct thread_facts *t)
{
    return (t->args[1] & FUTEX_PRIVATE_FLAG) != 0;
}

/* futex_command - FUTEX_WAIT, FUTEX_WAIT_BITSET …, without the flags. */
static inline uint32_t
futex_command(const struct thread_facts *t)
{
    return (uint32_t)t->args[1] & (uint32_t)FUTEX_CMD_MASK;
}

/* capture_waiting_at - how many of the process's threads; at least the one that asks. */
uint32_t capture_waiting_at(const struct capture *c, uint64_t address);

bool capture_is_cond(struct capture *c, struct thread_facts *t);
bool capture_is_rwlock(struct capture *c, struct thread_facts *t);
bool capture_is_sem(struct capture *c, struct thread_facts *t);

#endif
