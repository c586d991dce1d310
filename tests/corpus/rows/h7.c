/* SPDX-License-Identifier: GPL-2.0-or-later */

/* H: servers and their connections, time-outs, notifications, and programs that end with others. */
#include <aio.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

static struct sockaddr_in h56_at = {.sin_family = AF_INET};

static int
listener(void)
{
    socklen_t n = sizeof(h56_at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    h56_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    h56_at.sin_port = 0;
    (void)bind(fd, (const struct sockaddr *)&h56_at, sizeof(h56_at));
    (void)listen(fd, 8);
    (void)getsockname(fd, (struct sockaddr *)&h56_at, &n);
    return fd;
}

static int
dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)connect(fd, (const struct sockaddr *)&h56_at, sizeof(h56_at));
    return fd;
}

/* H56: it is the client of a backend, another process, that does not answer. */
static NOINLINE THREAD_RESULT
h56_ask_backend(void *arg)
{
    char answer[64];

    here();
    (void)!write(*(int *)arg, "?", 1);
    while (read(*(int *)arg, answer, sizeof(answer)) > 0)
        ;
    LEAVE;
}

void
row_H56(void)
{
    int fd = listener(), client;
    pid_t backend = fork();

    if (backend == 0) {
        int taken = accept(fd, NULL, NULL);

        (void)signal(SIGTERM, SIG_IGN);
        for (;;)
            (void)poll(NULL, 0, taken >= 0 ? 1000 : 2000);
    }
    (void)close(fd);
    client = dial();
    (void)spawn(root(), "h56-ask", h56_ask_backend, &client);
    all_here(1);
    serve();
    if (fixed)
        (void)shutdown(client, SHUT_RDWR);
    join_all();
    (void)kill(backend, SIGKILL);
    (void)waitpid(backend, NULL, 0);
}

/* H57: it reads with a limit, and begins again. */
static NOINLINE THREAD_RESULT
h57_read_again(void *arg)
{
    struct timeval patience = {.tv_usec = 20000};
    char byte;

    (void)setsockopt(*(int *)arg, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    here();
    while (recv(*(int *)arg, &byte, 1, 0) == -1 && errno == EAGAIN &&
           !(fixed && token_cancelled(root())))
        ;
    LEAVE;
}

void
row_H57(void)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return;
    (void)spawn(root(), "h57-read", h57_read_again, &pair[0]);
    all_here(1);
    serve();
    join_all();
}

/* H58: many descriptors and one of them a stop that nobody pulls. */
static NOINLINE THREAD_RESULT
h58_events(void *arg)
{
    struct epoll_event ev[4];

    here();
    for (;;) {
        int n = epoll_wait(*(int *)arg, ev, 4, 30);

        if (n > 0 && ev[0].data.u32 == 1)
            break;
    }
    LEAVE;
}

void
row_H58(void)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 1};
    int set = epoll_create1(EPOLL_CLOEXEC), stop = eventfd(0, EFD_CLOEXEC), fd = listener();
    uint64_t one = 1;

    (void)epoll_ctl(set, EPOLL_CTL_ADD, stop, &ev);
    ev.data.u32 = 2;
    (void)epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
    (void)spawn(root(), "h58-events", h58_events, &set);
    all_here(1);
    serve();
    if (fixed)
        (void)!write(stop, &one, sizeof(one));
    join_all();
}

/* H59: signals come through a descriptor, and none does. */
static NOINLINE THREAD_RESULT
h59_signals(void *arg)
{
    struct signalfd_siginfo info;

    here();
    while (read(*(int *)arg, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGUSR1)
        ;
    LEAVE;
}

void
row_H59(void)
{
    sigset_t set;
    int fd;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    (void)spawn(root(), "h59-signals", h59_signals, &fd);
    all_here(1);
    serve();
    if (fixed)
        (void)kill(getpid(), SIGUSR1);
    join_all();
}

/* H60: a read that libc does for it, and that does not come back. */
static NOINLINE THREAD_RESULT
h60_suspend(void *arg)
{
    const struct aiocb *list[1] = {arg};

    here();
    while (aio_suspend(list, 1, NULL) == -1 && errno == EINTR)
        ;
    LEAVE;
}

void
row_H60(void)
{
    static char byte;
    struct aiocb cb = {.aio_nbytes = 1, .aio_buf = &byte};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return;
    cb.aio_fildes = ends[0];
    (void)aio_read(&cb);
    (void)spawn(root(), "h60-suspend", h60_suspend, &cb);
    all_here(1);
    serve();
    if (fixed)
        (void)close(ends[1]);
    join_all();
}

/* H61: what many programs do: a worker waits for work with a time-out, and the flag it looks at is another's. */
static pthread_mutex_t h61_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t h61_work = PTHREAD_COND_INITIALIZER;
static bool h61_stop;

static NOINLINE THREAD_RESULT
h61_worker(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h61_mutex);
    here();
    while (!h61_stop) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&h61_work, &h61_mutex, &until);
    }
    (void)pthread_mutex_unlock(&h61_mutex);
    LEAVE;
}

void
row_H61(void)
{
    unsigned n = some(2, 6);

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "h61-worker", h61_worker, NULL);
    all_here(n);
    tell("count", n);
    serve();
    (void)pthread_mutex_lock(&h61_mutex);
    h61_stop = fixed;
    (void)pthread_mutex_unlock(&h61_mutex);
    join_all();
}

/* H62: at its end it stops by and by, and has the time: nobody is to be accused. */
static NOINLINE THREAD_RESULT
h62_flush(void *arg)
{
    (void)arg;
    here();
    while (!token_await(root(), NEVER))
        ;
    (void)token_await(NULL, 200000); /* of half a second */
    LEAVE;
}

void
row_H62(void)
{
    for (int i = 0; i < 8; i++)
        (void)spawn(root(), "h62-flush", h62_flush, NULL);
    all_here(8);
    serve();
    join_all();
}

/* H63: the last reference is held by a thread that waits for a lock under which the first one joins it. */
static pthread_rwlock_t h63_lock = PTHREAD_RWLOCK_INITIALIZER;

static NOINLINE THREAD_RESULT
h63_reader(void *arg)
{
    (void)arg;
    here();
    while (!token_await(root(), NEVER))
        ;
    (void)pthread_rwlock_rdlock(&h63_lock);
    (void)pthread_rwlock_unlock(&h63_lock);
    LEAVE;
}

void
row_H63(void)
{
    struct thread *reader = spawn(root(), "h63-reader", h63_reader, NULL);

    all_here(1);
    (void)pthread_rwlock_wrlock(&h63_lock);
    serve();
    if (fixed)
        (void)pthread_rwlock_unlock(&h63_lock);
    join(reader);
}

/* H64: a mutex that spins for a while before it sleeps, taken twice. */
static pthread_mutex_t h64_lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

static NOINLINE THREAD_RESULT
h64_twice(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h64_lock);
    here();
    if (!fixed)
        (void)pthread_mutex_lock(&h64_lock);
    (void)pthread_mutex_unlock(&h64_lock);
    LEAVE;
}

void
row_H64(void)
{
    (void)spawn(root(), "h64-twice", h64_twice, NULL);
    all_here(1);
    serve();
    join_all();
}
