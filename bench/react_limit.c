// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The least that can be done about a crash and about a change: a pidfd and an inotify watch in one poll().
 *
 *     stint-react-limit PROGRAM     start it; start it again when it died, and when PROGRAM was renamed over,
 *                                   and then end the old one; all this at once, and nothing else
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void
die(const char *what)
{
    (void)fprintf(stderr, "stint-react-limit: %s: %s\n", what, strerrordesc_np(errno));
    exit(EXIT_FAILURE);
}

static int
start(char *program)
{
    char *argv[] = {program, NULL};
    pid_t pid;
    int fd;

    errno = posix_spawn(&pid, program, NULL, NULL, argv, environ);
    fd = errno == 0 ? pidfd_open(pid, 0) : -1;
    if (fd == -1)
        die(program);
    return fd;
}

static void
bury(int pidfd)
{
    (void)waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){0}, WEXITED);
    (void)close(pidfd);
}

/* Return: was the program among what was moved here? */
static int
is_new(int inotify, const char *name)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n = read(inotify, buffer, sizeof(buffer));
    int found = 0;

    for (char *at = buffer; n > 0 && at < buffer + n;) {
        const struct inotify_event *ev = (const struct inotify_event *)(const void *)at;

        found |= ev->len > 0 && strcmp(ev->name, name) == 0;
        at += sizeof(*ev) + ev->len;
    }
    return found;
}

int
main(int argc, char **argv)
{
    char folder[PATH_MAX], name[PATH_MAX];
    struct pollfd p[2];

    if (argc != 2 || strlen(argv[1]) >= PATH_MAX) {
        (void)fprintf(stderr, "usage: stint-react-limit PROGRAM\n");
        return 64;
    }
    (void)snprintf(folder, sizeof(folder), "%s", argv[1]);
    (void)snprintf(name, sizeof(name), "%s", argv[1]);
    p[0] = (struct pollfd){inotify_init1(IN_CLOEXEC), POLLIN, 0};
    if (inotify_add_watch(p[0].fd, dirname(folder), IN_MOVED_TO) == -1)
        die("watch");
    p[1] = (struct pollfd){start(argv[1]), POLLIN, 0};
    for (;;) {
        if (poll(p, 2, -1) == -1)
            continue;
        if (p[1].revents) {
            bury(p[1].fd);
            p[1].fd = start(argv[1]);
        }
        if (p[0].revents && is_new(p[0].fd, basename(name))) {
            int old = p[1].fd;

            p[1].fd = start(argv[1]);
            (void)pidfd_send_signal(old, SIGTERM, NULL, 0);
            bury(old);
        }
    }
}
