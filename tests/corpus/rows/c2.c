/* SPDX-License-Identifier: GPL-2.0-or-later */

/* C, continued. */
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

#define GRACE_US 300000

/* C12: it connects, and nobody ever accepts: see C14 for who accepts and is not asked. */

/* C13: each restart within the process leaves one behind that waits. */
static struct queue c13_agents = QUEUE(0);

static NOINLINE THREAD_RESULT
c13_wait_for_agent(void *arg)
{
    here();
    (void)queue_get(&c13_agents, fixed ? arg : NULL);
    LEAVE;
}

static NOINLINE struct scope *
c13_restart(unsigned epoch)
{
    char label[32];
    struct scope *s;

    (void)snprintf(label, sizeof(label), "epoch-%u", epoch);
    s = generation_open(label);
    (void)scope_spawn(s, "c13-waiter", c13_wait_for_agent, scope_token(s));
    return s;
}

void
row_C13(void)
{
    unsigned n = some(3, 5);

    tell("count", n);
    for (unsigned i = 0; i < n; i++) {
        struct scope *s = c13_restart(i);

        all_here(i + 1);
        generation_retire(s, GRACE_US);
    }
    serve();
    join_all();
}

/* C14: a line that was asked for and is never answered. */
static int c14_ends[2];

static NOINLINE THREAD_RESULT
c14_await_answer(void *arg)
{
    struct pollfd p = {.fd = c14_ends[0], .events = POLLIN};

    (void)arg;
    here();
    (void)poll(&p, 1, -1);
    LEAVE;
}

void
row_C14(void)
{
    if (pipe(c14_ends) == -1)
        return;
    (void)spawn(root(), "c14-asker", c14_await_answer, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(c14_ends[1]);
    join_all();
}

/* C15: a poller looks, every so often, at a flag that nobody sets. */
static volatile bool c15_done;

static NOINLINE THREAD_RESULT
c15_poll_until_done(void *arg)
{
    struct timespec period = {.tv_nsec = (long)some(5, 30) * 1000000};

    (void)arg;
    here();
    while (!c15_done)
        (void)nanosleep(&period, NULL);
    LEAVE;
}

void
row_C15(void)
{
    (void)spawn(root(), "c15-poller", c15_poll_until_done, NULL);
    all_here(1);
    serve();
    if (fixed)
        c15_done = true;
    join_all();
}

/* C17: it reports an error before it looks whether it should leave. */
static struct queue c17_errors = QUEUE(1);

static NOINLINE THREAD_RESULT
c17_watch_errors(void *arg)
{
    (void)arg;
    (void)queue_put(&c17_errors, NULL);
    while (!token_cancelled(root())) {
        here();
        (void)queue_put(&c17_errors, fixed ? root() : NULL);
    }
    LEAVE;
}

void
row_C17(void)
{
    (void)spawn(root(), "c17-watcher", c17_watch_errors, NULL);
    all_here(1);
    serve();
    join_all();
}

/* C19: the consumer died of an assertion, and the producer does not know. */
static struct queue c19_events = QUEUE(1);

static NOINLINE THREAD_RESULT
c19_consumer(void *arg)
{
    (void)queue_get(arg, NULL);
    here();
    LEAVE; /* "this cannot happen" */
}

static NOINLINE THREAD_RESULT
c19_producer(void *arg)
{
    while (queue_put(arg, fixed ? root() : NULL))
        ;
    LEAVE;
}

void
row_C19(void)
{
    struct thread *consumer = spawn(root(), "c19-consumer", c19_consumer, &c19_events);

    (void)spawn(root(), "c19-producer", c19_producer, &c19_events);
    all_here(1);
    join(consumer);
    serve();
    join_all();
}

/* C20: the first of a chain of queues is closed, the others are not. */
static struct queue c20_stages[3] = {QUEUE(1), QUEUE(1), QUEUE(1)};

static NOINLINE THREAD_RESULT
c20_stage(void *arg)
{
    struct queue *in = arg;

    here();
    while (queue_get(in, NULL))
        ;
    if (fixed && in < &c20_stages[2])
        queue_close(in + 1);
    LEAVE;
}

void
row_C20(void)
{
    for (unsigned i = 0; i < 3; i++)
        (void)spawn(root(), "c20-stage", c20_stage, &c20_stages[i]);
    all_here(3);
    serve();
    queue_close(&c20_stages[0]);
    join_all();
}

/*
 * C21: who removes a watch waits until the reader has seen that it is gone; the reader delivers an
 * event, which is for the one that waits.
 */
static struct {
    int fd, watch;
    struct queue events;
    pthread_mutex_t mutex;
    pthread_cond_t ignored;
    bool gone;
} c21_watcher = {
    .events = QUEUE(0), .mutex = PTHREAD_MUTEX_INITIALIZER, .ignored = PTHREAD_COND_INITIALIZER};

static void
c21_tell_ignored(void)
{
    (void)pthread_mutex_lock(&c21_watcher.mutex);
    c21_watcher.gone = true;
    (void)pthread_cond_broadcast(&c21_watcher.ignored);
    (void)pthread_mutex_unlock(&c21_watcher.mutex);
}

static NOINLINE THREAD_RESULT
c21_read_events(void *arg)
{
    char buffer[4096] __attribute__((aligned(8)));

    (void)arg;
    while (!c21_watcher.gone) {
        ssize_t n = read(c21_watcher.fd, buffer, sizeof(buffer));
        const struct inotify_event *e = (const struct inotify_event *)(const void *)buffer;

        for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*e) + e->len)) {
            e = (const struct inotify_event *)(const void *)(buffer + at);
            if (e->mask & IN_IGNORED) {
                c21_tell_ignored();
                break;
            }
            here();
            (void)queue_put(&c21_watcher.events, fixed ? root() : NULL);
        }
    }
    LEAVE;
}

static NOINLINE THREAD_RESULT
c21_remove_watch(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    (void)inotify_rm_watch(c21_watcher.fd, c21_watcher.watch);
    (void)pthread_mutex_lock(&c21_watcher.mutex);
    while (!c21_watcher.gone)
        (void)pthread_cond_wait(&c21_watcher.ignored, &c21_watcher.mutex);
    (void)pthread_mutex_unlock(&c21_watcher.mutex);
    LEAVE;
}

void
row_C21(void)
{
    c21_watcher.fd = inotify_init1(IN_CLOEXEC);
    c21_watcher.watch = inotify_add_watch(c21_watcher.fd, ".", IN_MOVED_TO);
    (void)spawn(root(), "c21-reader", c21_read_events, NULL);
    (void)spawn(root(), "c21-remover", c21_remove_watch, NULL);
    tell("event", 1); /* by rename */
    all_here(2);
    serve();
    join_all();
}
