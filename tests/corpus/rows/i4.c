/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I: calls that are rarely met, and loops. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* I32: several datagrams within a time: the time is only looked at when one came. */
static NOINLINE THREAD_RESULT
i32_batch(void *arg)
{
    char c[4][64];
    struct iovec v[4];
    struct mmsghdr m[4] = {0};
    struct timespec limit = {.tv_nsec = 50000000};

    for (int i = 0; i < 4; i++) {
        v[i] = (struct iovec){c[i], sizeof(c[i])};
        m[i].msg_hdr.msg_iov = &v[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    here();
    while (recvmmsg(*(int *)arg, m, 4, 0, &limit) >= 0 && !token_cancelled(root()))
        ;
    LEAVE;
}

void
row_I32(void)
{
    static int pair[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == -1)
        return;
    (void)spawn(root(), "i32-batch", i32_batch, &pair[0]);
    all_here(1);
    serve();
    if (fixed)
        (void)shutdown(pair[0], SHUT_RDWR);
    join_all();
}

/* I33: the kernel's own asynchronous calls: none is under way, and one is waited for. */
static NOINLINE THREAD_RESULT
i33_reap(void *arg)
{
    struct io_event done[4];

    here();
    (void)syscall(SYS_io_getevents, *(aio_context_t *)arg, 1, 4, done, NULL);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I33(void)
{
    static aio_context_t context;

    if (syscall(SYS_io_setup, 8, &context) != 0)
        return;
    (void)spawn(root(), "i33-reap", i33_reap, &context);
    all_here(1);
    serve();
    if (fixed)
        (void)syscall(SYS_io_destroy, context);
    join_all();
}

/* I34: two words, either of which would do. */
static uint32_t i34_words[2];

struct waiter { /* the kernel's struct futex_waitv */
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};

static NOINLINE THREAD_RESULT
i34_either(void *arg)
{
    struct waiter w[2] = {
        {0, (uintptr_t)&i34_words[0], 2 | FUTEX_PRIVATE_FLAG, 0},
        {0, (uintptr_t)&i34_words[1], 2 | FUTEX_PRIVATE_FLAG, 0}
    };

    (void)arg;
    here();
    (void)syscall(449, w, 2, 0, NULL, 0);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I34(void)
{
    (void)spawn(root(), "i34-either", i34_either, NULL);
    all_here(1);
    serve();
    while (fixed && syscall(SYS_futex, &i34_words[1], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) < 1)
        ;
    join_all();
}

/* I35: a page that somebody has to bring, and nobody does. */
static char *i35_page;

static NOINLINE THREAD_RESULT
i35_touch(void *arg)
{
    here();
    if (*(volatile char *)i35_page == 1)
        (void)arg;
    NOT_THE_LAST();
    LEAVE;
}

void
row_I35(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register all = {.range.len = 4096, .mode = UFFDIO_REGISTER_MODE_MISSING};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    i35_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    all.range.start = (uintptr_t)i35_page;
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0 || ioctl(fd, UFFDIO_REGISTER, &all) != 0)
        return;
    (void)spawn(root(), "i35-touch", i35_touch, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(fd);
    join_all();
}

/* I36: a queue of messages is full. */
static NOINLINE THREAD_RESULT
i36_send(void *arg)
{
    here();
    while (mq_send(*(mqd_t *)arg, "x", 1, 0) == 0 && !token_cancelled(root()))
        ;
    LEAVE;
}

void
row_I36(void)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8};
    static mqd_t queue;
    char name[32], c[8];

    (void)snprintf(name, sizeof(name), "/i36.%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &attr);
    if (queue == -1)
        return;
    (void)mq_unlink(name);
    (void)spawn(root(), "i36-send", i36_send, &queue);
    all_here(1);
    serve();
    if (fixed)
        (void)mq_receive(queue, c, sizeof(c), NULL);
    join_all();
}

/* I37: one of System V, likewise. */
static int i37_queue;

static NOINLINE THREAD_RESULT
i37_send(void *arg)
{
    struct {
        long type;
        char text[4096];
    } m = {.type = 1};

    (void)arg;
    here();
    while (msgsnd(i37_queue, &m, sizeof(m.text), 0) == 0)
        ;
    LEAVE;
}

void
row_I37(void)
{
    i37_queue = msgget(IPC_PRIVATE, 0600);
    (void)spawn(root(), "i37-send", i37_send, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)msgctl(i37_queue, IPC_RMID, NULL);
    join_all();
}

/* I38: semaphores of System V are asked with a limit, over and over. */
static int i38_set;

static NOINLINE THREAD_RESULT
i38_acquire(void *arg)
{
    struct sembuf take = {.sem_op = -1};
    struct timespec limit = {.tv_nsec = 30000000};

    (void)arg;
    here();
    while (semtimedop(i38_set, &take, 1, &limit) == -1 && errno == EAGAIN)
        ;
    LEAVE;
}

void
row_I38(void)
{
    i38_set = semget(IPC_PRIVATE, 1, 0600);
    (void)spawn(root(), "i38-acquire", i38_acquire, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)semctl(i38_set, 0, IPC_RMID);
    join_all();
}

/* I39: many descriptors, of which none says a word. */
static NOINLINE THREAD_RESULT
i39_many(void *arg)
{
    here();
    (void)ppoll(arg, 64, NULL, NULL);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I39(void)
{
    static struct pollfd all[64];
    int ends[2] = {-1, -1};

    for (int i = 0; i < 64; i++) {
        if (pipe(ends) == -1)
            return;
        all[i] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    }
    (void)spawn(root(), "i39-many", i39_many, all);
    all_here(1);
    serve();
    if (fixed)
        (void)close(ends[1]);
    join_all();
}

/* I40: it waits for a child by its descriptor; the child is stopped. */
static NOINLINE THREAD_RESULT
i40_await_child(void *arg)
{
    struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};

    here();
    (void)poll(&p, 1, -1);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I40(void)
{
    static int fd;
    pid_t child = fork();

    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)raise(SIGSTOP);
        _exit(0);
    }
    (void)waitpid(child, NULL, WUNTRACED);
    fd = (int)syscall(SYS_pidfd_open, child, 0);
    (void)spawn(root(), "i40-await", i40_await_child, &fd);
    all_here(1);
    serve();
    if (fixed)
        (void)kill(child, SIGKILL);
    join_all();
}

/* I41: the other side has hung up, and the loop is told so each time it asks. */
static NOINLINE THREAD_RESULT
i41_events(void *arg)
{
    struct epoll_event ev;

    here();
    while (!(fixed && token_cancelled(root())))
        if (epoll_wait(*(int *)arg, &ev, 1, -1) > 0 && (ev.events & EPOLLIN))
            break;
    LEAVE;
}

void
row_I41(void)
{
    struct epoll_event ev = {.events = EPOLLIN};
    static int set;
    int ends[2];

    set = epoll_create1(EPOLL_CLOEXEC);
    if (pipe(ends) == -1)
        return;
    (void)epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &ev);
    (void)close(ends[1]);
    (void)spawn(root(), "i41-events", i41_events, &set);
    all_here(1);
    serve();
    join_all();
}
