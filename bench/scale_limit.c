// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bare loop of bench/scale: start N times the same program, hold a pidfd of each, and on SIGTERM
 * end them all and reap. No configuration, no output, no readiness, no state: what a real
 * supervisor adds is measured against this.
 *
 *     stint-scale-limit N PROGRAM
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 64

static _Noreturn void
die(const char *what)
{
    (void)fprintf(stderr, "stint-scale-limit: %s: %s\n", what, strerrordesc_np(errno));
    exit(EXIT_FAILURE);
}

static void
watch(int epoll, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    if (fd == -1 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == -1)
        die("watch");
}

static int
start(char *program, const sigset_t *before)
{
    char *const argv[] = {program, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        (void)setsid();
        (void)sigprocmask(SIG_SETMASK, before, NULL);
        (void)execv(program, argv);
        _exit(127);
    }
    if (pid == -1)
        die("fork");
    return pidfd_open(pid, 0);
}

int
main(int argc, char **argv)
{
    unsigned n = argc == 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC), *pidfds = calloc(n ? n : 1, sizeof(*pidfds)), signals;
    sigset_t set, before;

    if (n == 0) {
        (void)fprintf(stderr, "usage: stint-scale-limit N PROGRAM\n");
        return 64;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, &before);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (!pidfds || epoll == -1)
        die("begin");
    watch(epoll, signals);
    for (unsigned i = 0; i < n; i++) {
        pidfds[i] = start(argv[2], &before);
        watch(epoll, pidfds[i]);
    }
    for (unsigned left = n; left > 0;) {
        struct epoll_event events[BATCH];
        int got = epoll_wait(epoll, events, BATCH, -1);

        for (int e = 0; e < got; e++) {
            int fd = events[e].data.fd;

            if (fd == signals) {
                struct signalfd_siginfo si;

                (void)!read(signals, &si, sizeof(si));
                for (unsigned i = 0; i < n; i++)
                    (void)pidfd_send_signal(pidfds[i], SIGTERM, NULL, 0);
                continue;
            }
            if (waitid(P_PIDFD, (id_t)fd, &(siginfo_t){0}, WEXITED) == -1)
                die("waitid");
            (void)epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
            left--;
        }
    }
    return EXIT_SUCCESS;
}
