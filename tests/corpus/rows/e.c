/* SPDX-License-Identifier: GPL-2.0-or-later */

/* E: a lock on one side, a message, a count or an end on the other. */
#include "tests/corpus/corpus.h"

/* E01: stop waits under the lock for a task that needs the lock. */
static pthread_mutex_t e01_stopper = PTHREAD_MUTEX_INITIALIZER;
static struct thread *e01_task;

static NOINLINE THREAD_RESULT
e01_task_run(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    if (!fixed)
        all_here(3); /* … and the stopper has the lock */
    (void)pthread_mutex_lock(&e01_stopper);
    (void)pthread_mutex_unlock(&e01_stopper);
    LEAVE;
}

static NOINLINE THREAD_RESULT
e01_stop_run(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    if (!fixed)
        (void)pthread_mutex_lock(&e01_stopper);
    here();
    join(e01_task);
    if (!fixed)
        (void)pthread_mutex_unlock(&e01_stopper);
    LEAVE;
}

void
row_E01(void)
{
    e01_task = spawn(root(), "e01-task", e01_task_run, NULL);
    mine(e01_task);
    (void)spawn(root(), "e01-stop", e01_stop_run, NULL);
    all_here(2);
    serve();
    join_all();
}

/* E02: it sends under the lock that the receiver takes before it receives. */
static pthread_mutex_t e02_lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue e02_messages = QUEUE(0);

static NOINLINE THREAD_RESULT
e02_sender(void *arg)
{
    (void)arg;
    if (!fixed)
        (void)pthread_mutex_lock(&e02_lock);
    here();
    (void)queue_put(&e02_messages, NULL);
    if (!fixed)
        (void)pthread_mutex_unlock(&e02_lock);
    LEAVE;
}

static NOINLINE THREAD_RESULT
e02_receiver(void *arg)
{
    (void)arg;
    all_here(1);
    here();
    (void)pthread_mutex_lock(&e02_lock);
    (void)pthread_mutex_unlock(&e02_lock);
    (void)queue_get(&e02_messages, NULL);
    LEAVE;
}

void
row_E02(void)
{
    (void)spawn(root(), "e02-sender", e02_sender, NULL);
    (void)spawn(root(), "e02-receiver", e02_receiver, NULL);
    all_here(2);
    serve();
    join_all();
}

/* E03: in the loop that starts N it waits for N. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned n;
} e03_group = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static NOINLINE THREAD_RESULT
e03_plugin(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&e03_group.mutex);
    e03_group.n--;
    (void)pthread_cond_broadcast(&e03_group.changed);
    (void)pthread_mutex_unlock(&e03_group.mutex);
    LEAVE;
}

static NOINLINE void
e03_wait(void)
{
    (void)pthread_mutex_lock(&e03_group.mutex);
    while (e03_group.n > 0)
        (void)pthread_cond_wait(&e03_group.changed, &e03_group.mutex);
    (void)pthread_mutex_unlock(&e03_group.mutex);
}

static NOINLINE THREAD_RESULT
e03_load_all(void *arg)
{
    (void)arg;
    e03_group.n = 3;
    for (unsigned i = 0; i < 3; i++) {
        join(spawn(root(), "e03-plugin", e03_plugin, NULL));
        if (i == 0)
            here();
        if (!fixed)
            e03_wait();
    }
    e03_wait();
    LEAVE;
}

void
row_E03(void)
{
    (void)spawn(root(), "e03-loader", e03_load_all, NULL);
    all_here(1);
    serve();
    join_all();
}

/* E04: a count that goes up once more than down. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int n;
} e04_group = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static NOINLINE THREAD_RESULT
e04_wait_all(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&e04_group.mutex);
    here();
    while (e04_group.n > 0)
        (void)pthread_cond_wait(&e04_group.changed, &e04_group.mutex);
    (void)pthread_mutex_unlock(&e04_group.mutex);
    LEAVE;
}

void
row_E04(void)
{
    e04_group.n = fixed ? 0 : (int)some(1, 3);
    (void)spawn(root(), "e04-waiter", e04_wait_all, NULL);
    all_here(1);
    serve();
    join_all();
}

/* E05: stop holds the lock and waits for the end of the loop that wants it. */
static pthread_mutex_t e05_broadcast = PTHREAD_MUTEX_INITIALIZER;
static struct queue e05_wake = QUEUE(1);
static struct thread *e05_loop;

static NOINLINE THREAD_RESULT
e05_run_loop(void *arg)
{
    (void)arg;
    here();
    while (queue_get(&e05_wake, NULL)) {
        (void)pthread_mutex_lock(&e05_broadcast);
        (void)pthread_mutex_unlock(&e05_broadcast);
    }
    LEAVE;
}

static NOINLINE void
e05_stop(void)
{
    (void)pthread_mutex_lock(&e05_broadcast);
    (void)queue_put(&e05_wake, NULL);
    if (fixed)
        (void)pthread_mutex_unlock(&e05_broadcast);
    queue_close(&e05_wake);
    join(e05_loop);
    if (!fixed)
        (void)pthread_mutex_unlock(&e05_broadcast);
}

static NOINLINE THREAD_RESULT
e05_stop_run(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    e05_stop();
    LEAVE;
}

void
row_E05(void)
{
    e05_loop = spawn(root(), "e05-loop", e05_run_loop, NULL);
    mine(e05_loop);
    (void)spawn(root(), "e05-stop", e05_stop_run, NULL);
    all_here(2);
    serve();
    join_all();
}

/* E07: the keepalive sleeps under the stream's lock until somebody wakes it, who needs that lock. */
static pthread_mutex_t e07_streams = PTHREAD_MUTEX_INITIALIZER;
static struct queue e07_awaken = QUEUE(1);

static NOINLINE THREAD_RESULT
e07_keepalive(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&e07_streams);
    here();
    if (fixed)
        (void)pthread_mutex_unlock(&e07_streams);
    (void)queue_get(&e07_awaken, NULL);
    if (!fixed)
        (void)pthread_mutex_unlock(&e07_streams);
    LEAVE;
}

static NOINLINE THREAD_RESULT
e07_new_stream(void *arg)
{
    (void)arg;
    all_here(1);
    here();
    (void)pthread_mutex_lock(&e07_streams);
    (void)queue_put(&e07_awaken, NULL);
    (void)pthread_mutex_unlock(&e07_streams);
    LEAVE;
}

void
row_E07(void)
{
    (void)spawn(root(), "e07-keepalive", e07_keepalive, NULL);
    (void)spawn(root(), "e07-stream", e07_new_stream, NULL);
    all_here(2);
    serve();
    join_all();
}
