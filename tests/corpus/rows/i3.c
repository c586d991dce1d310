/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I: descriptors that are closed, shared, full, or end somewhere else. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* I20: what would wake the loop up is closed before it was written to. */
static int i20_set, i20_wake;

static NOINLINE THREAD_RESULT
i20_loop(void *arg)
{
    struct epoll_event ev;
    uint64_t n;

    (void)arg;
    here();
    while (epoll_wait(i20_set, &ev, 1, -1) <= 0 || read(i20_wake, &n, sizeof(n)) != sizeof(n))
        ;
    LEAVE;
}

void
row_I20(void)
{
    struct epoll_event ev = {.events = EPOLLIN};
    uint64_t one = 1;

    i20_set = epoll_create1(EPOLL_CLOEXEC);
    i20_wake = eventfd(0, EFD_CLOEXEC);
    (void)epoll_ctl(i20_set, EPOLL_CTL_ADD, i20_wake, &ev);
    (void)spawn(root(), "i20-loop", i20_loop, NULL);
    all_here(1);
    serve();
    if (!fixed)
        (void)close(i20_wake);
    (void)!write(i20_wake, &one, sizeof(one));
    join_all();
}

/* I21: one thing is put in for several who want one each. */
static int i21_stop;

static NOINLINE THREAD_RESULT
i21_worker(void *arg)
{
    uint64_t n;

    (void)arg;
    here();
    while (read(i21_stop, &n, sizeof(n)) != sizeof(n))
        ;
    LEAVE;
}

void
row_I21(void)
{
    unsigned n = some(2, 6);
    uint64_t put = fixed ? n : 1;

    i21_stop = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "i21-worker", i21_worker, NULL);
    all_here(n);
    tell("count", n - 1);
    serve();
    (void)!write(i21_stop, &put, sizeof(put));
    join_all();
}

/* I22: a timer that goes off in an hour. */
static NOINLINE THREAD_RESULT
i22_hourly(void *arg)
{
    uint64_t n;

    here();
    while (!token_cancelled(root()))
        (void)!read(*(int *)arg, &n, sizeof(n));
    LEAVE;
}

void
row_I22(void)
{
    struct itimerspec hour = {.it_value = {.tv_sec = 3600}, .it_interval = {.tv_sec = 3600}};
    struct itimerspec now = {.it_value = {.tv_nsec = 1}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    (void)timerfd_settime(timer, 0, &hour, NULL);
    (void)spawn(root(), "i22-hourly", i22_hourly, &timer);
    all_here(1);
    serve();
    if (fixed)
        (void)timerfd_settime(timer, 0, &now, NULL);
    join_all();
}

/* I23: a child has inherited the end for writing, and lives. */
static NOINLINE THREAD_RESULT
i23_collect(void *arg)
{
    char c[64];

    here();
    while (read(*(int *)arg, c, sizeof(c)) > 0)
        ;
    LEAVE;
}

void
row_I23(void)
{
    static int ends[2];
    pid_t child, parent = getpid();

    if (pipe(ends) == -1)
        return;
    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGTERM, SIG_IGN);
        while (getppid() == parent)
            (void)pause();
        _exit(0);
    }
    (void)spawn(root(), "i23-collect", i23_collect, &ends[0]);
    all_here(1);
    serve();
    (void)close(ends[1]);
    if (fixed)
        (void)kill(child, SIGKILL);
    join_all();
}

/* I24: the wrong half is closed. */
static NOINLINE THREAD_RESULT
i24_reader(void *arg)
{
    char c[64];

    here();
    while (recv(*(int *)arg, c, sizeof(c), 0) > 0)
        ;
    LEAVE;
}

void
row_I24(void)
{
    static int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return;
    (void)spawn(root(), "i24-reader", i24_reader, &pair[0]);
    all_here(1);
    serve();
    (void)shutdown(pair[1], fixed ? SHUT_WR : SHUT_RD);
    join_all();
}

/* I25: it is closed under who reads from it, which wakes nobody up. */
static NOINLINE THREAD_RESULT
i25_receive(void *arg)
{
    char c[64];
    struct iovec v = {c, sizeof(c)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

    here();
    while (recvmsg(*(int *)arg, &m, 0) > 0)
        ;
    LEAVE;
}

void
row_I25(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    static int fd;

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "i25.%d", (int)getpid());
    (void)bind(fd, (const struct sockaddr *)&at, sizeof(at));
    (void)spawn(root(), "i25-receive", i25_receive, &fd);
    all_here(1);
    serve();
    if (fixed)
        (void)shutdown(fd, SHUT_RDWR);
    (void)close(fd);
    join_all();
}

/* I26: the same with a socket that takes clients in, and its number is another file's by now. */
static NOINLINE THREAD_RESULT
i26_accept(void *arg)
{
    here();
    while (accept4(*(int *)arg, NULL, NULL, SOCK_CLOEXEC) >= 0)
        ;
    LEAVE;
}

void
row_I26(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static int fd;
    int other;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)bind(fd, (const struct sockaddr *)&at, sizeof(at));
    (void)listen(fd, 8);
    (void)spawn(root(), "i26-accept", i26_accept, &fd);
    all_here(1);
    serve();
    if (fixed)
        (void)shutdown(fd, SHUT_RDWR);
    (void)close(fd);
    other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    join_all();
    (void)close(other);
}

/* I27: a part of a file is locked by another description of our own. */
static NOINLINE THREAD_RESULT
i27_lock(void *arg)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    here();
    (void)fcntl(*(int *)arg, F_OFD_SETLKW, &all);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I27(void)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    static int one, two;

    one = open("i27.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    two = open("i27.lock", O_RDWR | O_CLOEXEC);
    (void)fcntl(one, F_OFD_SETLKW, &all);
    (void)spawn(root(), "i27-lock", i27_lock, &two);
    all_here(1);
    serve();
    if (fixed)
        (void)close(one);
    join_all();
}

/* I28: a file is sent to who does not read. */
static NOINLINE THREAD_RESULT
i28_send(void *arg)
{
    int zero = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    off_t at = 0;

    here();
    while (sendfile(*(int *)arg, zero, &at, 1 << 16) > 0)
        at = 0;
    (void)close(zero);
    LEAVE;
}

void
row_I28(void)
{
    static int pair[2];

    (void)signal(SIGPIPE, SIG_IGN);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return;
    (void)spawn(root(), "i28-send", i28_send, &pair[0]);
    all_here(1);
    serve();
    if (fixed)
        (void)close(pair[1]);
    join_all();
}

/* I29: what is moved from a pipe to a pipe does not come. */
static int i29_in[2], i29_out[2];

static NOINLINE THREAD_RESULT
i29_move(void *arg)
{
    (void)arg;
    here();
    while (splice(i29_in[0], NULL, i29_out[1], NULL, 4096, SPLICE_F_MOVE) > 0)
        ;
    LEAVE;
}

void
row_I29(void)
{
    if (pipe(i29_in) == -1 || pipe(i29_out) == -1)
        return;
    (void)spawn(root(), "i29-move", i29_move, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(i29_in[1]);
    join_all();
}

/* I30: datagrams to one of our own that takes none. */
static NOINLINE THREAD_RESULT
i30_send(void *arg)
{
    here();
    while (send(*(int *)arg, "a word", 6, MSG_NOSIGNAL) > 0)
        ;
    LEAVE;
}

void
row_I30(void)
{
    static int pair[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == -1)
        return;
    (void)spawn(root(), "i30-send", i30_send, &pair[0]);
    all_here(1);
    serve();
    if (fixed)
        (void)close(pair[1]);
    join_all();
}

/* I31: it wants all of a message, of which a half came. */
static NOINLINE THREAD_RESULT
i31_whole(void *arg)
{
    char c[64];

    here();
    (void)recv(*(int *)arg, c, sizeof(c), MSG_WAITALL);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I31(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof(at);
    static int server;

    (void)bind(listener, (const struct sockaddr *)&at, n);
    (void)listen(listener, 1);
    (void)getsockname(listener, (struct sockaddr *)&at, &n);
    (void)connect(client, (const struct sockaddr *)&at, n);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)send(client, "0123456789abcdef", 16, 0);
    (void)spawn(root(), "i31-whole", i31_whole, &server);
    all_here(1);
    serve();
    if (fixed)
        (void)close(client);
    join_all();
}
