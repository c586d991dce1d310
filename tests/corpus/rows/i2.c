/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I: helpers of libc, handlers, who waits for whom. */
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* I10: the answer of a resolver is given to a function of ours, by a thread of libc's, and never taken. */
static pthread_mutex_t i10_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t i10_taken = PTHREAD_COND_INITIALIZER;
static bool i10_over;
static unsigned i10_pending = 1;

static NOINLINE void
i10_answered(union sigval v)
{
    (void)v;
    (void)pthread_mutex_lock(&i10_mutex);
    here();
    while (!i10_over)
        (void)pthread_cond_wait(&i10_taken, &i10_mutex);
    i10_pending = 0;
    (void)pthread_cond_broadcast(&i10_taken);
    (void)pthread_mutex_unlock(&i10_mutex);
}

void
row_I10(void)
{
    static struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    static struct gaicb ask = {.ar_name = "127.0.0.1", .ar_request = &hints};
    static struct gaicb *list[] = {&ask};
    struct sigevent told = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = i10_answered};

    if (getaddrinfo_a(GAI_NOWAIT, list, 1, &told) != 0)
        return;
    all_here(1);
    serve();
    (void)pthread_mutex_lock(&i10_mutex);
    i10_over = fixed;
    (void)pthread_cond_broadcast(&i10_taken);
    while (i10_pending)
        (void)pthread_cond_wait(&i10_taken, &i10_mutex);
    (void)pthread_mutex_unlock(&i10_mutex);
}

/* I11: the function of a timer waits for room in a queue that nobody empties. */
static struct queue i11_reports = QUEUE(1);
static sem_t i11_done;

static NOINLINE void
i11_on_timer(union sigval v)
{
    (void)v;
    (void)queue_put(&i11_reports, NULL);
    here();
    (void)queue_put(&i11_reports, NULL);
    (void)sem_post(&i11_done);
}

void
row_I11(void)
{
    struct sigevent told = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = i11_on_timer};
    struct itimerspec at = {.it_value = {.tv_nsec = 1000000}};
    timer_t timer;

    (void)sem_init(&i11_done, 0, 0);
    if (timer_create(CLOCK_MONOTONIC, &told, &timer) != 0)
        return;
    (void)timer_settime(timer, 0, &at, NULL);
    all_here(1);
    serve();
    if (fixed)
        queue_close(&i11_reports);
    while (sem_wait(&i11_done) != 0)
        ;
}

/* I12: a handler of a signal takes the lock that is held by what it interrupts. */
static pthread_mutex_t i12_log = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE void
i12_handler(int sig)
{
    (void)sig;
    (void)pthread_mutex_lock(&i12_log);
    NOT_THE_LAST();
    (void)pthread_mutex_unlock(&i12_log);
}

static NOINLINE THREAD_RESULT
i12_rotate(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i12_log);
    here();
    if (!fixed)
        (void)pthread_kill(pthread_self(), SIGUSR2);
    NOT_THE_LAST();
    (void)pthread_mutex_unlock(&i12_log);
    LEAVE;
}

void
row_I12(void)
{
    struct sigaction sa = {.sa_handler = i12_handler};

    (void)sigaction(SIGUSR2, &sa, NULL);
    (void)spawn(root(), "i12-rotate", i12_rotate, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I13: who forks has to have a lock first, and who has it waits for a client. */
static pthread_mutex_t i13_lock = PTHREAD_MUTEX_INITIALIZER;
static int i13_pair[2];

static NOINLINE void
i13_prepare(void)
{
    (void)pthread_mutex_lock(&i13_lock);
    NOT_THE_LAST();
}

static void
i13_after(void)
{
    (void)pthread_mutex_unlock(&i13_lock);
}

static NOINLINE THREAD_RESULT
i13_holder(void *arg)
{
    char c[16];

    (void)arg;
    (void)pthread_mutex_lock(&i13_lock);
    here();
    (void)recv(i13_pair[0], c, sizeof(c), 0);
    (void)pthread_mutex_unlock(&i13_lock);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i13_forks(void *arg)
{
    pid_t pid;

    (void)arg;
    here();
    pid = fork();
    if (pid == 0)
        _exit(0);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I13(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, i13_pair) == -1)
        return;
    (void)pthread_atfork(i13_prepare, i13_after, i13_after);
    (void)spawn(root(), "i13-holder", i13_holder, NULL);
    all_here(1);
    (void)spawn(root(), "i13-forks", i13_forks, NULL);
    all_here(2);
    serve();
    if (fixed)
        (void)shutdown(i13_pair[1], SHUT_RDWR);
    join_all();
}

/* I14: two wait for each other, by a join and by a word. */
static pthread_mutex_t i14_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t i14_cond = PTHREAD_COND_INITIALIZER;
static bool i14_may_go;

static NOINLINE THREAD_RESULT
i14_child(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i14_mutex);
    here();
    while (!i14_may_go)
        (void)pthread_cond_wait(&i14_cond, &i14_mutex);
    (void)pthread_mutex_unlock(&i14_mutex);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i14_parent(void *arg)
{
    struct thread *child = spawn(root(), "i14-child", i14_child, NULL);

    mine(child);
    here();
    while (!token_await(root(), NEVER))
        ;
    if (fixed) {
        (void)pthread_mutex_lock(&i14_mutex);
        i14_may_go = true;
        (void)pthread_cond_signal(&i14_cond);
        (void)pthread_mutex_unlock(&i14_mutex);
    }
    join(child);
    (void)pthread_mutex_lock(&i14_mutex);
    i14_may_go = true; /* too late */
    (void)pthread_mutex_unlock(&i14_mutex);
    (void)arg;
    LEAVE;
}

void
row_I14(void)
{
    (void)spawn(root(), "i14-parent", i14_parent, NULL);
    all_here(2);
    serve();
    join_all();
}

/* I15: a table is read, and then, under the same lock, to be written. */
static pthread_rwlock_t i15_table = PTHREAD_RWLOCK_INITIALIZER;

static NOINLINE THREAD_RESULT
i15_upgrade(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_rdlock(&i15_table);
    here();
    if (fixed)
        (void)pthread_rwlock_unlock(&i15_table);
    (void)pthread_rwlock_wrlock(&i15_table);
    (void)pthread_rwlock_unlock(&i15_table);
    LEAVE;
}

void
row_I15(void)
{
    (void)spawn(root(), "i15-upgrade", i15_upgrade, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I16: a reader left without a word; who writes waits for it. */
static pthread_rwlock_t i16_table = PTHREAD_RWLOCK_INITIALIZER;

static NOINLINE THREAD_RESULT
i16_reader(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_rdlock(&i16_table);
    if (fixed)
        (void)pthread_rwlock_unlock(&i16_table);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i16_writer(void *arg)
{
    (void)arg;
    here();
    (void)pthread_rwlock_wrlock(&i16_table);
    (void)pthread_rwlock_unlock(&i16_table);
    LEAVE;
}

void
row_I16(void)
{
    join(spawn(root(), "i16-reader", i16_reader, NULL));
    (void)spawn(root(), "i16-writer", i16_writer, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I17: a semaphore that is used as a lock; who has it waits for a backend, and others wait for it. */
static sem_t i17_slot;
static int i17_pair[2];

static NOINLINE void
i17_ask_backend(void)
{
    char c[64];

    (void)recv(i17_pair[0], c, sizeof(c), 0);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
i17_in(void *arg)
{
    (void)arg;
    (void)sem_wait(&i17_slot);
    here();
    i17_ask_backend();
    (void)sem_post(&i17_slot);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i17_outside(void *arg)
{
    (void)arg;
    here();
    (void)sem_wait(&i17_slot);
    (void)sem_post(&i17_slot);
    LEAVE;
}

void
row_I17(void)
{
    (void)sem_init(&i17_slot, 0, 1);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, i17_pair) == -1)
        return;
    (void)spawn(root(), "i17-in", i17_in, NULL);
    all_here(1);
    for (int i = 0; i < 2; i++)
        (void)spawn(root(), "i17-outside", i17_outside, NULL);
    all_here(3);
    serve();
    if (fixed)
        (void)shutdown(i17_pair[1], SHUT_RDWR);
    join_all();
}

/* I18: the first thread asks for it with a limit, again and again. */
static NOINLINE THREAD_RESULT
i18_deaf(void *arg)
{
    (void)arg;
    here();
    (void)queue_get(&i11_reports, NULL);
    LEAVE;
}

void
row_I18(void)
{
    static struct pollfd nothing = {.fd = -1};
    struct thread *t = spawn(root(), "i18-deaf", i18_deaf, &nothing);

    mine(t);
    all_here(1);
    serve();
    if (fixed)
        queue_close(&i11_reports);
    for (;;) { /* what a program does that counts its threads */
        (void)poll(&nothing, 1, 20);
        (void)pthread_mutex_lock(&i11_reports.mutex);
        if (i11_reports.closed && i11_reports.takers == 0) {
            (void)pthread_mutex_unlock(&i11_reports.mutex);
            return;
        }
        (void)pthread_mutex_unlock(&i11_reports.mutex);
    }
}
