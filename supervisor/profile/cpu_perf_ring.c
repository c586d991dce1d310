/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel has noted. It is trusted, but for being whole: a record may be of a newer kernel. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor/profile/cpu_perf_internal.h"

#define RING_MAX  ((size_t)2 << 20) /* two thirds of a second of a CPU that is busy all the time */
#define RING_MIN  ((size_t)128 << 10)
#define CHAIN_MAX 127
#define NS_PER_US 1000

int
perf_ring_map(struct perf_ring *ring, int fd)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    /* What may be locked in memory differs: root has no limit, others some 500 KiB for each CPU. */
    for (size_t size = RING_MAX; size >= RING_MIN; size /= 2) {
        void *memory = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (memory != MAP_FAILED) {
            ring->memory = memory;
            ring->size = size;
            ring->fd = fd;
            return 0;
        }
        if (errno != EPERM && errno != ENOMEM)
            break;
    }
    return -errno;
}

void
perf_ring_unmap(struct perf_ring *ring)
{
    if (ring->memory)
        (void)munmap(ring->memory, (size_t)sysconf(_SC_PAGESIZE) + ring->size);
    ring->memory = NULL;
}

/* A reader of a record that may end anywhere. */
struct cursor {
    const unsigned char *at, *end;
    bool bad;
};

static const void *
skip(struct cursor *c, size_t n)
{
    const void *from = c->at;

    if (c->bad || (size_t)(c->end - c->at) < n) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    return from;
}

static uint64_t
u64(struct cursor *c)
{
    const void *from = skip(c, sizeof(uint64_t));
    uint64_t value = 0;

    if (from)
        memcpy(&value, from, sizeof(value));
    return value;
}

static uint32_t
u32(struct cursor *c)
{
    const void *from = skip(c, sizeof(uint32_t));
    uint32_t value = 0;

    if (from)
        memcpy(&value, from, sizeof(value));
    return value;
}

/* registers_sort - by DWARF's numbers, out of the kernel's order. */
static void
registers_sort(const uint64_t *raw, uint64_t *to, struct cpu_sample *s)
{
#if defined(__x86_64__)
    static const unsigned char number[PERF_N_REGS] = {0, 3, 2,  1,  4,  5,  6,  7, 16,
                                                      8, 9, 10, 11, 12, 13, 14, 15};

    for (unsigned i = 0; i < PERF_N_REGS; i++)
        if (number[i] < 16)
            to[number[i]] = raw[i];
    s->registers = to;
    s->sp = raw[7];
    s->pc = raw[8];
#else
    (void)to;
    s->sp = raw[0];
    s->pc = raw[1];
#endif
}

/* Of the kernel only: what a program's chain would be is unwound from its stack instead. */
static size_t
chain_read(struct cursor *c, uint64_t *ret)
{
    uint64_t n = u64(c);
    size_t kept = 0;
    bool kernel = false;

    for (uint64_t i = 0; i < n && !c->bad; i++) {
        uint64_t ip = u64(c);

        if (ip >= PERF_CONTEXT_MAX)
            kernel = ip == PERF_CONTEXT_KERNEL;
        else if (kernel && kept < CHAIN_MAX)
            ret[kept++] = ip;
    }
    return kept;
}

static void
sample_tell(struct cpu_perf *perf, struct cursor *c, const struct cpu_sink *sink)
{
    struct cpu_sample s = {.pid = (pid_t)u32(c), .ticks = 1};
    uint64_t chain[CHAIN_MAX], raw[PERF_N_REGS + 1], sorted[16] = {0}, room;

    s.tid = (pid_t)u32(c);
    s.at_us = (int64_t)(u64(c) / NS_PER_US);
    if (perf->counts.kernel) {
        s.n_kernel = chain_read(c, chain);
        s.kernel = chain;
    }
    if (u64(c) != PERF_SAMPLE_REGS_ABI_NONE) {
        for (unsigned i = 0; i < PERF_N_REGS; i++)
            raw[i] = u64(c);
        registers_sort(raw, sorted, &s);
    }
    room = u64(c);
    if (room > 0) {
        s.stack = skip(c, (size_t)room);
        s.stack_n = (size_t)u64(c);
        s.stack_at = s.sp;
        if (s.stack_n > room)
            s.stack_n = (size_t)room;
    }
    if (!c->bad)
        sink->sample(sink->env, &s);
}

static void
name_tell(struct cursor *c, bool exec, const struct cpu_sink *sink)
{
    pid_t pid = (pid_t)u32(c), tid = (pid_t)u32(c);
    char comm[17] = "";
    size_t n = (size_t)(c->end - c->at) < 16 ? (size_t)(c->end - c->at) : 16;
    const void *text = skip(c, n);

    if (text)
        memcpy(comm, text, strnlen(text, n));
    if (c->bad)
        return;
    if (exec)
        sink->exec(sink->env, pid);
    sink->name(sink->env, pid, tid, comm);
}

static void
record_take(struct cpu_perf *perf, const struct perf_event_header *h, const struct cpu_sink *sink)
{
    struct cursor c = {.at = perf->record + sizeof(*h), .end = perf->record + h->size};

    if (h->type == PERF_RECORD_FORK) {
        (void)skip(&c, 8); /* pid and its parent's */
        (void)perf_known(perf, (pid_t)u32(&c));
    } else if (h->type == PERF_RECORD_LOST) {
        (void)u64(&c); /* id */
        perf->counts.lost += u64(&c);
    } else if (sink && h->type == PERF_RECORD_SAMPLE) {
        sample_tell(perf, &c, sink);
    } else if (sink && h->type == PERF_RECORD_COMM) {
        name_tell(&c, (h->misc & PERF_RECORD_MISC_COMM_EXEC) != 0, sink);
    }
}

static void
ring_copy(const struct perf_ring *ring, uint64_t at, void *to, size_t n)
{
    const unsigned char *data = (unsigned char *)ring->memory + sysconf(_SC_PAGESIZE);
    size_t from = (size_t)at & (ring->size - 1);
    size_t first = ring->size - from < n ? ring->size - from : n;

    memcpy(to, data + from, first);
    memcpy((unsigned char *)to + first, data, n - first);
}

void
perf_ring_take(struct cpu_perf *perf, struct perf_ring *ring, const struct cpu_sink *sink)
{
    struct perf_event_mmap_page *positions = ring->memory;
    struct perf_event_header h;
    uint64_t head, tail;

    if (!positions)
        return;
    head = __atomic_load_n(&positions->data_head, __ATOMIC_ACQUIRE);
    tail = positions->data_tail;
    while (head - tail >= sizeof(h)) {
        ring_copy(ring, tail, &h, sizeof(h));
        if (h.size < sizeof(h) || h.size > head - tail)
            break; /* the kernel does not do that */
        ring_copy(ring, tail, perf->record, h.size);
        tail += h.size;
        __atomic_store_n(&positions->data_tail, tail, __ATOMIC_RELEASE);
        record_take(perf, &h, sink);
    }
}
