/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Further waits: other calls, other clocks, other ends. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* A08: thousands of threads come and go before: numbers and slots are used again. */
static struct queue a08_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
a08_short(void *arg)
{
    (void)arg;
    LEAVE;
}

static NOINLINE THREAD_RESULT
a08_stays(void *arg)
{
    here();
    (void)queue_get(arg, fixed ? root() : NULL);
    LEAVE;
}

void
row_A08(void)
{
    for (unsigned i = 0; i < 2000; i++)
        join(spawn(root(), "a08-short", a08_short, NULL));
    (void)spawn(root(), "a08-stays", a08_stays, &a08_queue);
    all_here(1);
    serve();
    join_all();
}

/* A16: one long sleep. */
static NOINLINE THREAD_RESULT
a16_sleeper_run(void *arg)
{
    struct timespec hour = {.tv_sec = 3600};

    (void)arg;
    here();
    if (fixed)
        (void)token_await(root(), NEVER);
    else
        (void)nanosleep(&hour, NULL);
    LEAVE;
}

void
row_A16(void)
{
    (void)spawn(root(), "a16-sleeper", a16_sleeper_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A18: it waits for a moment at a time, and never looks why. */
static sem_t a18_jobs;

static NOINLINE THREAD_RESULT
a18_patient_run(void *arg)
{
    (void)arg;
    here();
    while (!fixed || !token_cancelled(root())) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 25000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        (void)sem_timedwait(&a18_jobs, &until);
    }
    LEAVE;
}

void
row_A18(void)
{
    (void)sem_init(&a18_jobs, 0, 0);
    (void)spawn(root(), "a18-patient", a18_patient_run, NULL);
    all_here(1);
    serve();
    join_all();
}

/* A20: three kinds, hundreds of each. */
static struct queue a20_a = QUEUE(1), a20_b = QUEUE(1);

static NOINLINE THREAD_RESULT
a20_red(void *arg)
{
    (void)arg;
    here();
    (void)queue_get(&a20_a, fixed ? root() : NULL);
    LEAVE;
}

static NOINLINE THREAD_RESULT
a20_green(void *arg)
{
    (void)arg;
    here();
    (void)queue_get(&a20_b, fixed ? root() : NULL);
    LEAVE;
}

void
row_A20(void)
{
    unsigned n = some(100, 300);

    tell("count", n);
    for (unsigned i = 0; i < n; i++) {
        (void)spawn(root(), "a20-red", a20_red, NULL);
        (void)spawn(root(), "a20-green", a20_green, NULL);
    }
    all_here(2 * n);
    serve();
    join_all();
}

/* C04: it reads a counter that nobody adds to. */
static int c04_event;

static NOINLINE THREAD_RESULT
c04_read_event(void *arg)
{
    uint64_t n;

    (void)arg;
    here();
    (void)!read(c04_event, &n, sizeof(n));
    LEAVE;
}

void
row_C04(void)
{
    c04_event = eventfd(0, EFD_CLOEXEC);
    (void)spawn(root(), "c04-reader", c04_read_event, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)eventfd_write(c04_event, 1);
    join_all();
}

/* C12: it accepts clients until there is one, and looks at its token after each. */
static int c12_listener;

static NOINLINE THREAD_RESULT
c12_accept_loop(void *arg)
{
    (void)arg;
    here();
    while (!token_cancelled(root())) {
        int fd = accept(c12_listener, NULL, NULL);

        if (fd == -1)
            break;
        (void)close(fd);
    }
    LEAVE;
}

void
row_C12(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    c12_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(c12_listener, (const struct sockaddr *)&at, sizeof(at)) == -1 ||
        listen(c12_listener, 4) == -1)
        return;
    (void)spawn(root(), "c12-acceptor", c12_accept_loop, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)shutdown(c12_listener, SHUT_RDWR);
    join_all();
}

/* C16: it waits for a lock of a file that another descriptor of the process has. */
static NOINLINE THREAD_RESULT
c16_lock_file(void *arg)
{
    int fd = open("c16.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)arg;
    here();
    while (flock(fd, fixed ? LOCK_EX | LOCK_NB : LOCK_EX) == -1)
        if (fixed && token_await(root(), 20000))
            break;
    (void)close(fd);
    LEAVE;
}

void
row_C16(void)
{
    int fd = open("c16.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)flock(fd, LOCK_EX);
    (void)spawn(root(), "c16-locker", c16_lock_file, NULL);
    all_here(1);
    serve();
    join_all();
}

/* C18: it waits for the end of a child that has none. */
static NOINLINE THREAD_RESULT
c18_await_child(void *arg)
{
    pid_t child = *(pid_t *)arg;

    here();
    while (waitpid(child, NULL, 0) == -1 && errno == EINTR)
        ;
    LEAVE;
}

void
row_C18(void)
{
    static pid_t child;

    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGTERM, SIG_IGN);
        for (;;)
            (void)pause();
    }
    (void)spawn(root(), "c18-waiter", c18_await_child, &child);
    all_here(1);
    serve();
    if (fixed)
        (void)kill(child, SIGKILL);
    join_all();
}

/* C22: both ends are its own, and it hears nothing from itself. */
static int c22_ends[2];

static NOINLINE THREAD_RESULT
c22_receive(void *arg)
{
    fd_set set;

    (void)arg;
    FD_ZERO(&set);
    FD_SET(c22_ends[0], &set);
    here();
    (void)select(c22_ends[0] + 1, &set, NULL, NULL, NULL);
    LEAVE;
}

void
row_C22(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c22_ends) == -1)
        return;
    (void)spawn(root(), "c22-receiver", c22_receive, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(c22_ends[1]);
    join_all();
}
