/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A: threads that wait for what does not come. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* A01: it waits on a queue that nobody fills. */
static struct queue a01_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
a01_blocked_run(void *arg)
{
    here();
    BLOCK("for an item", &a01_queue)
    (void)queue_get(arg, fixed ? root() : NULL);
    LEAVE;
}

static NOINLINE void
a01_start_blocked(void)
{
    (void)spawn(root(), "a01-receiver", a01_blocked_run, &a01_queue);
    NOT_THE_LAST();
}

void
row_A01(void)
{
    a01_start_blocked();
    all_here(1);
    serve();
    join_all();
}

/* A02: it puts into a queue that is full. */
static struct queue a02_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
a02_sender_run(void *arg)
{
    (void)queue_put(arg, NULL);
    here();
    (void)queue_put(arg, fixed ? root() : NULL);
    LEAVE;
}

void
row_A02(void)
{
    (void)spawn(root(), "a02-sender", a02_sender_run, &a02_queue);
    all_here(1);
    serve();
    join_all();
}

/* A03: it leaves a millisecond late. */
static NOINLINE THREAD_RESULT
a03_late_run(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    if (!fixed)
        (void)token_await(NULL, 1000);
    LEAVE;
}

void
row_A03(void)
{
    (void)spawn(root(), "a03-late", a03_late_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A04: it waits for events of nothing. */
static NOINLINE THREAD_RESULT
a04_events_run(void *arg)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);

    (void)arg;
    if (fixed)
        (void)epoll_ctl(fd, EPOLL_CTL_ADD, token_fd(root()), &event);
    here();
    while (epoll_wait(fd, &event, 1, -1) < 0)
        ;
    (void)close(fd);
    LEAVE;
}

void
row_A04(void)
{
    (void)spawn(root(), "a04-events", a04_events_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A05: it leaves too late by half of its grace: of 3 s. */
static NOINLINE THREAD_RESULT
a05_tardy_run(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    (void)token_await(NULL, fixed ? 1000000 : 4500000);
    LEAVE;
}

void
row_A05(void)
{
    (void)spawn(root(), "a05-tardy", a05_tardy_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A06: a loop that sleeps and works, and does not look at its token. */
static NOINLINE THREAD_RESULT
a06_ticker_run(void *arg)
{
    (void)arg;
    here();
    while (!fixed || !token_cancelled(root())) {
        struct timespec ts = {.tv_nsec = 20000000};

        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
    }
    LEAVE;
}

void
row_A06(void)
{
    (void)spawn(root(), "a06-ticker", a06_ticker_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A07: two of a kind, one of which was there before and may stay. */
static struct queue a07_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
a07_reader_run(void *arg)
{
    here();
    (void)queue_get(&a07_queue, fixed || arg == root() ? arg : NULL);
    LEAVE;
}

void
row_A07(void)
{
    struct scope *session;

    (void)spawn(root(), "a07-old", a07_reader_run, root());
    all_here(1);
    session = scope_open("session");
    (void)scope_spawn(session, "a07-new", a07_reader_run, scope_token(session));
    all_here(2);
    scope_close(session, 200000);
    serve();
    join_all();
}

/* A09: nobody ever made the other end. */
static sem_t a09_never;

static NOINLINE THREAD_RESULT
a09_taker_run(void *arg)
{
    struct timespec until;

    (void)arg;
    here();
    while (fixed && !token_cancelled(root())) {
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        (void)sem_timedwait(&a09_never, &until);
    }
    if (!fixed)
        (void)sem_wait(&a09_never);
    LEAVE;
}

void
row_A09(void)
{
    (void)sem_init(&a09_never, 0, 0);
    (void)spawn(root(), "a09-taker", a09_taker_run, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)sem_post(&a09_never);
    join_all();
}

/* A10: one party of a barrier is missing. */
static pthread_barrier_t a10_barrier;

static NOINLINE THREAD_RESULT
a10_party_run(void *arg)
{
    (void)arg;
    here();
    if (!fixed)
        (void)pthread_barrier_wait(&a10_barrier);
    LEAVE;
}

void
row_A10(void)
{
    unsigned n = some(2, 4);

    (void)pthread_barrier_init(&a10_barrier, NULL, n + 1);
    tell("count", n);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "a10-party", a10_party_run, NULL);
    all_here(n);
    serve();
    join_all();
}

/* A11: nothing wrong: the first thread sleeps until a signal comes. */
void
row_A11(void)
{
    struct queue *q = &a01_queue;

    (void)spawn(root(), "a11-worker", a01_blocked_run, q);
    all_here(1);
    say_ready();
    while (!token_cancelled(root()))
        (void)pause();
    queue_close(q);
    join_all();
}

/* A12: it waits for a signal that it has to itself. */
static NOINLINE THREAD_RESULT
a12_signals_run(void *arg)
{
    sigset_t usr;
    struct timespec a_while = {.tv_nsec = 50000000};

    (void)arg;
    (void)sigemptyset(&usr);
    (void)sigaddset(&usr, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &usr, NULL);
    here();
    if (fixed)
        while (!token_cancelled(root()))
            (void)sigtimedwait(&usr, NULL, &a_while);
    else
        (void)sigwaitinfo(&usr, NULL);
    LEAVE;
}

void
row_A12(void)
{
    (void)spawn(root(), "a12-signals", a12_signals_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A13: what it waits on is reachable from everywhere. */
struct queue a13_global = QUEUE(1);

static NOINLINE THREAD_RESULT
a13_waiter_run(void *arg)
{
    (void)arg;
    here();
    (void)queue_get(&a13_global, fixed ? root() : NULL);
    LEAVE;
}

void
row_A13(void)
{
    (void)spawn(root(), "a13-waiter", a13_waiter_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A14: it does not wait at all. */
static volatile bool a14_stop;

static NOINLINE THREAD_RESULT
a14_spinner_run(void *arg)
{
    (void)arg;
    here();
    while (!a14_stop)
        if (fixed && token_cancelled(root()))
            break;
    LEAVE;
}

void
row_A14(void)
{
    (void)spawn(root(), "a14-spinner", a14_spinner_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A15: a thousand threads lock what they have locked. */
static NOINLINE THREAD_RESULT
a15_relock_run(void *arg)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t own;

    (void)arg;
    (void)pthread_mutexattr_init(&attr);
    if (fixed)
        (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    (void)pthread_mutex_init(&own, &attr);
    (void)pthread_mutex_lock(&own);
    here();
    (void)pthread_mutex_lock(&own);
    (void)pthread_mutex_unlock(&own);
    LEAVE;
}

static NOINLINE void
a15_start_thousand(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "a15-relock", a15_relock_run, NULL);
}

void
row_A15(void)
{
    a15_start_thousand(1000);
    all_here(1000);
    serve();
    join_all();
}
