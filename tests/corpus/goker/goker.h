/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORPUS_GOKER_GOKER_H
#define STINT_TESTS_CORPUS_GOKER_GOKER_H

/*
 * What Go's programs have and ours do not. A channel is struct queue (room 0: unbuffered), a context
 * is a token. Each kernel keeps the shape of the published bug: who holds what, who waits for whom.
 * The code is ours, and what was left to chance there is brought about by here() and all_here().
 */
#include "tests/corpus/corpus.h"

#define FN(name)     static NOINLINE THREAD_RESULT name(void *arg)
#define GO(name, fn) (void)spawn(root(), (name), (fn), NULL)

/* The end of each kernel: everybody is in position, serve, and leave. */
ALWAYS_INLINE void
play_out(unsigned n)
{
    all_here(n);
    serve();
    join_all();
}

#define MUTEX     PTHREAD_MUTEX_INITIALIZER
#define LOCK(m)   (void)pthread_mutex_lock(m)
#define UNLOCK(m) (void)pthread_mutex_unlock(m)

/* As sync.RWMutex: a writer that waits keeps readers out. */
#define RWMUTEX PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP

/* A reader holds it; returns when a writer is queued behind that. */
ALWAYS_INLINE void
await_writer(pthread_rwlock_t *lock)
{
    while (pthread_rwlock_tryrdlock(lock) == 0)
        (void)pthread_rwlock_unlock(lock);
}

struct group {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int n;
};
#define GROUP(count)                                                      \
    {                                                                     \
        .mutex = MUTEX, .changed = PTHREAD_COND_INITIALIZER, .n = (count) \
    }

ALWAYS_INLINE void
group_done(struct group *g)
{
    LOCK(&g->mutex);
    g->n--;
    (void)pthread_cond_broadcast(&g->changed);
    UNLOCK(&g->mutex);
}

ALWAYS_INLINE void
group_wait(struct group *g)
{
    LOCK(&g->mutex);
    while (g->n > 0)
        (void)pthread_cond_wait(&g->changed, &g->mutex);
    UNLOCK(&g->mutex);
}

/* The token that the twin waits with. */
#define FIX (fixed ? root() : NULL)

#endif
