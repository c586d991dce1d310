/* SPDX-License-Identifier: GPL-2.0-or-later */

/* H: events, writes, children, C11's threads, and the first thread itself. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* H43: three wait for events of one set, in which there is a socket of their own process. */
static int h43_set, h43_pair[2];

static NOINLINE THREAD_RESULT
h43_loop(void *arg)
{
    struct epoll_event ev;

    (void)arg;
    here();
    while (epoll_wait(h43_set, &ev, 1, -1) <= 0)
        ;
    LEAVE;
}

void
row_H43(void)
{
    struct epoll_event ev = {.events = EPOLLIN};

    h43_set = epoll_create1(EPOLL_CLOEXEC);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, h43_pair) == -1)
        return;
    (void)epoll_ctl(h43_set, EPOLL_CTL_ADD, h43_pair[0], &ev);
    for (int i = 0; i < 3; i++)
        (void)spawn(root(), "h43-loop", h43_loop, NULL);
    all_here(3);
    serve();
    if (fixed)
        (void)shutdown(h43_pair[1], SHUT_RDWR);
    join_all();
}

/* H44: it writes to one of its own that does not read. */
static NOINLINE THREAD_RESULT
h44_write(void *arg)
{
    static char block[1 << 16];
    struct iovec v[2] = {
        {block, sizeof(block)},
        {block, sizeof(block)}
    };

    (void)arg;
    here();
    while (writev(h43_pair[0], v, 2) > 0)
        ;
    LEAVE;
}

void
row_H44(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, h43_pair) == -1)
        return;
    (void)spawn(root(), "h44-write", h44_write, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(h43_pair[1]);
    join_all();
}

/* H45: it takes connections in on a socket of its own, and its only client is the process. */
static NOINLINE THREAD_RESULT
h45_accept(void *arg)
{
    int fd;

    here();
    while ((fd = accept4(*(int *)arg, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        ;
    LEAVE;
}

void
row_H45(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "h45.%d", (int)getpid());
    (void)bind(listener, (const struct sockaddr *)&at, sizeof(at));
    (void)listen(listener, 8);
    (void)spawn(root(), "h45-accept", h45_accept, &listener);
    all_here(1);
    (void)connect(client, (const struct sockaddr *)&at, sizeof(at));
    serve();
    if (fixed)
        (void)shutdown(listener, SHUT_RDWR);
    join_all();
}

/* H46: a program of the shell is run, and takes its time. */
static NOINLINE THREAD_RESULT
h46_run(void *arg)
{
    FILE *f = popen(fixed ? "exit 0" : "exec tail -f /dev/null >/dev/null", "r");

    (void)arg;
    here();
    (void)pclose(f);
    LEAVE;
}

void
row_H46(void)
{
    (void)spawn(root(), "h46-run", h46_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* H47: the threads of C11. */
static mtx_t h47_mutex;
static cnd_t h47_cond;
static bool h47_over;

static NOINLINE int
h47_wait(void *arg)
{
    (void)arg;
    (void)mtx_lock(&h47_mutex);
    here();
    while (!h47_over)
        (void)cnd_wait(&h47_cond, &h47_mutex);
    (void)mtx_unlock(&h47_mutex);
    return 0;
}

void
row_H47(void)
{
    thrd_t t;

    (void)mtx_init(&h47_mutex, mtx_plain);
    (void)cnd_init(&h47_cond);
    (void)thrd_create(&t, h47_wait, NULL);
    all_here(1);
    serve();
    (void)mtx_lock(&h47_mutex);
    h47_over = fixed;
    (void)cnd_broadcast(&h47_cond);
    (void)mtx_unlock(&h47_mutex);
    (void)thrd_join(t, NULL);
}

/* H48: the first thread, at the very end, waits for an acknowledgement. */
static NOINLINE void
h48_await_word(int fd)
{
    char byte;

    (void)!read(fd, &byte, 1);
    NOT_THE_LAST();
}

void
row_H48(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return;
    serve();
    if (fixed)
        (void)close(ends[1]);
    h48_await_word(ends[0]);
    join_all();
}

/* H49: at its end it ends its threads by pthread_cancel(), and one does not let itself. */
static NOINLINE THREAD_RESULT
h49_immune(void *arg)
{
    char byte;

    if (!fixed)
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    *(pthread_t *)arg = pthread_self();
    here();
    (void)!read(h43_pair[0], &byte, 1);
    LEAVE;
}

void
row_H49(void)
{
    static pthread_t self;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, h43_pair) == -1)
        return;
    (void)spawn(root(), "h49-immune", h49_immune, &self);
    all_here(1);
    serve();
    (void)pthread_cancel(self);
    join_all();
}

/* H50: much is done under locks while it serves: nobody is stuck, however unlucky the moment. */
static pthread_rwlock_t h50_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t h50_mutex = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
h50_busy(void *arg)
{
    bool writes = arg != NULL;

    here();
    while (!token_cancelled(root())) {
        (void)pthread_mutex_lock(&h50_mutex);
        if (writes)
            (void)pthread_rwlock_wrlock(&h50_lock);
        else
            (void)pthread_rwlock_rdlock(&h50_lock);
        (void)token_await(NULL, 2000);
        (void)pthread_mutex_unlock(&h50_mutex);
        (void)token_await(NULL, 2000);
        (void)pthread_rwlock_unlock(&h50_lock);
    }
    LEAVE;
}

void
row_H50(void)
{
    for (int i = 0; i < 6; i++)
        (void)spawn(root(), "h50-busy", h50_busy, i % 3 == 0 ? &h50_lock : NULL);
    all_here(6);
    serve();
    join_all();
}
