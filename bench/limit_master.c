// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The physical limit of a handoff: bind once; on SIGHUP start the new workers, wait until each has
 * said READY=1, then SIGTERM the old ones. No configuration, no checks, no state, no back-off, no
 * deadline: whatever a real supervisor adds is measured against this.
 *
 *     stint-limit-master WORKERS PORT WORKER [ARGUMENT...]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define WORKERS_MAX 64
#define BACKLOG     1024
#define LISTEN_FD   3

static struct worker {
    pid_t pid; /* 0: an empty place */
    unsigned generation;
    bool ready;
} workers[2 * WORKERS_MAX]; /* one generation serves, one starts or drains; a third waits */

static struct {
    unsigned count, generation;
    int listener, notify, signals;
    char notify_path[64]; /* abstract: "@…" */
    char **argv;
    bool starting, again, stopping;
} master;

static _Noreturn void
die(const char *what)
{
    (void)fprintf(stderr, "stint-limit-master: %s: %s\n", what, strerrordesc_np(errno));
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        if (workers[i].pid > 0)
            kill(workers[i].pid, SIGKILL);
    _exit(EXIT_FAILURE);
}

static int
listen_on(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
        bind(fd, (struct sockaddr *)&to, sizeof(to)) == -1 || listen(fd, BACKLOG) == -1)
        die("listen");
    return fd;
}

static int
notify_open(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const int on = 1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int n = snprintf(master.notify_path, sizeof(master.notify_path), "@stint-limit-%d", getpid());

    memcpy(to.sun_path + 1, master.notify_path + 1, (size_t)n - 1);
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == -1 ||
        bind(fd, (struct sockaddr *)&to, (socklen_t)(sizeof(sa_family_t) + (size_t)n)) == -1)
        die("notify socket");
    return fd;
}

static void
set_number(const char *name, unsigned value)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", value);
    if (setenv(name, text, 1) == -1)
        _exit(127);
}

static _Noreturn void
become_worker(unsigned slot)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    set_number("LISTEN_PID", (unsigned)getpid());
    set_number("STINT_GENERATION", master.generation);
    set_number("STINT_SLOT", slot);
    if (dup2(master.listener, LISTEN_FD) == -1) /* clears close-on-exec */
        _exit(127);
    execvp(master.argv[0], master.argv);
    _exit(127);
}

static void
start_generation(void)
{
    unsigned slot = 0;

    master.generation++;
    master.starting = true;
    for (size_t i = 0; i < ARRAY_LEN(workers) && slot < master.count; i++) {
        pid_t pid;

        if (workers[i].pid != 0)
            continue;
        pid = fork();
        if (pid == 0)
            become_worker(slot);
        if (pid == -1)
            die("fork");
        workers[i] = (struct worker){pid, master.generation, false};
        slot++;
    }
    if (slot < master.count)
        die("older generations still drain");
}

/* Once the whole new generation is ready, everybody older may go. */
static void
relieve(void)
{
    unsigned ready = 0;

    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        ready +=
            workers[i].pid > 0 && workers[i].generation == master.generation && workers[i].ready;
    if (!master.starting || ready < master.count)
        return;
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        if (workers[i].pid > 0 && workers[i].generation < master.generation)
            kill(workers[i].pid, SIGTERM);
    master.starting = false;
    if (master.again) {
        master.again = false;
        start_generation();
    }
}

static void
take_notes(void)
{
    char text[256];
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {text, sizeof(text) - 1};
    struct msghdr msg;
    ssize_t n;

    for (;;) {
        msg = (struct msghdr){.msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control)};
        n = recvmsg(master.notify, &msg, MSG_CMSG_CLOEXEC);
        if (n <= 0)
            break;
        text[n] = '\0';
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
            struct ucred from;

            if (c->cmsg_type != SCM_CREDENTIALS || !strstr(text, "READY=1"))
                continue;
            memcpy(&from, CMSG_DATA(c), sizeof(from));
            for (size_t i = 0; i < ARRAY_LEN(workers); i++)
                if (workers[i].pid == from.pid)
                    workers[i].ready = true;
        }
    }
    relieve();
}

/* Return: how many workers are left. */
static unsigned
reap(void)
{
    unsigned left = 0;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
            if (workers[i].pid != pid)
                continue;
            workers[i].pid = 0;
            errno = 0;
            if (!master.stopping && workers[i].generation == master.generation)
                die("a worker of the newest generation ended");
        }
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        left += workers[i].pid > 0;
    return left;
}

static unsigned
take_signals(void)
{
    struct signalfd_siginfo si;

    while (read(master.signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        if (si.ssi_signo == SIGHUP && master.starting)
            master.again = true;
        else if (si.ssi_signo == SIGHUP && !master.stopping)
            start_generation();
        else if (si.ssi_signo != SIGCHLD && !master.stopping) {
            master.stopping = true;
            for (size_t i = 0; i < ARRAY_LEN(workers); i++)
                if (workers[i].pid > 0)
                    kill(workers[i].pid, SIGTERM);
        }
    }
    return reap();
}

int
main(int argc, char **argv)
{
    struct pollfd fds[2];
    sigset_t set;

    if (argc < 4 || (master.count = (unsigned)strtoul(argv[1], NULL, 10)) == 0 ||
        master.count > WORKERS_MAX / 2) {
        (void)fprintf(stderr, "usage: stint-limit-master WORKERS PORT WORKER [ARGUMENT...]\n");
        return 2;
    }
    master.argv = argv + 3;
    sigemptyset(&set);
    for (size_t i = 0; i < 4; i++)
        sigaddset(&set, (const int[]){SIGHUP, SIGTERM, SIGINT, SIGCHLD}[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    master.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    master.listener = fcntl(listen_on((unsigned)strtoul(argv[2], NULL, 10)), F_DUPFD_CLOEXEC,
                            10); /* not LISTEN_FD itself */
    master.notify = notify_open();
    if (master.signals == -1 || master.listener == -1 ||
        setenv("NOTIFY_SOCKET", master.notify_path, 1) == -1 ||
        setenv("LISTEN_FDS", "1", 1) == -1 || setenv("LISTEN_FDNAMES", "http", 1) == -1)
        die("set up");
    start_generation();
    fds[0] = (struct pollfd){master.signals, POLLIN, 0};
    fds[1] = (struct pollfd){master.notify, POLLIN, 0};
    for (;;) {
        if (poll(fds, 2, -1) == -1 && errno != EINTR)
            die("poll");
        if (fds[1].revents)
            take_notes();
        if (fds[0].revents && take_signals() == 0 && master.stopping)
            return EXIT_SUCCESS;
    }
}
