/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/cpu_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/units.h"
#include "supervisor/probe/proc.h"
#include "supervisor/profile/cpu_who.h"
#include "worker-api/wire.h"

#define RECORDS     512 /* some 8 MiB; only what was ever used has memory */
#define STRIDE      (sizeof(struct stint_profile_record) + CPU_STACK_COPY)
#define BYTES       (sizeof(struct stint_profile_header) + RECORDS * STRIDE)
#define ANSWER_TIME (3 * US_PER_S)
#define LOOK_EVERY  (20 * US_PER_MS)
#define AGAIN_EVERY (100 * US_PER_MS) /* for threads that nobody registered */
#define THREADS_MAX 16384
#if defined(__x86_64__)
#define UNWOUND true /* by its tables */
#else
#define UNWOUND false /* all that is known of a sample is where it was */
#endif
#define TICKS_MAX 100000 /* that one sample may stand for: more is not believed */

struct cpu_inside {
    pid_t pid;
    int channel_fd; /* borrowed */
    int memfd, pidfd;
    struct stint_profile_header *ring; /* mapped; it cannot shrink */
    struct cpu_who *who;               /* borrowed */
    struct stint_profile_frame frame;
    int64_t again_us; /* when to look for threads */
    uint64_t tids;    /* a sum over those of the last look */
    struct cpu_inside_counts counts;
    unsigned char record[STRIDE]; /* a copy: what lies in the ring may change under us */
};

_Static_assert(STRIDE % sizeof(uint64_t) == 0, "records are aligned");

/* The worker stops when nobody says so for long. */
static void
still_here(struct cpu_inside *in)
{
    int64_t now_us = mono_now_us(), before_us = in->ring->alive_us;

    if (before_us > 0 && now_us - before_us >= STINT_PROFILE_PATIENCE)
        in->counts.held_up++;
    __atomic_store_n(&in->ring->alive_us, now_us, __ATOMIC_RELAXED);
}

/* ---- The request ------------------------------------------------------------------------- */

static int
ring_make(struct cpu_inside *in)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    in->memfd = memfd_create("stint-profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (in->memfd < 0 || ftruncate(in->memfd, (off_t)BYTES) < 0 ||
        fcntl(in->memfd, F_ADD_SEALS, seals) < 0)
        return -errno;
    in->ring = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, in->memfd, 0);
    if (in->ring == MAP_FAILED) {
        in->ring = NULL;
        return -errno;
    }
    in->ring->magic = STINT_PROFILE_MAGIC;
    in->ring->major = STINT_PROFILE_MAJOR;
    in->ring->minor = STINT_PROFILE_MINOR;
    in->ring->count = RECORDS;
    in->ring->stride = STRIDE;
    still_here(in);
    return 0;
}

/* say - the frame to the worker, with the ring if @with_ring. Never waits. */
static int
say(const struct cpu_inside *in, const struct stint_profile_frame *body, bool with_ring)
{
    struct stint_frame head = {.type = STINT_FRAME_PROFILE, .length = sizeof(*body)};
    struct iovec parts[2] = {
        {&head,                   sizeof(head) },
        {(void *)(uintptr_t)body, sizeof(*body)}
    };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

    if (with_ring) {
        struct cmsghdr *c;

        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &in->memfd, sizeof(int));
    }
    return sendmsg(in->channel_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static uint32_t
state_of(const struct cpu_inside *in)
{
    return __atomic_load_n(&in->ring->state, __ATOMIC_ACQUIRE);
}

static int
answer_await(const struct cpu_inside *in)
{
    int64_t until_us = mono_now_us() + ANSWER_TIME;

    while (state_of(in) == STINT_PROFILE_ASKED) {
        struct timespec slice = {.tv_nsec = LOOK_EVERY * 1000};
        struct pollfd gone = {.fd = in->pidfd, .events = POLLIN};

        if (mono_now_us() >= until_us)
            return -ETIMEDOUT;
        if (poll(&gone, 1, 0) == 1)
            return -ESRCH;
        (void)syscall(SYS_futex, &in->ring->state, FUTEX_WAIT, STINT_PROFILE_ASKED, &slice, NULL,
                      0);
    }
    if (state_of(in) == STINT_PROFILE_RUNS)
        return 0;
    return in->ring->error < 0 && in->ring->error >= -4095 ? in->ring->error : -EPROTO;
}

static int
explain(int r, pid_t pid, struct error *reterr)
{
    if (r == -ENOTCONN || r == -EPIPE)
        return error_say(reterr, r, "process %d does not link libstint", (int)pid);
    if (r == -ETIMEDOUT)
        return error_say(reterr, r,
                         "process %d did not answer: a worker hears in stint_dispatch(), in the "
                         "waits of libstint, or with STINT_OPT_LISTENER; its libstint may be too "
                         "old, too",
                         (int)pid);
    if (r == -EBUSY)
        return error_say(reterr, r, "process %d uses SIGPROF itself", (int)pid);
    return error_set(reterr, r, "have process %d sample itself", (int)pid);
}

int
cpu_inside_open(struct cpu_inside **ret, pid_t pid, int channel_fd, struct cpu_who *who,
                unsigned hz, int64_t until_us, struct error *reterr)
{
    struct cpu_inside *in = calloc(1, sizeof(*in));
    int r;

    if (!in)
        return error_set(reterr, -ENOMEM, "have process %d sample itself", (int)pid);
    in->pid = pid;
    in->channel_fd = channel_fd;
    in->who = who;
    in->memfd = -1;
    in->frame = (struct stint_profile_frame){.until_us = until_us, .hz = hz};
    in->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    r = channel_fd < 0 ? -ENOTCONN : in->pidfd < 0 ? -errno : ring_make(in);
    if (r == 0)
        r = say(in, &in->frame, true);
    if (r == 0)
        r = answer_await(in);
    if (r < 0) {
        if (r == -ETIMEDOUT)
            cpu_inside_stop(in); /* it need not begin later */
        cpu_inside_close(in);
        return explain(r, pid, reterr);
    }
    *ret = in;
    return 0;
}

void
cpu_inside_stop(struct cpu_inside *in)
{
    const struct stint_profile_frame stop = {.until_us = 0};

    (void)say(in, &stop, false); /* else it ends by its time */
}

void
cpu_inside_close(struct cpu_inside *in)
{
    if (!in)
        return;
    if (in->ring)
        (void)munmap(in->ring, BYTES);
    in->memfd = fd_close(in->memfd);
    in->pidfd = fd_close(in->pidfd);
    free(in);
}

/* ---- While it runs ----------------------------------------------------------------------- */

/* again - the ring once more, where there are threads that were not there before. */
static void
again(struct cpu_inside *in)
{
    auto_free pid_t *tids = calloc(THREADS_MAX, sizeof(*tids));
    uint64_t sum = 0;
    size_t n = 0, total;

    if (!tids || proc_threads(in->pid, tids, THREADS_MAX, &n, &total) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        sum = (sum + (uint64_t)tids[i]) * UINT64_C(0x9e3779b97f4a7c15);
    if (in->tids != 0 && sum != in->tids)
        (void)say(in, &in->frame, true);
    in->tids = sum;
}

bool
cpu_inside_await(struct cpu_inside *in, int64_t until_us)
{
    struct pollfd gone = {.fd = in->pidfd, .events = POLLIN};
    int64_t now_us = mono_now_us(), left_us = until_us - now_us;

    still_here(in);
    if (now_us >= in->again_us) {
        in->again_us = now_us + AGAIN_EVERY;
        again(in);
    }
    if (left_us > LOOK_EVERY)
        left_us = LOOK_EVERY;
    return left_us <= 0 || poll(&gone, 1, (int)(left_us / US_PER_MS) + 1) <= 0;
}

static void
text(char *to, size_t room, const char *from, size_t n)
{
    memset(to, 0, room);
    memcpy(to, from, strnlen(from, n < room - 1 ? n : room - 1));
    plain_text(to);
}

static void
hex(char *to, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

static void
tell(struct cpu_inside *in, const struct cpu_sink *sink)
{
    static const uint8_t none[16];
    const struct stint_profile_record *r = (const void *)in->record;
    struct cpu_labels labels;
    struct cpu_sample s = {.pid = in->pid,
                           .tid = (pid_t)(r->tid <= INT32_MAX ? r->tid : 0),
                           .at_us = r->at_us,
                           .ticks =
                               1 + (uint64_t)(r->overruns < TICKS_MAX ? r->overruns : TICKS_MAX),
                           .sp = r->registers[STINT_PROFILE_SP],
                           .pc = r->registers[STINT_PROFILE_PC],
                           .registers = UNWOUND ? r->registers : NULL,
                           .stack = in->record + sizeof(*r),
                           .stack_n = r->stack_n <= CPU_STACK_COPY ? r->stack_n : CPU_STACK_COPY,
                           .stack_at = r->stack_at};

    if (r->flags & STINT_PROFILE_REGISTERED) {
        memset(&labels, 0, sizeof(labels));
        text(labels.thread, sizeof(labels.thread), r->name, sizeof(r->name));
        cpu_who_scope(in->who, r->scope, labels.scope, sizeof(labels.scope));
        if (memcmp(r->trace_id, none, sizeof(none)) != 0)
            hex(labels.trace_id, r->trace_id, sizeof(r->trace_id));
        s.labels = &labels;
    }
    sink->sample(sink->env, &s);
}

void
cpu_inside_take(struct cpu_inside *in, const struct cpu_sink *sink)
{
    unsigned char *first = (unsigned char *)(in->ring + 1);

    for (size_t i = 0; i < RECORDS; i++) {
        struct stint_profile_record *record = (void *)(first + i * STRIDE);

        if (__atomic_load_n(&record->state, __ATOMIC_ACQUIRE) != STINT_PROFILE_FULL)
            continue;
        memcpy(in->record, record, STRIDE);
        __atomic_store_n(&record->state, STINT_PROFILE_FREE, __ATOMIC_RELEASE);
        tell(in, sink);
    }
}

const struct cpu_inside_counts *
cpu_inside_counts(struct cpu_inside *in)
{
    in->counts.lost = __atomic_load_n(&in->ring->lost, __ATOMIC_RELAXED);
    in->counts.overruns = __atomic_load_n(&in->ring->overruns, __ATOMIC_RELAXED);
    in->counts.threads = __atomic_load_n(&in->ring->threads, __ATOMIC_RELAXED);
    in->counts.refused = __atomic_load_n(&in->ring->refused, __ATOMIC_RELAXED);
    return &in->counts;
}
