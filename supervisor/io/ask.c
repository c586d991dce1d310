/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/ask.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/forget.h"

#define REQUEST_MAX     2048
#define STATUS_LINE_MIN 12 /* "HTTP/1.1 200" */
#define HTTP_PORT       80

struct ask {
    struct ev_loop *loop;            /* borrowed */
    const struct ask_target *target; /* borrowed */
    ask_answer_fn *on_answer;
    void *env; /* borrowed */
    int fd;    /* owned */
    ev_io io;
    ev_timer timer;
    bool connected;
    int connect_error; /* negative errno of a connect() that failed at once, told from the loop */
    size_t sent, request_bytes, got;
    char request[REQUEST_MAX];
    char head[64]; /* the beginning of the answer: the status line is all that is read */
};

static int
url_split(const char *text, struct ask_target *target, char **ret_tcp)
{
    const char *host = text + strlen("http://");
    size_t n = strcspn(host, "/?#");
    const char *bracket = memchr(host, ']', n), *from = bracket ? bracket : host;
    bool has_port = memchr(from, ':', n - (size_t)(from - host)) != NULL;
    const char *rest = host + n;
    int bytes;

    if (has_port)
        bytes = asprintf(ret_tcp, "tcp://%.*s", (int)n, host);
    else
        bytes = asprintf(ret_tcp, "tcp://%.*s:%d", (int)n, host, HTTP_PORT);
    if (bytes == -1) {
        *ret_tcp = NULL; /* undefined after a failure */
        return -ENOMEM;
    }
    target->host = strndup(host, n);
    if (asprintf(&target->get, "%s%.*s", *rest == '/' ? "" : "/", (int)strcspn(rest, "#"), rest) ==
        -1)
        target->get = NULL;
    return target->host && target->get ? 0 : -ENOMEM;
}

int
ask_target_parse(const char *text, const char *instead, struct ask_target *ret,
                 struct error *reterr)
{
    __attribute__((cleanup(ask_target_finish))) struct ask_target target = {0};
    auto_free char *tcp = NULL;
    int r = 0;

    if (strncmp(text, "http://", 7) == 0)
        r = url_split(text, &target, &tcp);
    else if (strncmp(text, "tcp://", 6) != 0)
        return error_say(reterr, -EINVAL, "'%s' is neither tcp://… nor http://…", text);
    if (r < 0)
        return error_set(reterr, r, "probe '%s'", text);
    if (target.get && (strpbrk(target.get, " \r\n\t") || strlen(target.get) > REQUEST_MAX / 2))
        return error_say(reterr, -EINVAL, "'%s' is not a URL that can be asked for", text);
    r = endpoint_parse(instead ? instead : tcp ? tcp : text, &target.at, reterr);
    if (r < 0)
        return r;
    if (target.at.sa.ss_family == AF_UNIX)
        return error_say(reterr, -EINVAL, "probe '%s': only tcp can be asked", text);
    *ret = target;
    target = (struct ask_target){0};
    return 0;
}

void
ask_target_finish(struct ask_target *target)
{
    free(target->get);
    free(target->host);
    *target = (struct ask_target){0};
}

void
ask_cancel(struct ask *ask)
{
    if (!ask)
        return;
    forget_io(ask->loop, &ask->io);
    ev_timer_stop(ask->loop, &ask->timer);
    (void)fd_close(ask->fd);
    free(ask);
}

static void
answer(struct ask *ask, bool yes, const char *text)
{
    ask_answer_fn *on_answer = ask->on_answer;
    void *env = ask->env;

    ask_cancel(ask);
    on_answer(env, yes, text);
}

static void
answer_error(struct ask *ask, int error)
{
    char text[96];

    (void)snprintf(text, sizeof text, "%s", strerrordesc_np(error) ? strerrordesc_np(error) : "?");
    if (text[0] >= 'A' && text[0] <= 'Z')
        text[0] = (char)(text[0] - 'A' + 'a');
    answer(ask, false, text);
}

/*
 * Nobody listens on a port of the ephemeral range, and the kernel gives our end the very same
 * number: then the two ends of one socket are connected to each other, and nobody is there.
 */
static bool
talks_to_itself(int fd)
{
    struct sockaddr_storage us = {0}, them = {0};
    socklen_t n = sizeof us, m = sizeof them;

    return getsockname(fd, (struct sockaddr *)&us, &n) == 0 &&
           getpeername(fd, (struct sockaddr *)&them, &m) == 0 && n == m &&
           memcmp(&us, &them, n) == 0;
}

static void
judge(struct ask *ask)
{
    char text[32];
    unsigned status = 0;

    if (ask->got < STATUS_LINE_MIN || memcmp(ask->head, "HTTP/", 5) != 0) {
        answer(ask, false, "the answer is not HTTP");
        return;
    }
    for (size_t i = 9; i < STATUS_LINE_MIN; i++) {
        if (ask->head[i] < '0' || ask->head[i] > '9') {
            answer(ask, false, "the answer has no status");
            return;
        }
        status = status * 10 + (unsigned)(ask->head[i] - '0');
    }
    (void)snprintf(text, sizeof text, "HTTP %u", status);
    answer(ask, status >= 200 && status < 400, text);
}

static void
send_some(struct ask *ask)
{
    ssize_t n =
        send(ask->fd, ask->request + ask->sent, ask->request_bytes - ask->sent, MSG_NOSIGNAL);

    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR)
            answer_error(ask, errno);
        return;
    }
    ask->sent += (size_t)n;
    if (ask->sent < ask->request_bytes)
        return;
    ev_io_stop(ask->loop, &ask->io);
    ev_io_set(&ask->io, ask->fd, EV_READ);
    ev_io_start(ask->loop, &ask->io);
}

static void
receive_some(struct ask *ask)
{
    ssize_t n = recv(ask->fd, ask->head + ask->got, sizeof ask->head - ask->got, 0);

    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR)
            answer_error(ask, errno);
        return;
    }
    ask->got += (size_t)n;
    if (n == 0 && ask->got == 0)
        answer(ask, false, "closed without an answer");
    else if (n == 0 || ask->got >= STATUS_LINE_MIN)
        judge(ask);
}

static void
on_io(EV_P_ ev_io *io, int revents)
{
    struct ask *ask = container_of(io, struct ask, io);
    socklen_t bytes = sizeof(int);
    int error = 0;

    (void)loop;
    (void)revents;
    if (!ask->connected) {
        if (getsockopt(ask->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == -1)
            error = errno;
        if (error == 0 && talks_to_itself(ask->fd))
            error = ECONNREFUSED;
        if (error != 0) {
            answer_error(ask, error);
            return;
        }
        ask->connected = true;
        if (ask->request_bytes == 0) {
            answer(ask, true, "connected");
            return;
        }
    }
    if (ask->sent < ask->request_bytes)
        send_some(ask);
    else
        receive_some(ask);
}

static void
on_timer(EV_P_ ev_timer *timer, int revents)
{
    struct ask *ask = container_of(timer, struct ask, timer);

    (void)loop;
    (void)revents;
    if (ask->connect_error)
        answer_error(ask, -ask->connect_error);
    else
        answer(ask, false, ask->connected ? "no answer in time" : "no connection in time");
}

struct ask *
ask_start(struct ev_loop *loop, const struct ask_target *target, int64_t timeout_us,
          ask_answer_fn *on_answer, void *env)
{
    struct ask *ask = calloc(1, sizeof *ask);

    if (!ask)
        return NULL;
    ask->loop = loop;
    ask->target = target;
    ask->on_answer = on_answer;
    ask->env = env;
    ask->fd = socket(target->at.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ev_io_init(&ask->io, on_io, ask->fd, EV_WRITE);
    ev_timer_init(&ask->timer, on_timer, 0., 0.);
    if (ask->fd == -1) {
        ask_cancel(ask);
        return NULL;
    }
    if (target->get)
        ask->request_bytes = (size_t)snprintf(
            ask->request, sizeof ask->request,
            "GET %s HTTP/1.0\r\nHost: %.256s\r\nUser-Agent: stint\r\nConnection: close\r\n\r\n",
            target->get, target->host);
    if (connect(ask->fd, (const struct sockaddr *)&target->at.sa, target->at.bytes) == -1 &&
        errno != EINPROGRESS) {
        ask->connect_error = -errno;
        timeout_us = 0;
    } else {
        ev_io_start(loop, &ask->io);
    }
    ev_now_update(loop);
    ev_timer_set(&ask->timer, (double)timeout_us / US_PER_S, 0.);
    ev_timer_start(loop, &ask->timer);
    return ask;
}
