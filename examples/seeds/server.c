/* SPDX-License-Identifier: MIT */
#include "examples/seeds/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS    2
#define ONE_SECOND INT64_C(1000000)

static struct stint_thread *threads[THREADS];
static handler_fn *handle;
static int listening;

bool
request_header(const struct request *rq, const char *name, char *value, size_t room)
{
    size_t n = strlen(name);

    for (const char *line = rq->head; *line; line += strcspn(line, "\n") + 1) {
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *from = line + n + 1 + strspn(line + n + 1, " \t");

            (void)snprintf(value, room, "%.*s", (int)strcspn(from, "\r\n"), from);
            return true;
        }
        if (!strchr(line, '\n'))
            break;
    }
    return false;
}

/* The whole header, or false: cut, too long, or nothing came within a second. */
static bool
request_read(int fd, struct request *rq)
{
    char all[sizeof(rq->head)];
    size_t have = 0;
    const char *lines;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (stint_token_poll(NULL, &p, 1, stint_now_us() + ONE_SECOND) <= 0)
            return false;
        n = recv(fd, all + have, sizeof(all) - 1 - have, MSG_DONTWAIT);
        if (n <= 0)
            return false;
        have += (size_t)n;
        all[have] = '\0';
        if (strstr(all, "\r\n\r\n"))
            break;
        if (have == sizeof(all) - 1)
            return false;
    }
    if (sscanf(all, "%*15s %127s", rq->path) != 1)
        return false;
    lines = strchr(all, '\n');
    (void)snprintf(rq->head, sizeof(rq->head), "%s", lines ? lines + 1 : "");
    return true;
}

void
answer_one(int fd, handler_fn *handler)
{
    struct request rq;
    char answer[1024] = "", whole[1536];

    if (request_read(fd, &rq)) {
        int status = handler(&rq, answer, sizeof(answer));
        int n = snprintf(whole, sizeof(whole),
                         "HTTP/1.1 %d -\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                         status, strlen(answer), answer);

        (void)send(fd, whole, (size_t)n, MSG_NOSIGNAL); /* the client may have gone */
        (void)shutdown(fd, SHUT_WR);
    }
    (void)close(fd);
}

/* Until the worker drains: then the next generation takes in what comes, by the same socket. */
static void
serve(void *arg)
{
    struct pollfd p = {.fd = listening, .events = POLLIN};

    (void)arg;
    while (stint_token_poll(stint_current(), &p, 1, STINT_NEVER) > 0) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            answer_one(fd, handle);
        stint_beat();
    }
}

int
server_start(handler_fn *handler)
{
    char name[16];
    int r = 0;

    handle = handler;
    listening = stint_listen_fd("http");
    if (listening < 0)
        return listening;
    for (int i = 0; i < THREADS && r == 0; i++) {
        (void)snprintf(name, sizeof(name), "serve-%d", i);
        r = stint_thread_spawn(&threads[i], stint_root(), name, serve, NULL);
    }
    if (r == 0) /* of no request: it has the trace of the start */
        (void)stint_log(STINT_LOG_INFO, "serves");
    return r;
}

void
server_join(void)
{
    for (int i = 0; i < THREADS; i++)
        if (threads[i])
            (void)stint_thread_join(threads[i], NULL, STINT_NEVER);
}
