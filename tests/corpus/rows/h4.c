/* SPDX-License-Identifier: GPL-2.0-or-later */

/* H: locks that processes share, pools, chains, and what is no fault though it looks like one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* H34: of a pool all leave but the one that is in a call. */
static struct queue h34_jobs = QUEUE(8), h34_backend = QUEUE(1);

static NOINLINE void
h34_call_backend(void)
{
    here();
    (void)queue_get(&h34_backend, fixed ? root() : NULL);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
h34_worker(void *arg)
{
    (void)arg;
    while (queue_get(&h34_jobs, NULL))
        h34_call_backend();
    LEAVE;
}

void
row_H34(void)
{
    for (unsigned i = some(3, 8); i > 0; i--)
        (void)spawn(root(), "h34-worker", h34_worker, NULL);
    (void)queue_put(&h34_jobs, NULL);
    all_here(1);
    serve();
    queue_close(&h34_jobs);
    join_all();
}

/* H35: what is to happen once waits for what happens in another one of those, and that for this one. */
static pthread_once_t h35_a = PTHREAD_ONCE_INIT, h35_b = PTHREAD_ONCE_INIT;
static sem_t h35_gate;

static NOINLINE void
h35_init_b(void)
{
    here();
    (void)sem_wait(&h35_gate);
    if (!fixed)
        (void)pthread_once(&h35_a, abort);
    NOT_THE_LAST();
}

static NOINLINE void
h35_init_a(void)
{
    here();
    (void)sem_wait(&h35_gate);
    (void)pthread_once(&h35_b, abort);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
h35_first(void *arg)
{
    (void)arg;
    (void)pthread_once(&h35_a, h35_init_a);
    LEAVE;
}

static NOINLINE THREAD_RESULT
h35_second(void *arg)
{
    (void)arg;
    (void)pthread_once(&h35_b, h35_init_b);
    LEAVE;
}

void
row_H35(void)
{
    (void)spawn(root(), "h35-first", h35_first, NULL);
    (void)spawn(root(), "h35-second", h35_second, NULL);
    all_here(2);
    (void)sem_post(&h35_gate);
    (void)sem_post(&h35_gate);
    serve();
    join_all();
}

/* H36: two locks, always in one order, and never at rest: a circle is never closed. */
static pthread_mutex_t h36_a = PTHREAD_MUTEX_INITIALIZER, h36_b = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
h36_hand_over(void *arg)
{
    (void)arg;
    here();
    while (!token_cancelled(root())) {
        (void)pthread_mutex_lock(&h36_a);
        (void)pthread_mutex_lock(&h36_b);
        (void)token_await(NULL, 1000);
        (void)pthread_mutex_unlock(&h36_a);
        (void)token_await(NULL, 1000);
        (void)pthread_mutex_unlock(&h36_b);
    }
    LEAVE;
}

void
row_H36(void)
{
    for (int i = 0; i < 4; i++)
        (void)spawn(root(), "h36-hand", h36_hand_over, NULL);
    all_here(4);
    serve();
    join_all();
}

/* H37: the first thread waits for one, that for another, and that for nobody's post. */
static sem_t h37_never;
static struct thread *h37_inner;

static NOINLINE THREAD_RESULT
h37_last(void *arg)
{
    (void)arg;
    here();
    while (sem_wait(&h37_never) == -1 && errno == EINTR)
        ;
    LEAVE;
}

static NOINLINE THREAD_RESULT
h37_middle(void *arg)
{
    (void)arg;
    here();
    while (!token_await(root(), NEVER))
        ;
    join(h37_inner);
    LEAVE;
}

void
row_H37(void)
{
    struct thread *outer;

    h37_inner = spawn(root(), "h37-last", h37_last, NULL);
    mine(h37_inner);
    outer = spawn(root(), "h37-middle", h37_middle, NULL);
    all_here(2);
    serve();
    if (fixed)
        (void)sem_post(&h37_never);
    join(outer);
}

/* H38: one spins, and two have each other's lock: both have to be mended. */
static pthread_mutex_t h38_a = PTHREAD_MUTEX_INITIALIZER, h38_b = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t h38_both;

static NOINLINE THREAD_RESULT
h38_cross(void *arg)
{
    pthread_mutex_t *other = arg == &h38_a ? &h38_b : &h38_a;

    (void)pthread_mutex_lock(arg);
    (void)pthread_barrier_wait(&h38_both);
    here();
    if (!fixed)
        (void)pthread_mutex_lock(other);
    (void)pthread_mutex_unlock(arg);
    LEAVE;
}

static NOINLINE THREAD_RESULT
h38_spin(void *arg)
{
    (void)arg;
    here();
    while (!(fixed && token_cancelled(root())))
        NOT_THE_LAST();
    LEAVE;
}

void
row_H38(void)
{
    (void)pthread_barrier_init(&h38_both, NULL, 2);
    (void)spawn(root(), "h38-spin", h38_spin, NULL);
    (void)spawn(root(), "h38-cross-a", h38_cross, &h38_a);
    (void)spawn(root(), "h38-cross-b", h38_cross, &h38_b);
    all_here(3);
    serve();
    join_all();
}

/* H39: a lock in memory that two processes share; who had it is dead. */
static pthread_mutex_t *h39_lock;

static NOINLINE THREAD_RESULT
h39_next(void *arg)
{
    (void)arg;
    here();
    (void)pthread_mutex_lock(h39_lock);
    (void)pthread_mutex_unlock(h39_lock);
    LEAVE;
}

static pid_t
other_process_takes(bool lives)
{
    pthread_mutexattr_t attr;
    int ready[2];
    char byte;
    pid_t child;

    h39_lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutex_init(h39_lock, &attr);
    if (pipe2(ready, O_CLOEXEC) == -1 || (child = fork()) == -1)
        return -1;
    if (child == 0) {
        (void)signal(SIGTERM, SIG_DFL);
        (void)pthread_mutex_lock(h39_lock);
        if (fixed)
            (void)pthread_mutex_unlock(h39_lock);
        (void)!write(ready[1], "!", 1);
        while (lives)
            (void)pause();
        _exit(0);
    }
    (void)!read(ready[0], &byte, 1);
    if (!lives)
        (void)waitpid(child, NULL, 0);
    return child;
}

void
row_H39(void)
{
    if (other_process_takes(false) == -1)
        return;
    (void)spawn(root(), "h39-next", h39_next, NULL);
    all_here(1);
    serve();
    join_all();
}

/* H40: … who has it lives. */
static NOINLINE THREAD_RESULT
h40_next(void *arg)
{
    (void)arg;
    here();
    (void)pthread_mutex_lock(h39_lock);
    (void)pthread_mutex_unlock(h39_lock);
    LEAVE;
}

void
row_H40(void)
{
    pid_t child = other_process_takes(true);

    if (child == -1)
        return;
    (void)spawn(root(), "h40-next", h40_next, NULL);
    all_here(1);
    serve();
    if (fixed) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    join_all();
}

/* H41: locks that lend their priority, crosswise. */
static pthread_mutex_t h41_locks[2];

/* Who has @theirs sleeps in the kernel for @mine: that it is wanted is written down before it can be said who waits. */
static bool
h41_waits(const pthread_mutex_t *theirs, const pthread_mutex_t *mine)
{
    const unsigned word = *(volatile const unsigned *)&theirs->__data.__lock;
    char path[64], state = '?';
    FILE *f;

    if (!(*(volatile const unsigned *)&mine->__data.__lock & FUTEX_WAITERS))
        return false;
    (void)snprintf(path, sizeof(path), "/proc/self/task/%u/stat", word & FUTEX_TID_MASK);
    f = fopen(path, "re");
    if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = '?';
    if (f)
        (void)fclose(f);
    return state == 'S';
}

static NOINLINE THREAD_RESULT
h41_cross(void *arg)
{
    pthread_mutex_t *first = arg, *then = first == h41_locks ? h41_locks + 1 : h41_locks;

    (void)pthread_mutex_lock(first);
    (void)pthread_barrier_wait(&h38_both);
    here();
    /* One after the other: of two at once the kernel may refuse both, and neither waits for a lock then. */
    while (!fixed && first != h41_locks && !h41_waits(then, first))
        (void)sched_yield();
    if (!fixed)
        (void)pthread_mutex_lock(then);
    (void)pthread_mutex_unlock(first);
    LEAVE;
}

void
row_H41(void)
{
    pthread_mutexattr_t attr;

    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    for (int i = 0; i < 2; i++)
        (void)pthread_mutex_init(&h41_locks[i], &attr);
    (void)pthread_barrier_init(&h38_both, NULL, 2);
    (void)spawn(root(), "h41-cross-a", h41_cross, &h41_locks[0]);
    (void)spawn(root(), "h41-cross-b", h41_cross, &h41_locks[1]);
    all_here(2);
    serve();
    join_all();
}

/* H42: an hour's patience. */
static pthread_mutex_t h42_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t h42_cond = PTHREAD_COND_INITIALIZER;
static bool h42_over;

static NOINLINE THREAD_RESULT
h42_patient(void *arg)
{
    struct timespec until;

    (void)arg;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 3600;
    (void)pthread_mutex_lock(&h42_mutex);
    here();
    while (!h42_over && pthread_cond_timedwait(&h42_cond, &h42_mutex, &until) == 0)
        ;
    (void)pthread_mutex_unlock(&h42_mutex);
    LEAVE;
}

void
row_H42(void)
{
    (void)spawn(root(), "h42-patient", h42_patient, NULL);
    all_here(1);
    serve();
    (void)pthread_mutex_lock(&h42_mutex);
    h42_over = fixed;
    if (fixed)
        (void)pthread_cond_signal(&h42_cond);
    (void)pthread_mutex_unlock(&h42_mutex);
    join_all();
}
