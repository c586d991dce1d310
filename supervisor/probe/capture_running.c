/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where is a thread that runs? The kernel says so of those who wait only. But it can be asked to note
 * stack and pc of a thread at its next tick on a CPU (perf_event_open); nobody is stopped for that
 * either. Where it is not permitted, a running thread has no frames, as before.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/probe/capture_running.h"

#define TICK_NS   1000000U          /* of its own time on a CPU */
#define PATIENCE  (150 * US_PER_MS) /* for all of them together: it has to get a CPU for that */
#define DATA_SIZE ((size_t)16 << 10)

#if defined(__x86_64__)
#define REGISTERS ((UINT64_C(1) << 7) | (UINT64_C(1) << 8)) /* SP and IP, in that order */
#elif defined(__aarch64__)
#define REGISTERS ((UINT64_C(1) << 31) | (UINT64_C(1) << 32)) /* SP and PC */
#else
#define REGISTERS 0
#endif

struct tick {
    int fd;
    void *ring; /* owned; a page for the kernel's positions, then DATA_SIZE */
};

static size_t
ring_size(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return page + (page > DATA_SIZE ? page : DATA_SIZE);
}

static int
tick_open(struct tick *t, pid_t tid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = TICK_NS,
        .sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
        .sample_regs_user = REGISTERS,
        .sample_stack_user = RUNNING_STACK,
        .wakeup_events = 1,
    };

    if (REGISTERS == 0)
        return -ENOSYS;
    /* One that calls the kernel over and over is hardly ever seen outside of it: there it has the
     * registers with which it came in. But not everybody may have ticks from within the kernel. */
    t->fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    attr.exclude_kernel = 1;
    if (t->fd == -1)
        t->fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (t->fd == -1)
        return -errno;
    t->ring = mmap(NULL, ring_size(), PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
    if (t->ring == MAP_FAILED) {
        t->ring = NULL;
        return -errno;
    }
    return 0;
}

static void
tick_close(struct tick *t)
{
    if (t->ring)
        (void)munmap(t->ring, ring_size());
    t->fd = fd_close(t->fd);
}

/* A sample as the kernel writes it, by the sample_type above. */
struct sample {
    struct perf_event_header header;
    uint64_t abi; /* 0: it was in the kernel, there are no registers */
    uint64_t sp, pc;
    uint64_t stack; /* bytes of room that follow; behind them how many there are */
};

/* tick_read - the first sample, which lies at the beginning of the ring. Return: is there one? */
static bool
tick_read(const struct tick *t, struct running *ret)
{
    const struct perf_event_mmap_page *positions = t->ring;
    const unsigned char *data = t->ring;
    uint64_t head, n = 0;
    struct sample s;

    if (!data)
        return false;
    head = __atomic_load_n(&positions->data_head, __ATOMIC_ACQUIRE);
    data += sysconf(_SC_PAGESIZE);
    if (head < sizeof(s))
        return false;
    memcpy(&s, data, sizeof(s));
    if (s.header.type != PERF_RECORD_SAMPLE || s.abi == 0 || s.header.size > head ||
        s.stack > RUNNING_STACK || s.header.size < sizeof(s) + s.stack + sizeof(n))
        return false;
    if (s.stack > 0)
        memcpy(&n, data + sizeof(s) + s.stack, sizeof(n));
    ret->sp = s.sp;
    ret->pc = s.pc;
    ret->n = n <= s.stack ? (size_t)n : 0;
    if (ret->n > 0)
        memcpy(ret->bytes, data + sizeof(s), ret->n);
    return true;
}

/* ticks_await - until each has a sample, or @until_us. A ring that has one is not waited for any more. */
static void
ticks_await(const struct tick *ticks, struct running *who, size_t n, int64_t until_us)
{
    struct pollfd fds[RUNNING_MAX];
    size_t missing = n;

    for (size_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = ticks[i].ring ? ticks[i].fd : -1, .events = POLLIN};
    for (size_t i = 0; i < n; i++)
        missing -= fds[i].fd == -1;
    while (missing > 0) {
        int64_t left_us = until_us - mono_now_us();

        if (left_us <= 0 || poll(fds, n, (int)(left_us / US_PER_MS) + 1) < 0)
            return;
        for (size_t i = 0; i < n; i++) {
            if (fds[i].fd == -1 || fds[i].revents == 0)
                continue;
            (void)ioctl(fds[i].fd, PERF_EVENT_IOC_DISABLE, 0); /* one is enough */
            who[i].seen = tick_read(&ticks[i], &who[i]);
            fds[i].fd = -1;
            missing--;
        }
    }
}

void
running_look(struct running *who, size_t n, int64_t deadline_us)
{
    struct tick ticks[RUNNING_MAX];
    int64_t until_us = mono_now_us() + PATIENCE;

    for (size_t i = 0; i < n; i++) {
        ticks[i] = (struct tick){.fd = -1};
        if (tick_open(&ticks[i], who[i].tid) < 0)
            tick_close(&ticks[i]);
    }
    ticks_await(ticks, who, n, deadline_us != 0 && deadline_us < until_us ? deadline_us : until_us);
    for (size_t i = 0; i < n; i++)
        tick_close(&ticks[i]);
}
