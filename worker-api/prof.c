/* SPDX-License-Identifier: MIT */
#include "worker-api/prof.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/prof_note.h"
#include "worker-api/state.h"

/*
 * A timer of its own CPU time for each thread. One for the process would be unfair: its signal goes to
 * whichever thread runs at the tick. A timer of another thread's time is made by that one's number, so
 * nobody has to be interrupted to begin. What the handler does is in prof_note.c.
 */
#define TIMERS_MAX 16384
#define GRACE_US   100000 /* after the end, for who asked to say so himself */
#define NS_PER_S   1000000000

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct timer {
    uint32_t tid;
    int id; /* the kernel's own: the calls of libc are in a library of their own on some systems */
};

uint32_t stn_prof_on;

static struct {
    struct lock lock; /* taken with no other held; of all that follows */
    struct timer *timers;
    size_t n, room;
    uint32_t hz;
    dev_t dev;
    ino_t ino; /* of the ring */
} prof;

/* ---- Timers ------------------------------------------------------------------------------ */

/* Where in its period a thread is when it is met is chance: else none of many short ones is ever seen. */
static int64_t
first_ns(uint32_t tid, int64_t period)
{
    struct timespec now;
    uint64_t mixed;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    mixed = ((uint64_t)now.tv_nsec ^ tid) * UINT64_C(0x9e3779b97f4a7c15);
    return 1 + (int64_t)((mixed >> 20) % (uint64_t)period);
}

static int
timer_make(uint32_t tid, int *ret)
{
    const int64_t period = NS_PER_S / prof.hz;
    const int64_t first = first_ns(tid, period);
    struct itimerspec spec = {.it_interval = {.tv_nsec = period}, .it_value = {.tv_nsec = first}};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    clockid_t clock = (clockid_t)((~tid << 3) | 6); /* CPU time of that thread: the kernel's ABI */

    if (period >= NS_PER_S) { /* tv_nsec has to be less */
        spec.it_interval = (struct timespec){.tv_sec = 1};
        spec.it_value = (struct timespec){.tv_sec = first / NS_PER_S, .tv_nsec = first % NS_PER_S};
    }
    event.sigev_notify_thread_id = (pid_t)tid;
    if (syscall(SYS_timer_create, clock, &event, ret) == -1)
        return -errno;
    if (syscall(SYS_timer_settime, *ret, 0, &spec, NULL) == 0)
        return 0;
    (void)syscall(SYS_timer_delete, *ret);
    return -EINVAL; /* the thread has gone */
}

static struct timer *
timer_of(uint32_t tid)
{
    for (size_t i = 0; i < prof.n; i++)
        if (prof.timers[i].tid == tid)
            return &prof.timers[i];
    return NULL;
}

static bool
room_make(void)
{
    size_t room = prof.room ? prof.room * 2 : 64;
    struct timer *grown;

    if (prof.n < prof.room)
        return true;
    grown = prof.n < TIMERS_MAX ? reallocarray(prof.timers, room, sizeof(*grown)) : NULL;
    if (!grown)
        return false;
    prof.timers = grown;
    prof.room = room;
    return true;
}

static void
thread_add(uint32_t tid)
{
    struct stint_profile_header *ring = stn_prof_ring();
    int id = 0, r;

    if (!ring || timer_of(tid))
        return;
    r = room_make() ? timer_make(tid, &id) : -ENOMEM;
    if (r == 0) {
        prof.timers[prof.n++] = (struct timer){.tid = tid, .id = id};
        (void)__atomic_fetch_add(&ring->threads, 1, __ATOMIC_RELAXED);
    } else if (r != -EINVAL) {
        (void)__atomic_fetch_add(&ring->refused, 1, __ATOMIC_RELAXED);
    }
}

/* All threads of the process, registered or not. */
static void
threads_add(void)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *e;

    if (!dir)
        return;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the directory is ours */
    while ((e = readdir(dir))) {
        uint32_t tid = (uint32_t)strtoul(e->d_name, NULL, 10);

        if (tid > 0)
            thread_add(tid);
    }
    (void)closedir(dir);
}

void
stn_prof_begin_thread(void)
{
    stn_lock_take(&prof.lock);
    thread_add((uint32_t)syscall(SYS_gettid));
    stn_lock_give(&prof.lock);
}

void
stn_prof_end_thread(void)
{
    struct timer *timer;

    stn_lock_take(&prof.lock);
    timer = timer_of((uint32_t)syscall(SYS_gettid));
    if (timer) {
        (void)syscall(SYS_timer_delete, timer->id); /* ours; nothing can be wrong with it */
        *timer = prof.timers[--prof.n];
    }
    stn_lock_give(&prof.lock);
}

/* ---- Begin and end ----------------------------------------------------------------------- */

static void
stop(void)
{
    for (size_t i = 0; i < prof.n; i++)
        (void)syscall(SYS_timer_delete, prof.timers[i].id);
    free(prof.timers);
    prof.timers = NULL;
    prof.n = prof.room = 0;
    prof.ino = 0;
    stn_prof_close();
    __atomic_store_n(&stn_prof_on, 0, __ATOMIC_RELAXED);
}

static void
answer(struct stint_profile_header *ring, int r)
{
    ring->error = r;
    __atomic_store_n(&ring->state, r < 0 ? STINT_PROFILE_FAILED : STINT_PROFILE_RUNS,
                     __ATOMIC_RELEASE);
    (void)syscall(SYS_futex, &ring->state, FUTEX_WAKE, INT_MAX, NULL, NULL,
                  0); /* of another process */
}

/* Ours for ever after: a signal that comes late must not end the process, as it does without a handler. */
static int
handler_install(void)
{
    struct sigaction before,
        ours = {.sa_sigaction = stn_prof_on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    if (sigaction(SIGPROF, NULL, &before) == -1)
        return -errno;
    if ((before.sa_flags & SA_SIGINFO) && before.sa_sigaction == stn_prof_on_tick)
        return 0;
    if ((before.sa_flags & SA_SIGINFO) ||
        (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN))
        return -EBUSY; /* the program has a profiler of its own */
    (void)sigfillset(&ours.sa_mask);
    return sigaction(SIGPROF, &ours, NULL) == -1 ? -errno : 0;
}

static void
start(const struct stint_profile_frame *frame, int fd, const struct stat *st)
{
    struct stint_profile_header *ring = stn_prof_open(fd, st->st_size, frame->until_us);
    int r;

    if (!ring)
        return; /* nothing to say it in */
    prof.hz = frame->hz;
    prof.dev = st->st_dev;
    prof.ino = st->st_ino;
    __atomic_store_n(&stn_prof_on, 1, __ATOMIC_RELAXED);
    r = frame->hz < 1 || frame->hz > STINT_PROFILE_HZ_MAX ? -EINVAL : handler_install();
    if (r == 0)
        r = stn_prof_able();
    if (r == 0)
        threads_add();
    if (r == 0 && prof.n == 0)
        r = -EAGAIN; /* no timer at all */
    answer(ring, r);
    if (r < 0)
        stop();
}

void
stn_prof_asked(const struct stint_profile_frame *frame, int fd)
{
    int state = stn_cancel_hold();
    struct stat st;

    stn_lock_take(&prof.lock);
    if (fd < 0 || frame->until_us <= stint_now_us()) {
        if (stn_prof_on)
            stop();
    } else if (fstat(fd, &st) == 0) {
        if (stn_prof_on && st.st_dev == prof.dev && st.st_ino == prof.ino) {
            threads_add();
        } else {
            if (stn_prof_on)
                stop(); /* who asked for that one has gone */
            start(frame, fd, &st);
        }
    }
    stn_lock_give(&prof.lock);
    if (fd >= 0)
        stn_close(fd); /* the mapping stays */
    stn_cancel_let(state);
}

void
stn_prof_settle(void)
{
    int64_t over_us;

    if (!__atomic_load_n(&stn_prof_on, __ATOMIC_RELAXED))
        return;
    over_us = stn_prof_until() + GRACE_US;
    if (stint_now_us() < over_us)
        return;
    stn_lock_take(&prof.lock);
    if (stn_prof_on && stint_now_us() >= stn_prof_until() + GRACE_US)
        stop();
    stn_lock_give(&prof.lock);
}

/* Timers are not inherited, and the ring is not mapped in a child. What was allocated is left behind. */
void
stn_prof_after_fork(void)
{
    prof.lock.word = 0;
    prof.timers = NULL;
    prof.n = prof.room = 0;
    prof.ino = 0;
    stn_prof_forget();
    stn_prof_on = 0;
}
