/* SPDX-License-Identifier: GPL-2.0-or-later */

/* B: the patterns that a study of a large code base found most (CGO'24). */
#include <errno.h>

#include "tests/corpus/corpus.h"

/* B01: N consumers of a queue that nobody closes. */
static struct queue b01_jobs = QUEUE(16);

static NOINLINE THREAD_RESULT
b01_consume(void *arg)
{
    here();
    while (queue_get(arg, NULL))
        jitter();
    LEAVE;
}

static NOINLINE void
b01_start_consumers(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "b01-consumer", b01_consume, &b01_jobs);
}

void
row_B01(void)
{
    unsigned n = some(3, 8), jobs = some(0, 12);

    tell("count", n);
    b01_start_consumers(n);
    all_here(n);
    for (unsigned i = 0; i < jobs; i++)
        (void)queue_put(&b01_jobs, NULL);
    serve();
    if (fixed)
        queue_close(&b01_jobs);
    join_all();
}

/* B02: it gives two answers, and one is taken. */
static struct queue b02_answers = QUEUE(0);

static NOINLINE THREAD_RESULT
b02_answer_twice(void *arg)
{
    (void)queue_put(arg, NULL);
    here();
    if (!fixed)
        (void)queue_put(arg, NULL);
    LEAVE;
}

void
row_B02(void)
{
    (void)spawn(root(), "b02-answer", b02_answer_twice, &b02_answers);
    (void)queue_get(&b02_answers, NULL);
    all_here(1);
    serve();
    join_all();
}

/* B03: it has a stop flag, and nobody calls what sets it. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stop;
} b03_worker = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static NOINLINE THREAD_RESULT
b03_worker_run(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&b03_worker.mutex);
    here();
    while (!b03_worker.stop)
        (void)pthread_cond_wait(&b03_worker.changed, &b03_worker.mutex);
    (void)pthread_mutex_unlock(&b03_worker.mutex);
    LEAVE;
}

static NOINLINE void
b03_worker_start(void)
{
    (void)spawn(root(), "b03-worker", b03_worker_run, NULL);
    NOT_THE_LAST();
}

static NOINLINE void
b03_worker_stop(void)
{
    (void)pthread_mutex_lock(&b03_worker.mutex);
    b03_worker.stop = true;
    (void)pthread_cond_broadcast(&b03_worker.changed);
    (void)pthread_mutex_unlock(&b03_worker.mutex);
}

void
row_B03(void)
{
    b03_worker_start();
    all_here(1);
    serve();
    if (fixed)
        b03_worker_stop();
    join_all();
}

/* B04: who waited for the answer waited a limited time. */
static struct queue b04_answer = QUEUE(0);

static NOINLINE THREAD_RESULT
b04_slow_answer(void *arg)
{
    (void)token_await(arg, NEVER); /* until nobody waits any more */
    here();
    (void)queue_put(&b04_answer, fixed ? root() : NULL);
    LEAVE;
}

void
row_B04(void)
{
    struct token *patience = token_new(root(), "patience");

    (void)spawn(root(), "b04-answer", b04_slow_answer, patience);
    token_cancel(patience);
    all_here(1);
    serve();
    join_all();
}

/* B05: who started it returns before it takes the result. */
static struct queue b05_result = QUEUE(0);

static NOINLINE THREAD_RESULT
b05_compute(void *arg)
{
    here();
    (void)queue_put(arg, fixed ? root() : NULL);
    LEAVE;
}

static NOINLINE int
b05_parse(int broken)
{
    (void)spawn(root(), "b05-compute", b05_compute, &b05_result);
    if (broken)
        return -EINVAL;
    return queue_get(&b05_result, NULL) ? 0 : -EIO;
}

void
row_B05(void)
{
    (void)b05_parse(1);
    all_here(1);
    serve();
    join_all();
}

/* B06: N give an answer, and the first is enough. */
static struct queue b06_answers = QUEUE(0);

static NOINLINE THREAD_RESULT
b06_replica(void *arg)
{
    here();
    (void)queue_put(arg, fixed ? root() : NULL);
    LEAVE;
}

void
row_B06(void)
{
    unsigned n = some(3, 6);

    tell("count", n - 1);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "b06-replica", b06_replica, &b06_answers);
    all_here(n);
    (void)queue_get(&b06_answers, NULL);
    serve();
    join_all();
}

/* B07: it takes the first of no answers. */
static struct queue b07_answers = QUEUE(0);

static NOINLINE THREAD_RESULT
b07_first_of(void *arg)
{
    unsigned senders = 0;

    here();
    if (!fixed || senders > 0)
        (void)queue_get(arg, NULL);
    LEAVE;
}

void
row_B07(void)
{
    (void)spawn(root(), "b07-first", b07_first_of, &b07_answers);
    all_here(1);
    serve();
    join_all();
}

/* B08: who is to take goes on with the next item before it took the last. */
static struct queue b08_work = QUEUE(0), b08_done = QUEUE(0);

static NOINLINE THREAD_RESULT
b08_worker(void *arg)
{
    (void)arg;
    while (queue_get(&b08_work, fixed ? root() : NULL)) {
        here();
        (void)queue_put(&b08_done, fixed ? root() : NULL);
    }
    LEAVE;
}

void
row_B08(void)
{
    unsigned n = some(2, 5);

    tell("count", n);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "b08-worker", b08_worker, NULL);
    for (unsigned i = 0; i < n; i++)
        (void)queue_put(&b08_work, NULL);
    all_here(n);
    serve();
    join_all();
}
