/* SPDX-License-Identifier: GPL-2.0-or-later */

/* H: what is built of locks, conditions and calls, as programs do. */
#include <errno.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* H13: whom it connects to has a full line and takes nobody in. */
static struct sockaddr_un h13_at = {.sun_family = AF_UNIX};
static int h13_listener;

static NOINLINE THREAD_RESULT
h13_dial(void *arg)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)arg;
    here();
    while (connect(fd, (const struct sockaddr *)&h13_at, sizeof(h13_at)) == -1 && errno == EINTR)
        ;
    (void)close(fd);
    LEAVE;
}

void
row_H13(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    h13_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(h13_at.sun_path, sizeof(h13_at.sun_path), "h13.%d", (int)getpid());
    (void)bind(h13_listener, (const struct sockaddr *)&h13_at, sizeof(h13_at));
    (void)listen(h13_listener, 0);
    (void)connect(fd, (const struct sockaddr *)&h13_at, sizeof(h13_at));
    (void)spawn(root(), "h13-dial", h13_dial, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(h13_listener);
    join_all();
}

/* H14: it connects, is refused, waits a little longer, and tries again. */
static NOINLINE THREAD_RESULT
h14_connect_again(void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(1)};
    int64_t wait_us = 1000;

    (void)arg;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    here();
    for (int r = -1; r == -1 && !(fixed && token_cancelled(root()));) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        r = connect(fd, (const struct sockaddr *)&at, sizeof(at));
        (void)close(fd);
        (void)token_await(NULL, wait_us);
        wait_us = wait_us < 40000 ? wait_us * 2 : wait_us;
    }
    LEAVE;
}

void
row_H14(void)
{
    (void)spawn(root(), "h14-connect", h14_connect_again, NULL);
    all_here(1);
    serve();
    join_all();
}

/* H15: it has the lock for writing and waits for a word; the readers want the lock. */
static pthread_rwlock_t h15_table = PTHREAD_RWLOCK_INITIALIZER;
static struct queue h15_words = QUEUE(1);

static NOINLINE THREAD_RESULT
h15_writer(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_wrlock(&h15_table);
    here();
    (void)queue_get(&h15_words, fixed ? root() : NULL);
    (void)pthread_rwlock_unlock(&h15_table);
    LEAVE;
}

static NOINLINE THREAD_RESULT
h15_reader(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_rdlock(&h15_table);
    (void)pthread_rwlock_unlock(&h15_table);
    LEAVE;
}

void
row_H15(void)
{
    (void)spawn(root(), "h15-writer", h15_writer, NULL);
    all_here(1);
    for (unsigned i = some(1, 4); i > 0; i--)
        (void)spawn(root(), "h15-reader", h15_reader, NULL);
    serve();
    join_all();
}

/* H16: two try the other's lock, let go of their own, and try again, politely and for ever. */
static pthread_mutex_t h16_a = PTHREAD_MUTEX_INITIALIZER, h16_b = PTHREAD_MUTEX_INITIALIZER,
                       h16_held = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
h16_try_again(void *arg)
{
    here();
    while (!(fixed && token_cancelled(root()))) {
        (void)pthread_mutex_lock(arg);
        if (pthread_mutex_trylock(&h16_held) == 0)
            break;
        (void)pthread_mutex_unlock(arg);
        (void)token_await(NULL, 5000);
    }
    LEAVE;
}

void
row_H16(void)
{
    (void)pthread_mutex_lock(&h16_held);
    (void)spawn(root(), "h16-try-a", h16_try_again, &h16_a);
    (void)spawn(root(), "h16-try-b", h16_try_again, &h16_b);
    all_here(2);
    serve();
    join_all();
}

/* H17: the word came before it waited, and is not said twice. */
static pthread_mutex_t h17_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t h17_cond = PTHREAD_COND_INITIALIZER;
static bool h17_said;

static NOINLINE THREAD_RESULT
h17_listen(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h17_mutex);
    here();
    if (!fixed)
        (void)pthread_cond_wait(&h17_cond, &h17_mutex);
    else
        while (!h17_said)
            (void)pthread_cond_wait(&h17_cond, &h17_mutex);
    (void)pthread_mutex_unlock(&h17_mutex);
    LEAVE;
}

void
row_H17(void)
{
    (void)pthread_cond_broadcast(&h17_cond);
    (void)spawn(root(), "h17-listen", h17_listen, NULL);
    all_here(1);
    serve();
    (void)pthread_mutex_lock(&h17_mutex);
    h17_said = true;
    if (fixed)
        (void)pthread_cond_broadcast(&h17_cond);
    (void)pthread_mutex_unlock(&h17_mutex);
    join_all();
}

/* H18: a lock that outlives its holders, whose holder sleeps for hours. */
static pthread_mutex_t h18_robust;

static NOINLINE THREAD_RESULT
h18_sleeper(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h18_robust);
    here();
    (void)token_await(fixed ? root() : NULL, INT64_C(7200000000) / 8);
    (void)pthread_mutex_unlock(&h18_robust);
    LEAVE;
}

static NOINLINE THREAD_RESULT
h18_next(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h18_robust);
    (void)pthread_mutex_unlock(&h18_robust);
    LEAVE;
}

void
row_H18(void)
{
    pthread_mutexattr_t attr;

    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    (void)pthread_mutex_init(&h18_robust, &attr);
    (void)spawn(root(), "h18-sleeper", h18_sleeper, NULL);
    all_here(1);
    (void)spawn(root(), "h18-next", h18_next, NULL);
    serve();
    join_all();
}

/* H19: it works under a lock that all others want, and does not stop. */
static pthread_mutex_t h19_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned h19_sum;

static NOINLINE THREAD_RESULT
h19_compute(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h19_lock);
    here();
    while (!(fixed && token_cancelled(root())))
        h19_sum = h19_sum * 3 + 1;
    (void)pthread_mutex_unlock(&h19_lock);
    LEAVE;
}

static NOINLINE THREAD_RESULT
h19_next(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h19_lock);
    (void)pthread_mutex_unlock(&h19_lock);
    LEAVE;
}

void
row_H19(void)
{
    (void)spawn(root(), "h19-compute", h19_compute, NULL);
    all_here(1);
    for (unsigned i = some(1, 4); i > 0; i--)
        (void)spawn(root(), "h19-next", h19_next, NULL);
    serve();
    join_all();
}

/* H20: it gives its turn away, and takes the next one. */
static NOINLINE THREAD_RESULT
h20_yield(void *arg)
{
    (void)arg;
    here();
    while (!(fixed && token_cancelled(root())))
        (void)sched_yield();
    LEAVE;
}

void
row_H20(void)
{
    (void)spawn(root(), "h20-yield", h20_yield, NULL);
    all_here(1);
    serve();
    join_all();
}

/* H21: a word of its own, waited for with the system call itself. */
static uint32_t h21_word;

static NOINLINE THREAD_RESULT
h21_wait(void *arg)
{
    here();
    while (__atomic_load_n(&h21_word, __ATOMIC_ACQUIRE) == 0)
        (void)syscall(SYS_futex, arg, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    LEAVE;
}

void
row_H21(void)
{
    (void)spawn(root(), "h21-wait", h21_wait, &h21_word);
    all_here(1);
    serve();
    if (fixed) {
        __atomic_store_n(&h21_word, 1, __ATOMIC_RELEASE);
        (void)syscall(SYS_futex, &h21_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    join_all();
}

/* H22: a lock is asked for with a limit, over and over; the holder left with it. */
static pthread_mutex_t h22_lock = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
h22_holder(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h22_lock);
    here();
    (void)token_await(fixed ? root() : NULL, NEVER);
    (void)pthread_mutex_unlock(&h22_lock);
    LEAVE;
}

static NOINLINE THREAD_RESULT
h22_ask_again(void *arg)
{
    struct timespec until;

    (void)arg;
    here();
    do {
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
    } while (pthread_mutex_timedlock(&h22_lock, &until) == ETIMEDOUT &&
             !(fixed && token_cancelled(root())));
    LEAVE;
}

void
row_H22(void)
{
    (void)spawn(root(), "h22-holder", h22_holder, NULL);
    all_here(1);
    (void)spawn(root(), "h22-ask", h22_ask_again, NULL);
    all_here(2);
    serve();
    join_all();
}
