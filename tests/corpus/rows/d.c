/* SPDX-License-Identifier: GPL-2.0-or-later */

/* D: locks that one thread alone gets wrong, and two that take them crosswise. */
#include "tests/corpus/corpus.h"

/* D01: the way of an error returns with the lock held; then its thread ends. */
static pthread_mutex_t d01_table = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE int
d01_update(int broken)
{
    (void)pthread_mutex_lock(&d01_table);
    if (broken && !fixed)
        return -1;
    (void)pthread_mutex_unlock(&d01_table);
    return 0;
}

static NOINLINE THREAD_RESULT
d01_broken_run(void *arg)
{
    (void)arg;
    (void)d01_update(1);
    here();
    LEAVE;
}

static NOINLINE THREAD_RESULT
d01_next_run(void *arg)
{
    (void)arg;
    here();
    (void)d01_update(0);
    LEAVE;
}

void
row_D01(void)
{
    struct thread *broken = spawn(root(), "d01-broken", d01_broken_run, NULL);

    all_here(1);
    join(broken);
    (void)spawn(root(), "d01-next", d01_next_run, NULL);
    all_here(2);
    serve();
    join_all();
}

/* D02: the same, and the thread lives: it is idle, and leaves when it is told to. */
static pthread_mutex_t d02_table = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
d02_holder(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&d02_table);
    here();
    if (fixed)
        (void)pthread_mutex_unlock(&d02_table);
    (void)token_await(fixed ? root() : NULL, 3600000000);
    LEAVE;
}

static NOINLINE THREAD_RESULT
d02_wants(void *arg)
{
    (void)arg;
    here();
    (void)pthread_mutex_lock(&d02_table);
    (void)pthread_mutex_unlock(&d02_table);
    LEAVE;
}

void
row_D02(void)
{
    (void)spawn(root(), "d02-holder", d02_holder, NULL);
    all_here(1);
    (void)spawn(root(), "d02-wants", d02_wants, NULL);
    all_here(2);
    serve();
    join_all();
}

/* D03: a break skips the unlock, and the next turn locks again. */
static pthread_mutex_t d03_gossip = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
d03_manage(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        here();
        for (unsigned peer = 0;; peer++) {
            (void)pthread_mutex_lock(&d03_gossip);
            if (peer == 1)
                break;
            (void)pthread_mutex_unlock(&d03_gossip);
        }
        if (fixed)
            (void)pthread_mutex_unlock(&d03_gossip);
    }
    LEAVE;
}

void
row_D03(void)
{
    (void)spawn(root(), "d03-manager", d03_manage, NULL);
    all_here(2);
    serve();
    join_all();
}

/* D04: A then B, and B then A. */
static pthread_mutex_t d04_a = PTHREAD_MUTEX_INITIALIZER, d04_b = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t d04_both;

static NOINLINE THREAD_RESULT
d04_first_then(void *arg)
{
    pthread_mutex_t *first = arg, *second = first == &d04_a ? &d04_b : &d04_a;

    if (fixed) {
        first = &d04_a;
        second = &d04_b;
    }
    (void)pthread_mutex_lock(first);
    if (!fixed)
        (void)pthread_barrier_wait(&d04_both);
    here();
    (void)pthread_mutex_lock(second);
    (void)pthread_mutex_unlock(second);
    (void)pthread_mutex_unlock(first);
    LEAVE;
}

void
row_D04(void)
{
    (void)pthread_barrier_init(&d04_both, NULL, 2);
    (void)spawn(root(), "d04-ab", d04_first_then, &d04_a);
    (void)spawn(root(), "d04-ba", d04_first_then, &d04_b);
    all_here(2);
    serve();
    join_all();
}

/* D05: it reads again what it reads, and a writer is in between. */
static pthread_rwlock_t d05_tree;
static pthread_barrier_t d05_step;

static NOINLINE THREAD_RESULT
d05_reader(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_rdlock(&d05_tree);
    (void)pthread_barrier_wait(&d05_step);
    if (fixed)
        (void)pthread_rwlock_unlock(&d05_tree);
    /* until the writer is queued: a reader that only tries is refused then */
    while (!fixed && pthread_rwlock_tryrdlock(&d05_tree) == 0)
        (void)pthread_rwlock_unlock(&d05_tree);
    here();
    (void)pthread_rwlock_rdlock(&d05_tree);
    (void)pthread_rwlock_unlock(&d05_tree);
    if (!fixed)
        (void)pthread_rwlock_unlock(&d05_tree);
    LEAVE;
}

static NOINLINE THREAD_RESULT
d05_writer(void *arg)
{
    (void)arg;
    (void)pthread_barrier_wait(&d05_step);
    (void)pthread_rwlock_wrlock(&d05_tree);
    (void)pthread_rwlock_unlock(&d05_tree);
    LEAVE;
}

void
row_D05(void)
{
    pthread_rwlockattr_t attr;

    (void)pthread_rwlockattr_init(&attr);
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&d05_tree, &attr);
    (void)pthread_barrier_init(&d05_step, NULL, 2);
    (void)spawn(root(), "d05-reader", d05_reader, NULL);
    (void)spawn(root(), "d05-writer", d05_writer, NULL);
    all_here(1);
    serve();
    join_all();
}

/* D06: three, each with the lock that the next one wants. */
static pthread_mutex_t d06_locks[3] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                       PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t d06_all;

static NOINLINE THREAD_RESULT
d06_philosopher(void *arg)
{
    pthread_mutex_t *left = arg, *right = &d06_locks[(left - d06_locks + 1) % 3];

    if (fixed && left > right) {
        right = left;
        left = &d06_locks[0];
    }
    (void)pthread_mutex_lock(left);
    if (!fixed)
        (void)pthread_barrier_wait(&d06_all);
    here();
    (void)pthread_mutex_lock(right);
    (void)pthread_mutex_unlock(right);
    (void)pthread_mutex_unlock(left);
    LEAVE;
}

void
row_D06(void)
{
    (void)pthread_barrier_init(&d06_all, NULL, 3);
    for (unsigned i = 0; i < 3; i++)
        (void)spawn(root(), "d06-philosopher", d06_philosopher, &d06_locks[i]);
    all_here(3);
    serve();
    join_all();
}
