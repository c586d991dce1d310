/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CLI_CANNED_H
#define STINT_TESTS_CLI_CANNED_H

/* A server that says exactly the bytes it was given, in a process of its own. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct canned {
    char dir[64], path[96], log[96];
    pid_t pid;
};

/* Read the request, then answer; @bytewise: each byte in a packet of its own. */
static inline void
canned_serve(int listener, const struct canned *c, const char *answer, bool bytewise)
{
    char request[65536];
    size_t n = 0;
    int fd = accept(listener, NULL, NULL);
    FILE *log = fopen(c->log, "we");

    while (n < sizeof(request) - 1) {
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
        (void)fwrite(request, 1, n, log);
        (void)fclose(log);
    }
    for (size_t i = 0; bytewise && answer[i]; i++)
        if (send(fd, answer + i, 1, MSG_NOSIGNAL) != 1)
            break;
    if (!bytewise)
        (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    if (strstr(answer, "HANG")) /* never closes: the client's deadline has to end it */
        (void)pause();
    close(fd);
}

static inline void
canned_start(struct canned *c, const char *answer, bool bytewise)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(c->dir, sizeof(c->dir), "/tmp/stint-canned-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(c->dir));
    (void)snprintf(c->path, sizeof(c->path), "%s/control.sock", c->dir);
    (void)snprintf(c->log, sizeof(c->log), "%s/request", c->dir);
    memcpy(sa.sun_path, c->path, strlen(c->path) + 1);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
    c->pid = fork();
    ck_assert_int_ge(c->pid, 0);
    if (c->pid == 0) {
        canned_serve(listener, c, answer, bytewise);
        _exit(0);
    }
    close(listener);
}

/* What it was asked. */
static inline const char *
canned_stop(struct canned *c)
{
    static char request[65536];
    FILE *log;
    size_t n = 0;

    (void)kill(c->pid, SIGKILL);
    (void)waitpid(c->pid, NULL, 0);
    log = fopen(c->log, "re");
    if (log) {
        n = fread(request, 1, sizeof(request) - 1, log);
        (void)fclose(log);
    }
    request[n] = '\0';
    unlink(c->log);
    unlink(c->path);
    rmdir(c->dir);
    return request;
}

#endif
