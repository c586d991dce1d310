/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Further locks. */
#include <errno.h>

#include "tests/corpus/corpus.h"

/* D07: a lock that is waited for on the processor, and its holder is gone. */
static pthread_spinlock_t d07_spin;

static NOINLINE THREAD_RESULT
d07_spins(void *arg)
{
    (void)arg;
    here();
    if (!fixed)
        (void)pthread_spin_lock(&d07_spin);
    (void)pthread_spin_unlock(&d07_spin);
    LEAVE;
}

void
row_D07(void)
{
    (void)pthread_spin_init(&d07_spin, PTHREAD_PROCESS_PRIVATE);
    (void)pthread_spin_lock(&d07_spin);
    (void)spawn(root(), "d07-spins", d07_spins, NULL);
    all_here(1);
    serve();
    join_all();
}

/* D08: a robust mutex tells that its owner died; a recursive one is locked twice: no harm. */
static pthread_mutex_t d08_robust, d08_recursive;

static NOINLINE THREAD_RESULT
d08_dies(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&d08_robust);
    here();
    LEAVE;
}

static NOINLINE THREAD_RESULT
d08_heir(void *arg)
{
    (void)arg;
    if (pthread_mutex_lock(&d08_robust) == EOWNERDEAD)
        (void)pthread_mutex_consistent(&d08_robust);
    (void)pthread_mutex_lock(&d08_recursive);
    (void)pthread_mutex_lock(&d08_recursive);
    here();
    (void)token_await(root(), NEVER);
    (void)pthread_mutex_unlock(&d08_recursive);
    (void)pthread_mutex_unlock(&d08_recursive);
    (void)pthread_mutex_unlock(&d08_robust);
    LEAVE;
}

void
row_D08(void)
{
    pthread_mutexattr_t attr;
    struct thread *dies;

    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    (void)pthread_mutex_init(&d08_robust, &attr);
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&d08_recursive, &attr);
    dies = spawn(root(), "d08-dies", d08_dies, NULL);
    all_here(1);
    join(dies);
    (void)spawn(root(), "d08-heir", d08_heir, NULL);
    all_here(2);
    serve();
    join_all();
}

/* D09: a writer ended with its lock. */
static pthread_rwlock_t d09_table = PTHREAD_RWLOCK_INITIALIZER;

static NOINLINE THREAD_RESULT
d09_writer(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_wrlock(&d09_table);
    if (fixed)
        (void)pthread_rwlock_unlock(&d09_table);
    here();
    LEAVE;
}

static NOINLINE THREAD_RESULT
d09_reader(void *arg)
{
    (void)arg;
    here();
    (void)pthread_rwlock_rdlock(&d09_table);
    (void)pthread_rwlock_unlock(&d09_table);
    LEAVE;
}

void
row_D09(void)
{
    struct thread *writer = spawn(root(), "d09-writer", d09_writer, NULL);
    unsigned n = some(1, 3);

    all_here(1);
    join(writer);
    tell("count", n);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "d09-reader", d09_reader, NULL);
    all_here(1 + n);
    serve();
    join_all();
}

/* D10: two writers, crosswise. */
static pthread_rwlock_t d10_a = PTHREAD_RWLOCK_INITIALIZER, d10_b = PTHREAD_RWLOCK_INITIALIZER;

static NOINLINE THREAD_RESULT
d10_first_then(void *arg)
{
    pthread_rwlock_t *first = arg, *second = first == &d10_a ? &d10_b : &d10_a;

    if (fixed) {
        first = &d10_a;
        second = &d10_b;
    }
    (void)pthread_rwlock_wrlock(first);
    here();
    if (!fixed)
        all_here(2);
    (void)pthread_rwlock_wrlock(second);
    (void)pthread_rwlock_unlock(second);
    (void)pthread_rwlock_unlock(first);
    LEAVE;
}

void
row_D10(void)
{
    (void)spawn(root(), "d10-ab", d10_first_then, &d10_a);
    (void)spawn(root(), "d10-ba", d10_first_then, &d10_b);
    all_here(2);
    serve();
    join_all();
}

/* D11: what is to be done once is never done with, and all others wait for it. */
static pthread_once_t d11_once = PTHREAD_ONCE_INIT;
static struct queue d11_answer = QUEUE(1);

static NOINLINE void
d11_initialise(void)
{
    here();
    (void)queue_get(&d11_answer, fixed ? root() : NULL);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
d11_first(void *arg)
{
    (void)arg;
    (void)pthread_once(&d11_once, d11_initialise);
    LEAVE;
}

static NOINLINE THREAD_RESULT
d11_others(void *arg)
{
    (void)arg;
    here();
    (void)pthread_once(&d11_once, d11_initialise);
    LEAVE;
}

void
row_D11(void)
{
    (void)spawn(root(), "d11-first", d11_first, NULL);
    all_here(1);
    (void)spawn(root(), "d11-others", d11_others, NULL);
    (void)spawn(root(), "d11-others", d11_others, NULL);
    all_here(3);
    serve();
    join_all();
}

/* D12: a lock is held by one that does not leave, and a crowd waits for it. */
static pthread_mutex_t d12_lock = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
d12_holder(void *arg)
{
    (void)pthread_mutex_lock(&d12_lock);
    here();
    (void)queue_get(arg, fixed ? root() : NULL);
    (void)pthread_mutex_unlock(&d12_lock);
    LEAVE;
}

static NOINLINE THREAD_RESULT
d12_crowd(void *arg)
{
    (void)arg;
    here();
    (void)pthread_mutex_lock(&d12_lock);
    (void)pthread_mutex_unlock(&d12_lock);
    LEAVE;
}

void
row_D12(void)
{
    static struct queue replies = QUEUE(1);
    unsigned n = some(3, 20);

    (void)spawn(root(), "d12-holder", d12_holder, &replies);
    all_here(1);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "d12-crowd", d12_crowd, NULL);
    all_here(1 + n);
    serve();
    join_all();
}

/* E06: the first thread joins under the lock that the other one needs. */
static pthread_mutex_t e06_lock = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
e06_worker(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    if (!fixed)
        all_here(2);
    (void)pthread_mutex_lock(&e06_lock);
    (void)pthread_mutex_unlock(&e06_lock);
    LEAVE;
}

void
row_E06(void)
{
    (void)spawn(root(), "e06-worker", e06_worker, NULL);
    all_here(1);
    serve();
    if (!fixed)
        (void)pthread_mutex_lock(&e06_lock);
    here();
    join_all();
    if (!fixed)
        (void)pthread_mutex_unlock(&e06_lock);
}

/* E08: one joins two, two joins three, and three wants what one has. */
static pthread_mutex_t e08_lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread *e08_two_handle, *e08_three_handle;

static NOINLINE THREAD_RESULT
e08_three(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    all_here(4);
    (void)pthread_mutex_lock(&e08_lock);
    (void)pthread_mutex_unlock(&e08_lock);
    LEAVE;
}

static NOINLINE THREAD_RESULT
e08_two(void *arg)
{
    (void)arg;
    here();
    join(e08_three_handle);
    LEAVE;
}

static NOINLINE THREAD_RESULT
e08_one(void *arg)
{
    (void)arg;
    if (!fixed)
        (void)pthread_mutex_lock(&e08_lock);
    here();
    (void)token_await(root(), NEVER);
    here();
    join(e08_two_handle);
    if (!fixed)
        (void)pthread_mutex_unlock(&e08_lock);
    LEAVE;
}

void
row_E08(void)
{
    e08_three_handle = spawn(root(), "e08-three", e08_three, NULL);
    mine(e08_three_handle);
    e08_two_handle = spawn(root(), "e08-two", e08_two, NULL);
    mine(e08_two_handle);
    (void)spawn(root(), "e08-one", e08_one, NULL);
    all_here(3);
    serve();
    join_all();
}
