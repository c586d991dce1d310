/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I, the third lot: faults among others, and who is whose victim. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

static struct queue i97_jobs = QUEUE(4);
static int i97_pair[2];

static NOINLINE THREAD_RESULT
i97_idle(void *arg)
{
    here();
    (void)queue_get(&i97_jobs, arg);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i97_loop(void *arg)
{
    struct epoll_event ev = {.events = EPOLLIN};
    int set = epoll_create1(EPOLL_CLOEXEC);

    (void)epoll_ctl(set, EPOLL_CTL_ADD, *(int *)arg, &ev);
    here();
    while (epoll_wait(set, &ev, 1, -1) != 1)
        ;
    LEAVE;
}

/* I97: it reads what it reads already, a writer is in between; a loop and a pool are told at the end only. */
static pthread_rwlock_t i97_tree = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static NOINLINE THREAD_RESULT
i97_reader(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_rdlock(&i97_tree);
    here();
    while (!fixed && pthread_rwlock_tryrdlock(&i97_tree) == 0) /* until the writer is there */
        (void)pthread_rwlock_unlock(&i97_tree);
    if (fixed)
        (void)pthread_rwlock_unlock(&i97_tree);
    (void)pthread_rwlock_rdlock(&i97_tree);
    (void)pthread_rwlock_unlock(&i97_tree);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i97_writer(void *arg)
{
    (void)arg;
    (void)pthread_rwlock_wrlock(&i97_tree);
    (void)pthread_rwlock_unlock(&i97_tree);
    LEAVE;
}

void
row_I97(void)
{
    static int wake;
    uint64_t one = 1;

    wake = eventfd(0, EFD_CLOEXEC);
    mine(spawn(NULL, "i97-loop", i97_loop, &wake));
    mine(spawn(NULL, "i97-idle", i97_idle, NULL));
    (void)spawn(root(), "i97-reader", i97_reader, NULL);
    all_here(3);
    (void)spawn(root(), "i97-writer", i97_writer, NULL);
    serve();
    join_all();
    queue_close(&i97_jobs);
    (void)!write(wake, &one, sizeof(one));
}

/* I98: two circles at once. */
static pthread_mutex_t i98_locks[4] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                       PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t i98_all;

static NOINLINE THREAD_RESULT
i98_cross(void *arg)
{
    long me = (long)arg;

    (void)pthread_mutex_lock(&i98_locks[me]);
    (void)pthread_barrier_wait(&i98_all);
    here();
    if (!fixed)
        (void)pthread_mutex_lock(&i98_locks[me ^ 1]);
    (void)pthread_mutex_unlock(&i98_locks[me]);
    LEAVE;
}

void
row_I98(void)
{
    (void)pthread_barrier_init(&i98_all, NULL, 4);
    for (long i = 0; i < 4; i++)
        (void)spawn(root(), "i98-cross", i98_cross, (void *)i);
    all_here(4);
    serve();
    join_all();
}

/* I99: the lock is held by one that joins another, and that one is with a backend. */
static pthread_mutex_t i99_mutex = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
i99_backend(void *arg)
{
    char c[16];

    (void)arg;
    here();
    (void)recv(i97_pair[0], c, sizeof(c), 0);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i99_holder(void *arg)
{
    (void)pthread_mutex_lock(&i99_mutex);
    here();
    join(arg);
    (void)pthread_mutex_unlock(&i99_mutex);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i99_wants(void *arg)
{
    (void)arg;
    here();
    (void)pthread_mutex_lock(&i99_mutex);
    (void)pthread_mutex_unlock(&i99_mutex);
    LEAVE;
}

void
row_I99(void)
{
    struct thread *backend;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i97_pair) == -1)
        return;
    backend = spawn(root(), "i99-backend", i99_backend, NULL);
    mine(backend);
    (void)spawn(root(), "i99-holder", i99_holder, backend);
    all_here(2);
    (void)spawn(root(), "i99-wants", i99_wants, NULL);
    all_here(3);
    serve();
    if (fixed)
        (void)shutdown(i97_pair[1], SHUT_RDWR);
    join_all();
}

/* I52: under a lock it waits for a child, and others want the lock. */
static NOINLINE THREAD_RESULT
i52_runs(void *arg)
{
    (void)pthread_mutex_lock(&i99_mutex);
    here();
    while (waitpid(*(pid_t *)arg, NULL, 0) == -1 && errno == EINTR)
        ;
    (void)pthread_mutex_unlock(&i99_mutex);
    LEAVE;
}

void
row_I52(void)
{
    static pid_t child;
    pid_t parent = getpid();

    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGTERM, SIG_IGN);
        while (getppid() == parent)
            (void)pause();
        _exit(0);
    }
    (void)spawn(root(), "i52-runs", i52_runs, &child);
    all_here(1);
    for (int i = 0; i < 2; i++)
        (void)spawn(root(), "i52-wants", i99_wants, NULL);
    all_here(3);
    serve();
    if (fixed)
        (void)kill(child, SIGKILL);
    join_all();
}

/* I53: the first thread, at its end, takes a lock that it has. */
static NOINLINE void
i53_flush(void)
{
    (void)pthread_mutex_lock(&i99_mutex);
    NOT_THE_LAST();
    (void)pthread_mutex_unlock(&i99_mutex);
}

void
row_I53(void)
{
    (void)spawn(root(), "i53-sound", i97_idle, root());
    all_here(1);
    serve();
    (void)pthread_mutex_lock(&i99_mutex);
    if (fixed)
        (void)pthread_mutex_unlock(&i99_mutex);
    i53_flush();
    join_all();
}

/* I54: a lock that may be taken twice was, and given back once; then it ended. */
static pthread_mutex_t i54_mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static NOINLINE THREAD_RESULT
i54_first(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i54_mutex);
    (void)pthread_mutex_lock(&i54_mutex);
    (void)pthread_mutex_unlock(&i54_mutex);
    if (fixed)
        (void)pthread_mutex_unlock(&i54_mutex);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i54_next(void *arg)
{
    (void)arg;
    here();
    (void)pthread_mutex_lock(&i54_mutex);
    (void)pthread_mutex_unlock(&i54_mutex);
    LEAVE;
}

void
row_I54(void)
{
    unsigned n = some(1, 4);

    join(spawn(root(), "i54-first", i54_first, NULL));
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "i54-next", i54_next, NULL);
    all_here(n);
    tell("count", n);
    serve();
    join_all();
}

/* I55: two are in a circle, and a third reads what one of them should write. */
static int i55_ends[2];

static NOINLINE THREAD_RESULT
i55_reads(void *arg)
{
    char c;

    (void)arg;
    here();
    (void)!read(i55_ends[0], &c, 1);
    NOT_THE_LAST();
    LEAVE;
}

static NOINLINE THREAD_RESULT
i55_cross(void *arg)
{
    long me = (long)arg;

    (void)pthread_mutex_lock(&i98_locks[me]);
    (void)pthread_barrier_wait(&i98_all);
    here();
    if (!fixed)
        (void)pthread_mutex_lock(&i98_locks[me ^ 1]);
    (void)!write(i55_ends[1], "!", 1);
    (void)pthread_mutex_unlock(&i98_locks[me]);
    LEAVE;
}

void
row_I55(void)
{
    if (pipe(i55_ends) == -1)
        return;
    (void)pthread_barrier_init(&i98_all, NULL, 2);
    (void)spawn(root(), "i55-reads", i55_reads, NULL);
    for (long i = 0; i < 2; i++)
        (void)spawn(root(), "i55-cross", i55_cross, (void *)i);
    all_here(3);
    serve();
    join_all();
}

/* I56: a circle of three, with a join in it. */
static struct thread *i56_first;

static NOINLINE THREAD_RESULT
i56_joins(void *arg)
{
    (void)pthread_mutex_lock(&i99_mutex);
    here();
    if (!fixed)
        join(*(struct thread **)arg);
    (void)pthread_mutex_unlock(&i99_mutex);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i56_wants(void *arg)
{
    (void)arg;
    all_here(2);
    (void)pthread_mutex_lock(&i98_locks[0]);
    (void)pthread_mutex_unlock(&i98_locks[0]);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i56_between(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i98_locks[0]);
    here();
    all_here(2);
    (void)pthread_mutex_lock(&i99_mutex);
    (void)pthread_mutex_unlock(&i99_mutex);
    (void)pthread_mutex_unlock(&i98_locks[0]);
    LEAVE;
}

void
row_I56(void)
{
    i56_first = spawn(root(), "i56-wants", i56_wants, NULL);
    if (!fixed)
        mine(i56_first);
    (void)spawn(root(), "i56-joins", i56_joins, &i56_first);
    (void)spawn(root(), "i56-between", i56_between, NULL);
    all_here(2);
    serve();
    join_all();
}

/* I57: it has the lock nearly all the time, and sleeps with it; the others are hungry. */
static NOINLINE THREAD_RESULT
i57_greedy(void *arg)
{
    struct timespec ms = {.tv_nsec = 20000000};

    (void)arg;
    here();
    while (!(fixed && token_cancelled(root()))) {
        (void)pthread_mutex_lock(&i99_mutex);
        (void)nanosleep(&ms, NULL);
        (void)pthread_mutex_unlock(&i99_mutex);
    }
    LEAVE;
}

void
row_I57(void)
{
    (void)spawn(root(), "i57-greedy", i57_greedy, NULL);
    all_here(1);
    serve();
    join_all();
}
