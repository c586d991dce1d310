/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_SHARED_H
#define STINT_IO_JOURNAL_SHARED_H

/*
 * Numbers in memory that outlives the process. SIGKILL falls between two instructions, as a signal
 * would, so the order of the program is all that is needed: the bytes first, then the one store
 * that makes them count. Part of the journal.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t shared_u64;

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a 64-bit store is one instruction");

/* More than any counter of lines or bytes reaches; what is above was not written by us. */
#define SHARED_MAX (UINT64_C(1) << 62)

static inline void
shared_store(shared_u64 *at, uint64_t value)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(at, value, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline uint64_t
shared_load(shared_u64 *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

#endif
