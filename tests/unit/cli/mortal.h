/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CLI_MORTAL_H
#define STINT_TESTS_CLI_MORTAL_H

/*
 * A supervisor whose master dies: one life after the other serves one connection each on the same
 * listening socket, which the test keeps as a keeper would. What each was asked is written down.
 */
#include <poll.h>

#include "tests/unit/cli/canned.h"

enum death {
    LIVES,       /* answers */
    DIES_UNREAD, /* with the request still in its socket: ECONNRESET */
    DIES_ASKED,  /* having read it: the end of the connection */
    DIES_HALF,   /* in the middle of its answer */
    ENDS         /* having read it; and the socket is gone with it */
};

struct life {
    enum death death;
    const char *answer; /* LIVES, DIES_HALF */
};

static inline void
mortal_live(int listener, const struct canned *c, const struct life *life)
{
    char request[8192] = "";
    FILE *log = fopen(c->log, "ae");
    int fd = accept(listener, NULL, NULL);
    size_t n = 0;

    if (life->death == DIES_UNREAD) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        (void)poll(&p, 1, 20000);
    }
    while (life->death != DIES_UNREAD && n < sizeof(request) - 1) {
        ssize_t r = recv(fd, request + n, sizeof(request) - 1 - n, 0);
        const char *head, *length;

        if (r <= 0)
            break;
        n += (size_t)r;
        request[n] = '\0';
        head = strstr(request, "\r\n\r\n");
        length = strstr(request, "Content-Length: ");
        if (head && (!length || n >= (size_t)(head + 4 - request) + strtoul(length + 16, NULL, 10)))
            break;
    }
    if (log) {
        (void)fprintf(log, "%s\n", request);
        (void)fclose(log);
    }
    if (life->death == LIVES || life->death == DIES_HALF)
        (void)!send(fd, life->answer, strlen(life->answer), MSG_NOSIGNAL);
    if (life->death == ENDS) {
        (void)unlink(c->path);
        close(listener);
    }
    close(fd);
}

static inline void
mortal_start(struct canned *c, const struct life *lives, size_t n)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(c->dir, sizeof(c->dir), "/tmp/stint-mortal-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(c->dir));
    (void)snprintf(c->path, sizeof(c->path), "%s/control.sock", c->dir);
    (void)snprintf(c->log, sizeof(c->log), "%s/request", c->dir);
    memcpy(sa.sun_path, c->path, strlen(c->path) + 1);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
    c->pid = fork();
    ck_assert_int_ge(c->pid, 0);
    if (c->pid == 0) {
        for (size_t i = 0; i < n; i++)
            mortal_live(listener, c, &lives[i]);
        _exit(0);
    }
    close(listener);
}

#endif
