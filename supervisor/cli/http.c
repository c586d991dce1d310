/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/http.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"

/* The connection and what is read ahead of it. */
struct wire {
    const struct http_request *rq;
    struct error *reterr;
    int fd;
    size_t at, end; /* unread: buf[at, end) */
    char buf[16384];
    struct text kept; /* the body, when it is kept */
    bool stopped;     /* piece() had enough */
};

static int
wait_readable(struct wire *w)
{
    int64_t left_us = w->rq->deadline_us - mono_now_us();
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int r;

    if (w->rq->deadline_us != TIME_NEVER && left_us <= 0)
        return 0;
    if (w->rq->deadline_us == TIME_NEVER || left_us > INT64_C(3600) * US_PER_S)
        left_us = INT64_C(3600) * US_PER_S;
    r = poll(&p, 1, (int)(left_us / US_PER_MS) + 1);
    return r == -1 && errno != EINTR ? -errno : 1;
}

/* More bytes into the buffer. Return: 1, 0 at the end of the connection, or negative errno. */
static int
wire_fill(struct wire *w)
{
    ssize_t n;
    int r;

    w->at = w->end = 0;
    for (;;) {
        n = recv(w->fd, w->buf, sizeof(w->buf), MSG_DONTWAIT);
        if (n >= 0) {
            w->end = (size_t)n;
            return n > 0;
        }
        if (errno != EAGAIN && errno != EINTR)
            return error_set(w->reterr, -errno, "the connection to '%s'", w->rq->socket);
        r = wait_readable(w);
        if (r == 0)
            return error_say(w->reterr, -ETIMEDOUT, "no answer from '%s' in time", w->rq->socket);
        if (r < 0)
            return error_set(w->reterr, r, "the connection to '%s'", w->rq->socket);
    }
}

static int
cut_short(struct wire *w)
{
    return error_say(w->reterr, -ECONNRESET,
                     "'%s' ended the connection in the middle of its answer", w->rq->socket);
}

static int
not_http(struct wire *w)
{
    return error_say(w->reterr, -EPROTO, "'%s' does not speak HTTP as stint does", w->rq->socket);
}

/* One line without its CRLF. Return: 0 or negative errno. */
static int
wire_line(struct wire *w, struct text *line)
{
    text_clear(line);
    for (;;) {
        char *newline = memchr(w->buf + w->at, '\n', w->end - w->at);
        size_t n = newline ? (size_t)(newline - (w->buf + w->at)) : w->end - w->at;
        int r;

        text_addn(line, w->buf + w->at, n);
        w->at += n + (newline ? 1 : 0);
        if (line->failed || line->bytes > HTTP_HEAD_MAX)
            return not_http(w);
        if (newline) {
            if (line->bytes > 0 && line->data[line->bytes - 1] == '\r')
                line->data[--line->bytes] = '\0';
            return 0;
        }
        r = wire_fill(w);
        if (r <= 0)
            return r < 0 ? r : cut_short(w);
    }
}

static int
body_take(struct wire *w, const char *bytes, size_t n, bool streamed)
{
    if (streamed) {
        w->stopped = n > 0 && !w->rq->piece(w->rq->env, bytes, n);
        return 0;
    }
    text_addn(&w->kept, bytes, n);
    if (w->kept.failed || w->kept.bytes > HTTP_BODY_MAX)
        return error_say(w->reterr, -EFBIG, "the answer of '%s' is too large", w->rq->socket);
    return 0;
}

/* @n bytes, or with SIZE_MAX all up to the end of the connection. */
static int
body_read(struct wire *w, size_t n, bool streamed)
{
    int r;

    while (n > 0 && !w->stopped) {
        size_t part = w->end - w->at < n ? w->end - w->at : n;

        r = body_take(w, w->buf + w->at, part, streamed);
        if (r < 0)
            return r;
        w->at += part;
        n -= n == SIZE_MAX ? 0 : part;
        if (n == 0 || w->stopped)
            return 0;
        r = wire_fill(w);
        if (r <= 0)
            return r < 0 ? r : n == SIZE_MAX ? 0 : cut_short(w);
    }
    return 0;
}

static int
body_read_chunks(struct wire *w, bool streamed)
{
    auto_text struct text line = TEXT_INIT;

    for (;;) {
        char *end = NULL;
        unsigned long long n;
        int r = wire_line(w, &line);

        if (r < 0)
            return r;
        errno = 0;
        n = strtoull(text_str(&line), &end, 16);
        if (end == text_str(&line) || errno != 0 || n > HTTP_BODY_MAX)
            return not_http(w);
        if (n > 0)
            r = body_read(w, (size_t)n, streamed);
        if (r < 0 || w->stopped)
            return r;
        r = wire_line(w, &line); /* the CRLF behind each chunk; trailers are not sent */
        if (r < 0 || n == 0)
            return r;
    }
}

struct head {
    int status;
    bool chunked;
    size_t length; /* SIZE_MAX: not said */
};

static int
head_read(struct wire *w, struct head *head)
{
    auto_text struct text line = TEXT_INIT;
    int r = wire_line(w, &line);
    char *end = NULL;

    if (r < 0)
        return r;
    *head = (struct head){.length = SIZE_MAX};
    if (strncmp(text_str(&line), "HTTP/1.", 7) != 0 || line.bytes < 12)
        return not_http(w);
    head->status = (int)strtol(line.data + 9, &end, 10);
    if (head->status < 100 || head->status > 599)
        return not_http(w);
    for (;;) {
        r = wire_line(w, &line);
        if (r < 0 || line.bytes == 0)
            return r;
        if (strcasecmp(line.data, "Transfer-Encoding: chunked") == 0)
            head->chunked = true;
        else if (strncasecmp(line.data, "Content-Length:", 15) == 0)
            head->length = (size_t)strtoull(line.data + 15, &end, 10);
    }
}

static int
reply_read(struct wire *w, struct http_reply *ret)
{
    struct head head;
    bool streamed;
    int r;

    do
        r = head_read(w, &head);
    while (r == 0 && head.status < 200); /* 100 Continue */
    if (r < 0)
        return r;
    streamed = w->rq->piece && head.status == 200;
    r = head.chunked ? body_read_chunks(w, streamed) : body_read(w, head.length, streamed);
    if (r < 0)
        return r;
    ret->status = head.status;
    ret->bytes = w->kept.bytes;
    ret->body = streamed ? NULL : text_steal(&w->kept);
    return 0;
}

static int
wire_open(struct wire *w)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int64_t left_us = w->rq->deadline_us - mono_now_us();
    struct timeval tv = {.tv_sec = 10};

    if (strlen(w->rq->socket) >= sizeof(sa.sun_path))
        return error_say(w->reterr, -ENAMETOOLONG, "'%s' is too long for a unix socket",
                         w->rq->socket);
    memcpy(sa.sun_path, w->rq->socket, strlen(w->rq->socket) + 1);
    if (w->rq->deadline_us != TIME_NEVER && left_us > 0 && left_us < 10 * US_PER_S)
        tv = (struct timeval){.tv_sec = left_us / US_PER_S, .tv_usec = left_us % US_PER_S};
    w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd == -1)
        return error_set(w->reterr, -errno, "socket");
    /* Bounds connect(2) too, when the queue of the other side is full. Without it: just later. */
    (void)setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    if (connect(w->fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
        return error_set(w->reterr, errno == EAGAIN ? -ETIMEDOUT : -errno, "connect to '%s'",
                         w->rq->socket);
    return 0;
}

static int
request_write(struct wire *w)
{
    auto_text struct text t = TEXT_INIT;
    const char *body = w->rq->body ? w->rq->body : "";
    size_t sent = 0;

    text_addf(&t, "%s %s HTTP/1.1\r\nHost: stint\r\nConnection: close\r\n", w->rq->method,
              w->rq->path);
    if (w->rq->body)
        text_addf(&t, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    text_addf(&t, "\r\n%s", body);
    if (t.failed)
        return error_set(w->reterr, -ENOMEM, "request");
    while (sent < t.bytes) {
        ssize_t n = send(w->fd, t.data + sent, t.bytes - sent, MSG_NOSIGNAL);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
            return 0; /* it may have answered already: refused, too many, too large */
        if (n == -1)
            return error_set(w->reterr, errno == EAGAIN ? -ETIMEDOUT : -errno, "send to '%s'",
                             w->rq->socket);
        sent += (size_t)n;
    }
    return 0;
}

int
http_exchange(const struct http_request *rq, struct http_reply *ret, struct error *reterr)
{
    auto_free struct wire *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return error_set(reterr, -ENOMEM, "request");
    w->rq = rq;
    w->reterr = reterr;
    w->fd = -1;
    r = wire_open(w);
    ret->connected = r == 0;
    if (r == 0)
        r = request_write(w);
    if (r == 0)
        r = reply_read(w, ret);
    text_finish(&w->kept);
    w->fd = fd_close(w->fd);
    return r;
}
