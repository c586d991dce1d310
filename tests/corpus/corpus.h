/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORPUS_CORPUS_H
#define STINT_TESTS_CORPUS_CORPUS_H

/*
 * What every program of the corpus is written with. The same source makes two flavours:
 *
 *   registered   links libstint and uses it as its users would
 *   bare         pthreads and a flag that SIGTERM sets; no call of ours at all
 *
 * A row is a function row_ID() that brings its threads into position, says so (serve()), and then
 * does what a program does when it is told to leave. `fixed` asks for the twin that does it right.
 * Nothing sleeps to bring an order about: who has to be somewhere first says here().
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEVER INT64_MAX

extern bool fixed;    /* play the twin */
extern unsigned seed; /* shuffles what the row leaves open */

#ifdef CORPUS_REGISTERED
#include <stint.h>
#define REGISTERED    1
#define THREAD_RESULT void
#define LEAVE                 \
    do {                      \
        __asm__ volatile(""); \
        return;               \
    } while (0) /* no tail call: a wait that is a jump leaves no frame behind */
#define token               stint_token
#define scope               stint_scope
#define BLOCK(text, object) STINT_BLOCK(text, object)
#else
#define REGISTERED          0
#define THREAD_RESULT       void *
#define LEAVE               return NULL
struct token;
struct scope;
#define BLOCK(text, object) if ((object) != NULL)
#endif

/* ---- tokens: flavour_*.c ---------------------------------------------------------------- */

void flavour_init(void);
struct token *root(void); /* cancelled when the process is to leave */
struct token *token_new(struct token *parent, const char *name);
void token_cancel(struct token *t);
bool token_cancelled(struct token *t); /* NULL: never */
int token_fd(struct token *t);         /* readable from its cancellation on */

/* Inlined, as what follows: the frame that waits is the caller's. */
#define ALWAYS_INLINE static inline __attribute__((always_inline, artificial, unused))

/* Return: cancelled within that time. NULL: a sleep. */
ALWAYS_INLINE bool
token_await(struct token *t, int64_t for_us)
{
#ifdef CORPUS_REGISTERED
    return stint_token_wait(t, for_us == NEVER ? STINT_NEVER : stint_now_us() + for_us) != 0;
#else
    struct pollfd p = {.fd = t ? token_fd(t) : -1, .events = POLLIN};

    (void)poll(&p, 1, for_us == NEVER ? -1 : (int)(for_us / 1000));
    return token_cancelled(t);
#endif
}

/* ---- scopes and generations of the configuration within the process ----------------------- */

struct scope *scope_open(const char *name);
struct scope *generation_open(const char *label);
struct token *scope_token(struct scope *s);
void scope_close(struct scope *s, int64_t grace_us);       /* who is in it then is a straggler */
void generation_retire(struct scope *g, int64_t grace_us); /* gives the handle up */

/* ---- threads ------------------------------------------------------------------------------- */

typedef THREAD_RESULT thread_fn(void *arg);
struct thread;

/* The thread is joined by join_all(), unless it was before. */
#define spawn(t, name, fn, arg) \
    spawn_at(NULL, (t), (name), __FILE__, __func__, __LINE__, (fn), (arg))
#define scope_spawn(s, name, fn, arg) \
    spawn_at((s), NULL, (name), __FILE__, __func__, __LINE__, (fn), (arg))
struct thread *spawn_at(struct scope *s, struct token *t, const char *name, const char *file,
                        const char *function, unsigned line, thread_fn *fn, void *arg);
void join(struct thread *thread);   /* for as long as it takes */
void join_all(void);                /* every one that is not joined, in the order of their birth */
void mine(struct thread *thread);   /* somebody else than join_all() joins it */
void let_go(struct thread *thread); /* nobody joins it */

/* ---- what only a registered program can say; the bare one says nothing --------------------------- */

void exempt(const char *reason, int64_t for_us);
void vital(int64_t beat_every_us);
void beat(void);
struct token *shield(int64_t for_us, const char *reason);
void unshield(struct token *t);
void task_begin(struct token *t, const char *name, int64_t deadline_in_us);
void task_end(void);
void extend(int64_t usec); /* EXTEND_TIMEOUT_USEC: in both */

/* ---- corpus.c ------------------------------------------------------------------------------------ */

int64_t now_us(void);
unsigned some(unsigned least, unsigned most); /* the seed's choice */
void jitter(void);                            /* … of a moment's delay, which no row depends on */
void here(void);                              /* the calling thread is where it has to be */
void all_here(unsigned n);                    /* so many said so, since the beginning */
void tell(const char *name, long value);      /* write it where the judge of the row reads it */
void serve(void);                             /* ready; returns when the process has to leave */
void say_ready(void);

/* cond_wait - @t NULL: as pthread_cond_wait(). Return: its token is cancelled. */
bool cond_wait_token(pthread_cond_t *cond, pthread_mutex_t *mutex, struct token *t);

ALWAYS_INLINE bool
cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, struct token *t)
{
    if (t)
        return cond_wait_token(cond, mutex, t);
    (void)pthread_cond_wait(cond, mutex);
    return false;
}

/* A queue of up to `room` things; `room` 0: who puts waits until it was taken. */
struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned room, n;
    unsigned takers; /* who wait, where room is 0 */
    bool closed;
};

#define QUEUE(size)                                                                             \
    {                                                                                           \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .room = (size) \
    }

/* @t NULL: for ever. Return: done. */
ALWAYS_INLINE bool
queue_put(struct queue *q, struct token *t)
{
    bool left = false;

    (void)pthread_mutex_lock(&q->mutex);
    while (!left && !q->closed && q->n >= (q->room ? q->room : q->takers))
        left = cond_wait(&q->changed, &q->mutex, t);
    if (!left && !q->closed)
        q->n++;
    left |= q->closed;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->mutex);
    return !left;
}

ALWAYS_INLINE bool
queue_get(struct queue *q, struct token *t)
{
    bool got, left = false;

    (void)pthread_mutex_lock(&q->mutex);
    q->takers++;
    (void)pthread_cond_broadcast(&q->changed);
    while (!left && !q->closed && q->n == 0)
        left = cond_wait(&q->changed, &q->mutex, t);
    got = q->n > 0;
    q->n -= got;
    q->takers--;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->mutex);
    return got;
}

ALWAYS_INLINE void
queue_close(struct queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->closed = true;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->mutex);
}

#define NOINLINE __attribute__((noinline))
/* A wait that is the last thing a function does would be a jump, and the frame be gone. */
#define NOT_THE_LAST() __asm__ volatile("" ::: "memory")

#endif
