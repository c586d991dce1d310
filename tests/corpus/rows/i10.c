/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I, the second lot: what the first one left out, and contracts of a process that serves. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* I72: it hangs up, and the kernel is to wait until all was taken, which nobody does. */
static NOINLINE THREAD_RESULT
i72_hang_up(void *arg)
{
    here();
    (void)close(*(int *)arg);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I72(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
    struct linger linger = {1, 3600};
    static char block[1 << 16];
    socklen_t n = sizeof(at);
    static int client;

    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)bind(listener, (const struct sockaddr *)&at, n);
    (void)listen(listener, 1);
    (void)getsockname(listener, (struct sockaddr *)&at, &n);
    (void)connect(client, (const struct sockaddr *)&at, n);
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(client, block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
    (void)spawn(root(), "i72-hang-up", i72_hang_up, &client);
    all_here(1);
    serve();
    if (fixed)
        (void)close(peer);
    join_all();
}

/* I73: a condition that lies in memory which processes share. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool over;
} * i73_shared;

static NOINLINE THREAD_RESULT
i73_wait(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i73_shared->mutex);
    here();
    while (!i73_shared->over)
        (void)pthread_cond_wait(&i73_shared->cond, &i73_shared->mutex);
    (void)pthread_mutex_unlock(&i73_shared->mutex);
    LEAVE;
}

void
row_I73(void)
{
    pthread_mutexattr_t mutex;
    pthread_condattr_t cond;

    i73_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)pthread_mutexattr_init(&mutex);
    (void)pthread_condattr_init(&cond);
    (void)pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    (void)pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutex_init(&i73_shared->mutex, &mutex);
    (void)pthread_cond_init(&i73_shared->cond, &cond);
    (void)spawn(root(), "i73-wait", i73_wait, NULL);
    all_here(1);
    serve();
    (void)pthread_mutex_lock(&i73_shared->mutex);
    i73_shared->over = fixed;
    (void)pthread_mutex_unlock(&i73_shared->mutex);
    (void)pthread_cond_broadcast(&i73_shared->cond);
    join_all();
}

/* I74: woken, and the lock that it needs for that is held by one that is with a backend. */
static pthread_mutex_t i74_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t i74_cond = PTHREAD_COND_INITIALIZER;
static int i74_pair[2];
static bool i74_over;

static NOINLINE THREAD_RESULT
i74_woken(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&i74_mutex);
    here();
    while (!i74_over)
        (void)pthread_cond_wait(&i74_cond, &i74_mutex);
    (void)pthread_mutex_unlock(&i74_mutex);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i74_holder(void *arg)
{
    char c[16];

    (void)arg;
    (void)pthread_mutex_lock(&i74_mutex);
    i74_over = true;
    (void)pthread_cond_broadcast(&i74_cond);
    here();
    (void)recv(i74_pair[0], c, sizeof(c), 0);
    (void)pthread_mutex_unlock(&i74_mutex);
    LEAVE;
}

void
row_I74(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i74_pair) == -1)
        return;
    (void)spawn(root(), "i74-woken", i74_woken, NULL);
    all_here(1);
    (void)spawn(root(), "i74-holder", i74_holder, NULL);
    all_here(2);
    serve();
    if (fixed)
        (void)shutdown(i74_pair[1], SHUT_RDWR);
    join_all();
}

/* I75: a reader is with a backend; a writer waits behind it, and other readers behind that one. */
static pthread_rwlock_t i75_table = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static NOINLINE THREAD_RESULT
i75_reader(void *arg)
{
    char c[16];

    (void)pthread_rwlock_rdlock(&i75_table);
    here();
    if (arg)
        (void)recv(i74_pair[0], c, sizeof(c), 0);
    (void)pthread_rwlock_unlock(&i75_table);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i75_writer(void *arg)
{
    (void)arg;
    here();
    (void)pthread_rwlock_wrlock(&i75_table);
    (void)pthread_rwlock_unlock(&i75_table);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i75_behind(void *arg)
{
    (void)arg;
    here();
    (void)pthread_rwlock_rdlock(&i75_table);
    (void)pthread_rwlock_unlock(&i75_table);
    LEAVE;
}

void
row_I75(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i74_pair) == -1)
        return;
    (void)spawn(root(), "i75-reader", i75_reader, i74_pair);
    all_here(1);
    (void)spawn(root(), "i75-writer", i75_writer, NULL);
    all_here(2);
    for (int i = 0; i < 3; i++)
        (void)spawn(root(), "i75-behind", i75_behind, NULL);
    all_here(5);
    serve();
    if (fixed)
        (void)shutdown(i74_pair[1], SHUT_RDWR);
    join_all();
}

/* I76: a counter is full. */
static NOINLINE THREAD_RESULT
i76_count(void *arg)
{
    uint64_t most = UINT64_MAX - 1;

    here();
    while (write(*(int *)arg, &most, sizeof(most)) == sizeof(most) && !token_cancelled(root()))
        ;
    LEAVE;
}

void
row_I76(void)
{
    static int fd;
    uint64_t n;

    fd = eventfd(0, EFD_CLOEXEC);
    (void)spawn(root(), "i76-count", i76_count, &fd);
    all_here(1);
    serve();
    if (fixed)
        (void)!read(fd, &n, sizeof(n));
    join_all();
}

/* I77: who watches the network's configuration, as many do. */
static NOINLINE THREAD_RESULT
i77_links(void *arg)
{
    char c[4096];

    here();
    while (recv(*(int *)arg, c, sizeof(c), 0) > 0 && !token_cancelled(root()))
        ;
    LEAVE;
}

void
row_I77(void)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_NOTIFY};
    struct {
        struct nlmsghdr h;
        struct rtgenmsg g;
    } ask = {
        {sizeof(ask),                 RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
        {AF_UNSPEC}
    };
    static int fd;

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    (void)bind(fd, (const struct sockaddr *)&at, sizeof(at));
    (void)spawn(root(), "i77-links", i77_links, &fd);
    all_here(1);
    serve();
    if (fixed)
        (void)send(fd, &ask, sizeof(ask), 0); /* its answer wakes it up */
    join_all();
}

/* I78: at work without end, and nearly all of it is the kernel's. */
static NOINLINE THREAD_RESULT
i78_wipe(void *arg)
{
    static char block[1 << 20];

    here();
    while (!(fixed && token_cancelled(root())))
        (void)!read(*(int *)arg, block, sizeof(block));
    LEAVE;
}

void
row_I78(void)
{
    static int fd;

    fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    (void)spawn(root(), "i78-wipe", i78_wipe, &fd);
    all_here(1);
    serve();
    join_all();
}

/* I79: the first thread alone, and what it writes into is full. */
static NOINLINE void
i79_report(int fd)
{
    static char block[1 << 16];

    while (write(fd, block, sizeof(block)) > 0 && !fixed)
        ;
    NOT_THE_LAST();
}

void
row_I79(void)
{
    int ends[2];

    if (pipe(ends) == -1)
        return;
    (void)fcntl(ends[1], F_SETPIPE_SZ, 1 << 17);
    serve();
    i79_report(ends[1]);
}
