/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I: loops that wait, the end of a process, and things that are as they should be. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* I42: nothing is there yet, says the socket, and it asks again in a millisecond. */
static NOINLINE THREAD_RESULT
i42_ask_again(void *arg)
{
    char c;

    here();
    while (recv(*(int *)arg, &c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN)
        (void)usleep(1000);
    LEAVE;
}

void
row_I42(void)
{
    static int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return;
    (void)spawn(root(), "i42-ask-again", i42_ask_again, &pair[0]);
    all_here(1);
    serve();
    if (fixed)
        (void)close(pair[1]);
    join_all();
}

/* I43: tries again, and each time waits twice as long. */
static NOINLINE THREAD_RESULT
i43_back_off(void *arg)
{
    int64_t us = 1000;

    (void)arg;
    here();
    while (!(fixed && token_cancelled(root()))) {
        struct timespec pause = {us / 1000000, us % 1000000 * 1000};

        (void)nanosleep(&pause, NULL);
        us = us * 2 > 60000000 ? 60000000 : us * 2;
        us = fixed && us > 100000 ? 100000 : us;
    }
    LEAVE;
}

void
row_I43(void)
{
    (void)spawn(root(), "i43-back-off", i43_back_off, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I44: a lock that is tried for without end; who had it is gone. */
static pthread_mutex_t i44_lock = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
i44_first(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i44_lock);
    if (fixed)
        (void)pthread_mutex_unlock(&i44_lock);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i44_try(void *arg)
{
    (void)arg;
    here();
    while (pthread_mutex_trylock(&i44_lock) != 0)
        (void)sched_yield();
    LEAVE;
}

void
row_I44(void)
{
    join(spawn(root(), "i44-first", i44_first, NULL));
    (void)spawn(root(), "i44-try", i44_try, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I45: in a thread, for a signal that nobody sends. */
static NOINLINE THREAD_RESULT
i45_suspend(void *arg)
{
    sigset_t none;

    (void)arg;
    (void)sigfillset(&none);
    here();
    (void)sigsuspend(&none);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I45(void)
{
    if (fixed)
        (void)spawn(root(), "i45-nobody", i44_try, NULL);
    else
        (void)spawn(root(), "i45-suspend", i45_suspend, NULL);
    all_here(1);
    serve();
    join_all();
}

/* I46: main() is over, and what it left for the end of the process waits for a thread. */
static struct queue i46_jobs = QUEUE(4);
static struct thread *i46_thread;

static NOINLINE THREAD_RESULT
i46_background(void *arg)
{
    (void)arg;
    here();
    while (queue_get(&i46_jobs, NULL))
        ;
    LEAVE;
}

static NOINLINE void
i46_at_exit(void)
{
    if (fixed)
        queue_close(&i46_jobs);
    join(i46_thread);
}

void
row_I46(void)
{
    (void)atexit(i46_at_exit);
    i46_thread = spawn(root(), "i46-background", i46_background, NULL);
    mine(i46_thread);
    all_here(1);
    serve();
}

/* I47: a server of the old kind: its first process waits for a child that does not listen. */
void
row_I47(void)
{
    pid_t parent = getpid(), child = fork();

    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!fixed)
            (void)signal(SIGTERM, SIG_IGN);
        while (getppid() == parent)
            (void)pause();
        _exit(0);
    }
    serve();
    (void)kill(child, fixed ? SIGKILL : SIGTERM);
    while (waitpid(child, NULL, 0) == -1 && errno == EINTR)
        ;
}

/* I48: a dispatcher waits until all are idle; one of them is with a backend, the others are. */
static pthread_mutex_t i48_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t i48_work = PTHREAD_COND_INITIALIZER, i48_idle = PTHREAD_COND_INITIALIZER;
static unsigned i48_jobs = 1, i48_busy;
static bool i48_over;
static int i48_pair[2];

static NOINLINE void
i48_call_backend(void)
{
    char c[64];

    here();
    (void)recv(i48_pair[0], c, sizeof(c), 0);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
i48_worker(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i48_mutex);
    for (;;) {
        while (i48_jobs == 0 && !i48_over)
            (void)pthread_cond_wait(&i48_work, &i48_mutex);
        if (i48_jobs == 0)
            break;
        i48_jobs--;
        i48_busy++;
        (void)pthread_mutex_unlock(&i48_mutex);
        i48_call_backend();
        (void)pthread_mutex_lock(&i48_mutex);
        i48_busy--;
        (void)pthread_cond_signal(&i48_idle);
    }
    (void)pthread_mutex_unlock(&i48_mutex);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i48_dispatch(void *arg)
{
    (void)arg;
    while (!token_await(root(), NEVER))
        ;
    (void)pthread_mutex_lock(&i48_mutex);
    while (i48_busy > 0)
        (void)pthread_cond_wait(&i48_idle, &i48_mutex);
    i48_over = true;
    (void)pthread_cond_broadcast(&i48_work);
    (void)pthread_mutex_unlock(&i48_mutex);
    LEAVE;
}

void
row_I48(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, i48_pair) == -1)
        return;
    for (int i = 0; i < 4; i++)
        (void)spawn(root(), "i48-worker", i48_worker, NULL);
    (void)spawn(root(), "i48-dispatch", i48_dispatch, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)shutdown(i48_pair[1], SHUT_RDWR);
    join_all();
}

/* I49: it goes on by a successor of its own each time, so that nobody is there for long. */
static sem_t i49_gone;

static NOINLINE THREAD_RESULT
i49_relay(void *arg)
{
    struct timespec ms = {.tv_nsec = 40000000};

    here();
    (void)nanosleep(&ms, NULL);
    if (fixed && token_cancelled(root()))
        (void)sem_post(&i49_gone);
    else
        let_go(spawn(root(), "i49-relay", i49_relay, arg));
    LEAVE;
}

void
row_I49(void)
{
    (void)sem_init(&i49_gone, 0, 0);
    let_go(spawn(root(), "i49-relay", i49_relay, NULL));
    all_here(1);
    serve();
    while (sem_wait(&i49_gone) != 0)
        ;
}

/* I50: a trap: what a sound service has, while it serves, each with its own way to wait. */
static pthread_rwlock_t i50_table = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t i50_lock = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
i50_reads(void *arg)
{
    struct timespec ms = {.tv_nsec = 3000000};

    (void)arg;
    here();
    while (!token_cancelled(root())) {
        (void)pthread_rwlock_rdlock(&i50_table);
        (void)pthread_rwlock_rdlock(&i50_table); /* twice, which is allowed */
        (void)nanosleep(&ms, NULL);
        (void)pthread_rwlock_unlock(&i50_table);
        (void)pthread_rwlock_unlock(&i50_table);
    }
    LEAVE;
}

static NOINLINE THREAD_RESULT
i50_writes(void *arg)
{
    (void)arg;
    here();
    while (!token_cancelled(root())) {
        (void)pthread_rwlock_wrlock(&i50_table);
        (void)pthread_mutex_lock(&i50_lock);
        (void)pthread_mutex_unlock(&i50_lock);
        (void)pthread_rwlock_unlock(&i50_table);
        (void)usleep(500);
    }
    LEAVE;
}

static NOINLINE THREAD_RESULT
i50_short(void *arg)
{
    (void)arg;
    (void)usleep(15000);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i50_starts(void *arg)
{
    (void)arg;
    here();
    while (!token_cancelled(root()))
        join(spawn(root(), "i50-short", i50_short, NULL));
    LEAVE;
}

void
row_I50(void)
{
    for (int i = 0; i < 3; i++)
        (void)spawn(root(), "i50-reads", i50_reads, NULL);
    (void)spawn(root(), "i50-writes", i50_writes, NULL);
    (void)spawn(root(), "i50-starts", i50_starts, NULL);
    all_here(5);
    serve();
    join_all();
}
