/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which descriptors does it wait for, in poll, select or epoll? The first few are told by name. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/probe/capture_parts.h"

#define POLL_MAX  64 /* of an array that are read; how many there are is told */
#define TOLD_MAX  4
#define EPOLL_MAX 4096U

static void
add(struct capture *c, struct thread_facts *t, int fd, const char *what)
{
    char target[96];
    size_t at = strlen(t->fd_target);

    t->n_fds++;
    if (t->fd == -1)
        t->fd = fd;
    if (t->n_fds > TOLD_MAX)
        return;
    capture_fd_target(c, fd, target, sizeof(target));
    (void)snprintf(t->fd_target + at, sizeof(t->fd_target) - at, "%sfd %d%s%s%s",
                   at > 0 ? ", " : "", fd, what, target[0] != '\0' ? " → " : "", target);
}

static void
poll_read(struct capture *c, struct thread_facts *t)
{
    struct pollfd fds[POLL_MAX];
    uint64_t n = t->args[1];
    size_t known = n < POLL_MAX ? (size_t)n : POLL_MAX;

    if (known == 0 || remote_read(&c->memory, t->args[0], fds, known * sizeof(fds[0])) < 0)
        return;
    for (size_t i = 0; i < known; i++)
        if (fds[i].fd >= 0) /* a negative one is passed over */
            add(c, t, fds[i].fd, fds[i].events == POLLOUT ? " to write" : "");
    if (n > known)
        t->n_fds += n - known < INT32_MAX ? (unsigned)(n - known) : INT32_MAX;
}

static void
select_read(struct capture *c, struct thread_facts *t)
{
    fd_set sets[3]; /* to read, to write, exceptions */
    int n = (int)t->args[0] < FD_SETSIZE ? (int)t->args[0] : FD_SETSIZE;
    size_t bytes = n > 0 ? ((size_t)n + 63) / 64 * 8 : 0; /* as many as the program has to have */

    memset(sets, 0, sizeof(sets));
    for (size_t k = 0; k < ARRAY_LEN(sets) && bytes > 0; k++)
        if (t->args[k + 1] != 0)
            (void)remote_read(&c->memory, t->args[k + 1], &sets[k], bytes); /* zeros then */
    for (int fd = 0; fd < n; fd++)
        if (FD_ISSET(fd, &sets[0]) || FD_ISSET(fd, &sets[1]) || FD_ISSET(fd, &sets[2]))
            add(c, t, fd, FD_ISSET(fd, &sets[0]) || FD_ISSET(fd, &sets[2]) ? "" : " to write");
}

static void
epoll_read(struct capture *c, struct thread_facts *t)
{
    char path[64], line[256];
    int epfd = t->fd;
    unsigned n = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)c->memory.pid, epfd);
    FILE *f = fopen(path, "re");

    if (!f)
        return;
    t->fd_target[0] = '\0';
    (void)snprintf(t->fd_target, sizeof(t->fd_target), "epoll");
    while (n < EPOLL_MAX && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "tfd:", 4) != 0)
            continue;
        n++;
        if (n == 1)
            (void)snprintf(t->fd_target, sizeof(t->fd_target), "epoll of fd");
        if (n <= TOLD_MAX) {
            size_t at = strlen(t->fd_target);
            int fd = (int)strtol(line + 4, NULL, 10);
            char target[96];

            capture_fd_target(c, fd, target, sizeof(target));
            (void)snprintf(t->fd_target + at, sizeof(t->fd_target) - at, "%s %d%s%s",
                           n > 1 ? "," : "", fd, target[0] != '\0' ? " → " : "", target);
        }
    }
    t->n_fds = n;
    (void)fclose(f);
}

/* cut - a text that had no room ends with a whole character. */
static void
cut(char *s, size_t room)
{
    size_t n = strlen(s);

    if (n + 1 < room)
        return;
    while (n > 0 && ((unsigned char)s[n - 1] & 0xc0) == 0x80)
        n--;
    s[n > 0 ? n - 1 : 0] = '\0';
}

void
capture_polled(struct capture *c, struct thread_facts *t)
{
    bool chosen = t->call == SYS_pselect6;

#ifdef SYS_select
    chosen |= t->call == SYS_select;
#endif
    if (t->wait == WAIT_EPOLL)
        epoll_read(c, t);
    else if (chosen)
        select_read(c, t);
    else
        poll_read(c, t);
    cut(t->fd_target, sizeof(t->fd_target));
}
