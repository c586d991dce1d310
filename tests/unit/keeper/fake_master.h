/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_KEEPER_FAKE_MASTER_H
#define STINT_TESTS_UNIT_KEEPER_FAKE_MASTER_H

/*
 * The program of a keeper test is all three: the test, the keeper ("run" is its first word) and its
 * masters (by their title). A fake master hands its end of the keeper's socket to the test, which
 * then says what a master says; what only the process itself can do it does by command:
 *
 *   x STATUS  exit            o  make an orphan that waits to be killed: its pid comes back
 *   z STATUS  make a child that has exited and is not reaped: its pid comes back
 *   e NAME    the value of an environment variable, "-" if there is none
 *   l         "soft limit, descriptors open": RLIMIT_NOFILE and a count
 *   a         argv, with blanks between
 *
 * Without being asked it says "signal NUMBER".
 */
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/keeper/image.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/keeper/wire.h"

#define TEST_SOCKET   "KEEPER_TEST_SOCKET"
#define TEST_PATIENCE "KEEPER_TEST_PATIENCE_US"
#define TEST_BROKEN   "KEEPER_TEST_BROKEN"  /* its masters exit with this status at once */
#define TEST_MUTE     "KEEPER_TEST_MUTE"    /* its trial never ends */
#define TEST_STRANGE  "KEEPER_TEST_STRANGE" /* "new" does not read our image */
#define HEAP_USED     98                    /* exit status of a keeper that allocated */

static bool heap_is_forbidden;

/* NOLINTBEGIN(readability-identifier-naming): the linker puts them before the C library's (--wrap) */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);

void *
__wrap_malloc(size_t bytes)
{
    if (heap_is_forbidden)
        abort();
    return __real_malloc(bytes);
}

void *
__wrap_calloc(size_t n, size_t bytes)
{
    if (heap_is_forbidden)
        abort();
    return __real_calloc(n, bytes);
}

void *
__wrap_realloc(void *p, size_t bytes)
{
    if (heap_is_forbidden)
        abort();
    return __real_realloc(p, bytes);
}
/* NOLINTEND(readability-identifier-naming) */

static inline void
send_text(int to, const char *text, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    char copy[4096];
    struct iovec part = {copy, strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    (void)snprintf(copy, sizeof copy, "%s", text);
    if (fd >= 0) {
        struct cmsghdr *c;

        message.msg_control = control;
        message.msg_controllen = sizeof control;
        c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    (void)sendmsg(to, &message, MSG_NOSIGNAL);
}

static inline void
say_number(int to, int number)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%d", number);
    send_text(to, text, -1);
}

static inline void
make_orphan(int to)
{
    sigset_t none;
    pid_t child = fork();

    if (child == 0) {
        pid_t orphan = fork();

        if (orphan == 0) {
            (void)close(to); /* not to be taken for the master's life */
            (void)close(KEEPER_FD);
            (void)sigemptyset(&none);
            (void)sigprocmask(SIG_SETMASK, &none, NULL);
            for (;;)
                (void)pause();
        }
        say_number(to, orphan);
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
}

static inline void
make_zombie(int to, int status)
{
    siginfo_t info;
    pid_t child = fork();

    if (child == 0)
        _exit(status);
    (void)waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    say_number(to, child);
}

static inline void
say_limits(int to)
{
    struct rlimit limit = {0};
    char text[64];
    int n = 0;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    (void)snprintf(text, sizeof text, "%d %d", (int)limit.rlim_cur, n);
    send_text(to, text, -1);
}

static inline void
obey(int to, const char *command, int argc, char **argv)
{
    const char *word = command[0] && command[1] ? command + 2 : "";
    const char *value;
    char line[1024] = "";

    switch (command[0]) {
    case 'x':
        _exit(atoi(word)); /* NOLINT(cert-err34-c): our own test said it */
    case 'o':
        make_orphan(to);
        break;
    case 'z':
        make_zombie(to, atoi(word)); /* NOLINT(cert-err34-c) */
        break;
    case 'e':
        value = getenv(word); /* NOLINT(concurrency-mt-unsafe): one thread */
        send_text(to, value ? value : "-", -1);
        break;
    case 'l':
        say_limits(to);
        break;
    case 'a':
        for (int i = 0; i < argc; i++)
            (void)snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", i ? " " : "",
                           argv[i]);
        send_text(to, line, -1);
        break;
    default:
        _exit(97);
    }
}

/* Who starts without our signals blocked would die of the first one. */
static inline int
signals_of_master(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static inline int
play_master(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *broken = getenv(TEST_BROKEN); /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *path = getenv(TEST_SOCKET);   /* NOLINT(concurrency-mt-unsafe) */
    struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
    char text[256];

    if (broken)
        return atoi(broken); /* NOLINT(cert-err34-c) */
    fds[1].fd = signals_of_master();
    fds[0].fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path ? path : "");
    if (connect(fds[0].fd, (struct sockaddr *)&address, sizeof address) == -1)
        return 96;
    (void)snprintf(text, sizeof text, "%d", (int)getpid());
    send_text(fds[0].fd, text, KEEPER_FD);
    for (;;) {
        struct signalfd_siginfo si;
        ssize_t n;

        (void)poll(fds, 2, -1);
        if (fds[1].revents && read(fds[1].fd, &si, sizeof si) == (ssize_t)sizeof si) {
            (void)snprintf(text, sizeof text, "signal %u", si.ssi_signo);
            send_text(fds[0].fd, text, -1);
        }
        if (!fds[0].revents)
            continue;
        n = recv(fds[0].fd, text, sizeof text - 1, 0);
        if (n <= 0)
            _exit(0); /* the test is over; a leak check at exit would be a child of its own */
        text[n] = '\0';
        obey(fds[0].fd, text, argc, argv);
    }
}

/* A release whose image is another: "new" cannot read ours, and we can. */
static inline void
be_strange(void)
{
    const char *number =
        getenv("STINT_KEEPER_IMAGE");    /* NOLINT(concurrency-mt-unsafe): one thread */
    int fd = number ? atoi(number) : -1; /* NOLINT(cert-err34-c) */
    struct image_head head;
    char exe[128] = "";

    if (fd == -1 || pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        readlink("/proc/self/exe", exe, sizeof exe - 1) == -1)
        return;
    head.version = IMAGE_VERSION + (strstr(exe, "/new") != NULL);
    if (pwrite(fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        _exit(93);
}

static inline int
play_keeper(int argc, char **argv)
{
    const char *patience = getenv(TEST_PATIENCE); /* NOLINT(concurrency-mt-unsafe): one thread */
    struct keeper_options options = {.patience_us = patience ? strtoll(patience, NULL, 10)
                                                             : KEEPER_PATIENCE_US};
    struct mallinfo2 before = mallinfo2(), after;
    int status;

    if (getenv(TEST_STRANGE)) /* NOLINT(concurrency-mt-unsafe): one thread */
        be_strange();
    heap_is_forbidden = true; /* calls of ours; those of libc show in mallinfo2() */
    status = keeper_run(argc, argv, &options);
    heap_is_forbidden = false;
    after = mallinfo2();
    return memcmp(&before, &after, sizeof before) == 0 ? status : HEAP_USED;
}

#endif
