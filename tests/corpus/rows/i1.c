/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I, written without a look at the model: pools, locks and what one calls under them. */
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    bool stop;
    unsigned jobs;
};

#define POOL                                                                 \
    {                                                                        \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER \
    }

/* I01: the flag is set, and nobody who waits is told. */
static struct pool i01_pool = POOL;

static NOINLINE THREAD_RESULT
i01_worker(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i01_pool.mutex);
    here();
    while (!i01_pool.stop)
        (void)pthread_cond_wait(&i01_pool.work, &i01_pool.mutex);
    (void)pthread_mutex_unlock(&i01_pool.mutex);
    LEAVE;
}

void
row_I01(void)
{
    unsigned n = some(2, 7);

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "i01-worker", i01_worker, NULL);
    all_here(n);
    tell("count", n);
    serve();
    (void)pthread_mutex_lock(&i01_pool.mutex);
    i01_pool.stop = true;
    (void)pthread_mutex_unlock(&i01_pool.mutex);
    if (fixed)
        (void)pthread_cond_broadcast(&i01_pool.work);
    join_all();
}

/* I02: one is told, and it does not tell the next. */
static struct pool i02_pool = POOL;

static NOINLINE THREAD_RESULT
i02_worker(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i02_pool.mutex);
    here();
    while (!i02_pool.stop)
        (void)pthread_cond_wait(&i02_pool.work, &i02_pool.mutex);
    (void)pthread_mutex_unlock(&i02_pool.mutex);
    LEAVE;
}

void
row_I02(void)
{
    unsigned n = some(3, 7);

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "i02-worker", i02_worker, NULL);
    all_here(n);
    tell("count", n - 1);
    serve();
    (void)pthread_mutex_lock(&i02_pool.mutex);
    i02_pool.stop = true;
    (void)pthread_mutex_unlock(&i02_pool.mutex);
    if (fixed)
        (void)pthread_cond_broadcast(&i02_pool.work);
    else
        (void)pthread_cond_signal(&i02_pool.work);
    join_all();
}

/* I03: two readers take turns, so that the lock is never free and the writer, who would end them, waits. */
static pthread_rwlock_t i03_table = PTHREAD_RWLOCK_INITIALIZER;
static sem_t i03_baton[2];
static volatile bool i03_over;

static NOINLINE THREAD_RESULT
i03_reader(void *arg)
{
    struct timespec ms = {.tv_nsec = 2000000};
    long me = (long)arg;

    (void)sem_wait(&i03_baton[me]);
    (void)pthread_rwlock_rdlock(&i03_table);
    here();
    while (!i03_over && !(fixed && token_cancelled(root()))) {
        (void)sem_post(&i03_baton[1 - me]); /* the other one comes in, before we go out */
        (void)nanosleep(&ms, NULL);
        (void)sem_wait(&i03_baton[me]);
        (void)pthread_rwlock_unlock(&i03_table);
        (void)pthread_rwlock_rdlock(&i03_table);
    }
    (void)sem_post(&i03_baton[1 - me]);
    (void)pthread_rwlock_unlock(&i03_table);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i03_writer(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_wrlock(&i03_table);
    i03_over = true;
    (void)pthread_rwlock_unlock(&i03_table);
    LEAVE;
}

void
row_I03(void)
{
    (void)sem_init(&i03_baton[0], 0, 1);
    (void)sem_init(&i03_baton[1], 0, 0);
    for (long i = 0; i < 2; i++)
        (void)spawn(root(), "i03-reader", i03_reader, (void *)i);
    all_here(2);
    serve();
    (void)spawn(root(), "i03-writer", i03_writer, NULL);
    join_all();
}

/* I04: who is called under the lock wants to be taken off the list, which needs the lock. */
static pthread_mutex_t i04_listeners = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE void
i04_remove(void)
{
    (void)pthread_mutex_lock(&i04_listeners);
    NOT_THE_LAST();
    (void)pthread_mutex_unlock(&i04_listeners);
}

static NOINLINE void
i04_on_change(void)
{
    if (!fixed)
        i04_remove();
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
i04_emit(void *arg)
{
    void (*volatile listener)(void) = i04_on_change;

    (void)arg;
    (void)pthread_mutex_lock(&i04_listeners);
    here();
    listener();
    (void)pthread_mutex_unlock(&i04_listeners);
    LEAVE;
}

void
row_I04(void)
{
    (void)spawn(root(), "i04-emit", i04_emit, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I05: one of the parties of a barrier had an error and left; the others are at the next round. */
static pthread_barrier_t i05_round;

static NOINLINE THREAD_RESULT
i05_party(void *arg)
{
    (void)pthread_barrier_wait(&i05_round);
    here();
    if (arg && !fixed)
        LEAVE;
    (void)pthread_barrier_wait(&i05_round);
    LEAVE;
}

void
row_I05(void)
{
    unsigned n = some(3, 6);

    (void)pthread_barrier_init(&i05_round, NULL, n);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "i05-party", i05_party, i == 0 ? &i05_round : NULL);
    all_here(n);
    tell("count", n - 1);
    serve();
    join_all();
}

/* I06: an initialisation, done once, asks for what it initialises. */
static pthread_once_t i06_once = PTHREAD_ONCE_INIT;

static NOINLINE void
i06_init(void)
{
    here();
    if (!fixed)
        (void)pthread_once(&i06_once, i06_init);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
i06_first(void *arg)
{
    (void)arg;
    (void)pthread_once(&i06_once, i06_init);
    LEAVE;
}

void
row_I06(void)
{
    (void)spawn(root(), "i06-first", i06_first, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I07: it was cancelled in a wait, which takes the lock again, and nothing gave it back. */
static pthread_mutex_t i07_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t i07_cond = PTHREAD_COND_INITIALIZER;

static void
i07_unlock(void *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

static NOINLINE void *
i07_with_a_way_out(void *arg)
{
    (void)pthread_mutex_lock(&i07_mutex);
    here();
    pthread_cleanup_push(i07_unlock, &i07_mutex);
    for (;;)
        (void)pthread_cond_wait(&i07_cond, &i07_mutex);
    pthread_cleanup_pop(1);
    return arg;
}

static NOINLINE void *
i07_without_one(void *arg)
{
    (void)pthread_mutex_lock(&i07_mutex);
    here();
    for (;;)
        (void)pthread_cond_wait(&i07_cond, &i07_mutex);
    return arg;
}

static NOINLINE THREAD_RESULT
i07_next(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i07_mutex);
    (void)pthread_mutex_unlock(&i07_mutex);
    LEAVE;
}

void
row_I07(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fixed ? i07_with_a_way_out : i07_without_one, NULL) != 0)
        return;
    all_here(1);
    (void)pthread_mutex_lock(&i07_mutex); /* it waits by now */
    (void)pthread_mutex_unlock(&i07_mutex);
    (void)pthread_cancel(thread);
    (void)pthread_join(thread, NULL);
    (void)spawn(root(), "i07-next", i07_next, NULL);
    serve();
    join_all();
}

/* I08: a stream's own lock, kept by who waits for something else. */
static FILE *i08_stream;
static int i08_ends[2];

static NOINLINE THREAD_RESULT
i08_keeper(void *arg)
{
    char c;

    (void)arg;
    flockfile(i08_stream);
    here();
    (void)!read(i08_ends[0], &c, 1);
    funlockfile(i08_stream);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i08_writer(void *arg)
{
    (void)arg;
    here();
    (void)fputs("a line\n", i08_stream);
    LEAVE;
}

void
row_I08(void)
{
    i08_stream = fopen("/dev/null", "we");
    if (!i08_stream || pipe(i08_ends) == -1)
        return;
    (void)spawn(root(), "i08-keeper", i08_keeper, NULL);
    all_here(1);
    (void)spawn(root(), "i08-writer", i08_writer, NULL);
    all_here(2);
    serve();
    if (fixed)
        (void)close(i08_ends[1]);
    join_all();
}

/* I09: under a lock of the loader it waits for a thread that needs that lock. */
static NOINLINE int
i09_each(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    (void)arg;
    return 1;
}

static NOINLINE THREAD_RESULT
i09_inner(void *arg)
{
    (void)arg;
    here();
    (void)dl_iterate_phdr(i09_each, NULL);
    LEAVE;
}

static NOINLINE int
i09_begin(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct thread *inner = spawn(root(), "i09-inner", i09_inner, arg);

    mine(inner);
    all_here(1);
    if (!fixed)
        join(inner);
    NOT_THE_LAST();
    (void)info;
    (void)size;
    return 1;
}

static NOINLINE THREAD_RESULT
i09_outer(void *arg)
{
    (void)dl_iterate_phdr(i09_begin, arg);
    LEAVE;
}

void
row_I09(void)
{
    (void)spawn(root(), "i09-outer", i09_outer, NULL);
    all_here(1);
    serve();
    join_all();
}
