/* SPDX-License-Identifier: GPL-2.0-or-later */

/* H: what the kernel has to wait with: descriptors, queues, locks and signals of all kinds. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* One thread that waits; the twin's is woken when it has to leave. */
static void
one(const char *name, thread_fn *fn, void *arg)
{
    (void)spawn(root(), name, fn, arg);
    all_here(1);
    serve();
}

/* H01: a timer that goes off again and again, and a loop that reads nothing else. */
static int h01_timer;

static NOINLINE THREAD_RESULT
h01_tick(void *arg)
{
    uint64_t n;

    (void)arg;
    here();
    while (read(h01_timer, &n, sizeof(n)) == sizeof(n) && !(fixed && token_cancelled(root())))
        ;
    LEAVE;
}

void
row_H01(void)
{
    struct itimerspec every = {.it_value.tv_nsec = 20000000, .it_interval.tv_nsec = 20000000};

    h01_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    (void)timerfd_settime(h01_timer, 0, &every, NULL);
    one("h01-tick", h01_tick, NULL);
    join_all();
}

/* H02: a timer that nobody armed. */
static NOINLINE THREAD_RESULT
h02_await_timer(void *arg)
{
    uint64_t n;

    (void)arg;
    here();
    (void)!read(h01_timer, &n, sizeof(n));
    LEAVE;
}

void
row_H02(void)
{
    struct itimerspec now = {.it_value.tv_nsec = 1};

    h01_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    one("h02-timer", h02_await_timer, NULL);
    if (fixed)
        (void)timerfd_settime(h01_timer, 0, &now, NULL);
    join_all();
}

/* H03: one end of a pair waits for the other, which is the same process. */
static int h03_pair[2];

static NOINLINE THREAD_RESULT
h03_receive(void *arg)
{
    char buf[64];

    (void)arg;
    here();
    while (recv(h03_pair[0], buf, sizeof(buf), 0) > 0)
        ;
    LEAVE;
}

void
row_H03(void)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, h03_pair) == -1)
        return;
    one("h03-receive", h03_receive, NULL);
    if (fixed)
        (void)shutdown(h03_pair[1], SHUT_RDWR);
    join_all();
}

/* H04: a watch on a folder in which nothing happens. */
static int h04_watch;

static NOINLINE THREAD_RESULT
h04_events(void *arg)
{
    char buf[4096];

    (void)arg;
    here();
    while (read(h04_watch, buf, sizeof(buf)) > 0 && !(fixed && token_cancelled(root())))
        ;
    LEAVE;
}

void
row_H04(void)
{
    int wd;

    h04_watch = inotify_init1(IN_CLOEXEC);
    wd = inotify_add_watch(h04_watch, "/proc/self/fdinfo", IN_CREATE);
    one("h04-watch", h04_events, NULL);
    if (fixed)
        (void)inotify_rm_watch(h04_watch, wd);
    join_all();
}

/* H05: a semaphore in memory that processes share, and nobody posts. */
static sem_t *h05_sem;

static NOINLINE THREAD_RESULT
h05_take(void *arg)
{
    (void)arg;
    here();
    while (sem_wait(h05_sem) == -1 && errno == EINTR)
        ;
    LEAVE;
}

void
row_H05(void)
{
    h05_sem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (h05_sem == MAP_FAILED || sem_init(h05_sem, 1, 0) == -1)
        return;
    one("h05-take", h05_take, NULL);
    if (fixed)
        (void)sem_post(h05_sem);
    join_all();
}

/* H06: it asks a resolver that does not answer, and asks again each time its patience is over. */
static struct sockaddr_in h06_at = {.sin_family = AF_INET};
static int h06_resolver;

static NOINLINE THREAD_RESULT
h06_resolve(void *arg)
{
    struct timeval patience = {.tv_usec = 30000};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char answer[512];

    (void)arg;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    here();
    do {
        (void)sendto(fd, "?", 1, MSG_DONTWAIT, (const struct sockaddr *)&h06_at, sizeof(h06_at));
    } while (recvfrom(fd, answer, sizeof(answer), 0, NULL, NULL) <= 0 &&
             !(fixed && token_cancelled(root())));
    (void)close(fd);
    LEAVE;
}

static void
resolver(void)
{
    socklen_t n = sizeof(h06_at);

    h06_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    h06_resolver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)bind(h06_resolver, (const struct sockaddr *)&h06_at, sizeof(h06_at));
    (void)getsockname(h06_resolver, (struct sockaddr *)&h06_at, &n);
}

void
row_H06(void)
{
    resolver();
    one("h06-resolve", h06_resolve, NULL);
    join_all();
}

/* H07: the same without patience. */
static NOINLINE THREAD_RESULT
h07_resolve(void *arg)
{
    char answer[512];

    (void)arg;
    here();
    (void)recvfrom(h06_resolver, answer, sizeof(answer), 0, NULL, NULL);
    LEAVE;
}

void
row_H07(void)
{
    resolver();
    one("h07-resolve", h07_resolve, NULL);
    if (fixed)
        (void)sendto(h06_resolver, "!", 1, 0, (const struct sockaddr *)&h06_at, sizeof(h06_at));
    join_all();
}

/* H08: a queue of System V. */
static int h08_id;

static NOINLINE THREAD_RESULT
h08_receive(void *arg)
{
    struct {
        long type;
        char text[8];
    } m;

    (void)arg;
    here();
    while (msgrcv(h08_id, &m, sizeof(m.text), 0, 0) == -1 && errno == EINTR)
        ;
    LEAVE;
}

void
row_H08(void)
{
    struct msqid_ds ds;

    h08_id = msgget(IPC_PRIVATE, 0600);
    (void)spawn(root(), "h08-receive", h08_receive, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)msgctl(h08_id, IPC_RMID, &ds);
    join_all();
}

/* H09: a semaphore of System V. */
static NOINLINE THREAD_RESULT
h09_take(void *arg)
{
    struct sembuf op = {.sem_op = -1};

    (void)arg;
    here();
    while (semop(h08_id, &op, 1) == -1 && errno == EINTR)
        ;
    LEAVE;
}

void
row_H09(void)
{
    h08_id = semget(IPC_PRIVATE, 1, 0600);
    one("h09-take", h09_take, NULL);
    if (fixed)
        (void)semctl(h08_id, 0, IPC_RMID);
    join_all();
    (void)semctl(h08_id, 0, IPC_RMID);
}

/* H10: a FIFO that nobody opens at the other end. */
static NOINLINE THREAD_RESULT
h10_open(void *arg)
{
    int fd;

    here();
    fd = open(arg, O_RDONLY | O_CLOEXEC);
    (void)close(fd);
    LEAVE;
}

void
row_H10(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "h10.%d", (int)getpid());
    (void)mkfifo(path, 0600);
    one("h10-open", h10_open, path);
    if (fixed)
        (void)close(open(path, O_WRONLY | O_CLOEXEC));
    join_all();
}

/* H11: a terminal at which nobody types. */
static NOINLINE THREAD_RESULT
h11_console(void *arg)
{
    char line[64];
    int fd = *(int *)arg;

    here();
    while (read(fd, line, sizeof(line)) > 0 && !(fixed && token_cancelled(root())))
        ;
    LEAVE;
}

void
row_H11(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

    (void)grantpt(master);
    (void)unlockpt(master);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    one("h11-console", h11_console, &slave);
    if (fixed)
        (void)!write(master, "quit\n", 5);
    join_all();
}

/* H12: a lock of a file that another process has. */
static NOINLINE THREAD_RESULT
h12_lock(void *arg)
{
    struct flock l = {.l_type = F_WRLCK};
    int fd = open(arg, O_RDWR | O_CLOEXEC);

    here();
    while (fcntl(fd, F_SETLKW, &l) == -1 && errno == EINTR)
        ;
    (void)close(fd);
    LEAVE;
}

void
row_H12(void)
{
    struct flock l = {.l_type = F_WRLCK};
    int fd, ready[2];
    char path[64], byte;
    pid_t child;

    (void)snprintf(path, sizeof(path), "h12.%d", (int)getpid());
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (pipe(ready) == -1 || (child = fork()) == -1)
        return;
    if (child == 0) {
        (void)fcntl(fd, F_SETLK, &l);
        (void)!write(ready[1], "!", 1);
        for (;;)
            (void)pause();
    }
    (void)!read(ready[0], &byte, 1);
    one("h12-lock", h12_lock, path);
    if (fixed)
        (void)kill(child, SIGKILL);
    join_all();
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}
