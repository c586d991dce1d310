/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_PERF_INTERNAL_H
#define STINT_PROFILE_CPU_PERF_INTERNAL_H

#include <linux/perf_event.h>

#include "base/table.h"
#include "supervisor/profile/cpu_perf.h"

#if defined(__x86_64__)
/* AX … IP are bits 0 to 8, R8 … R15 16 to 23: all that the unwinder may want, in the kernel's order. */
#define PERF_REGISTERS ((uint64_t)0xff01ff)
#define PERF_N_REGS    17
#elif defined(__aarch64__)
#define PERF_REGISTERS ((UINT64_C(1) << 31) | (UINT64_C(1) << 32)) /* SP and PC */
#define PERF_N_REGS    2
#else
#define PERF_REGISTERS 0
#define PERF_N_REGS    0
#endif

#define PERF_CPUS_MAX 1024

/* Events of one CPU share a ring: the kernel wants it so where threads to come are watched, too. */
struct perf_ring {
    int cpu;
    int fd;        /* the event that owns it; borrowed from perf->fds; -1 = none yet */
    void *memory;  /* owned: a page of positions, then `size` */
    size_t size;   /* a power of two */
    bool finished; /* who owned the event has ended: nothing is to be heard from poll() */
};

struct perf_thread {
    struct table_node node; /* by tid */
};

struct cpu_perf {
    struct perf_ring *rings; /* owned */
    size_t n_rings;
    int *fds; /* owned, and each of them */
    size_t n_fds, fds_room;
    struct table known; /* struct perf_thread: watched, or started by somebody who is */
    int pidfd;
    unsigned hz;
    bool prompt, exhausted, kernel_tried;
    struct cpu_perf_counts counts;
    unsigned char record[1 << 16]; /* one, out of a ring */
};

/* perf_ring_map - make the ring of the event @fd, as large as is permitted. Return: 0 or negative errno. */
int perf_ring_map(struct perf_ring *ring, int fd);
void perf_ring_unmap(struct perf_ring *ring);

/* perf_ring_take - @sink may be NULL: then only births are noted. */
void perf_ring_take(struct cpu_perf *perf, struct perf_ring *ring, const struct cpu_sink *sink);

/* perf_known - note thread @tid. Return: was it known before? */
bool perf_known(struct cpu_perf *perf, pid_t tid);

#endif
