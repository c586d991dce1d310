/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "harness.h"

#define HANGING_MAX 64
#define REQUEST_MAX ((size_t)16 << 20)
#define SMALL       ((size_t)64 << 10)
#define RECEIVE_S   10

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct text taken, head; /* all that was taken; head of the last request */
    unsigned requests;
    enum collector_mood mood;
    int fd, stop[2], port;
    int hanging[HANGING_MAX];
    unsigned n_hanging;
    bool open;
} c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .fd = -1};

/* ---- one request --------------------------------------------------------------------------------- */

static bool
read_until(int fd, struct text *t, size_t bytes)
{
    char buf[65536];

    while (t->bytes < bytes || (bytes == 0 && !strstr(text_str(t), "\r\n\r\n"))) {
        ssize_t n = recv(fd, buf, sizeof(buf), 0);

        if (n <= 0 || t->bytes + (size_t)n > REQUEST_MAX)
            return false;
        text_addn(t, buf, (size_t)n);
    }
    return true;
}

static void
add_plain(struct text *out, const char *bytes, size_t n, bool zipped)
{
    char buf[65536];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n};
    int r = Z_OK;

    if (!zipped) {
        text_addn(out, bytes, n);
        return;
    }
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    while (r == Z_OK) {
        z.next_out = (Bytef *)buf;
        z.avail_out = sizeof(buf);
        r = inflate(&z, Z_NO_FLUSH);
        text_addn(out, buf, sizeof(buf) - z.avail_out);
    }
    (void)inflateEnd(&z);
    ck_assert_int_eq(r, Z_STREAM_END);
}

static const char *
answer_of(enum collector_mood mood, const char *path, size_t bytes)
{
    static char rejected[256];
    const char *body;

    switch (mood) {
    case COLLECTOR_BUSY:
        return "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
               "Connection: close\r\n\r\n";
    case COLLECTOR_REFUSES:
        body = "{\"code\":3,\"message\":\"I do not like it\"}";
        (void)snprintf(rejected, sizeof(rejected),
                       "HTTP/1.1 400 Bad Request\r\nContent-Length: %zu\r\nConnection: "
                       "close\r\n\r\n%s",
                       strlen(body), body);
        return rejected;
    case COLLECTOR_SMALL:
        if (bytes > SMALL)
            return "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: "
                   "close\r\n\r\n";
        break;
    case COLLECTOR_PICKY:
        body = strstr(path, "traces") ? "{\"partialSuccess\":{\"rejectedSpans\":\"1\","
                                        "\"errorMessage\":\"one was bad\"}}"
                                      : "{\"partialSuccess\":{\"rejectedLogRecords\":\"1\","
                                        "\"errorMessage\":\"one was bad\"}}";
        (void)snprintf(rejected, sizeof(rejected),
                       "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       strlen(body), body);
        return rejected;
    case COLLECTOR_TAKES:
    case COLLECTOR_HANGS:
        break;
    }
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: "
           "close\r\n\r\n{}";
}

/* Who was killed meanwhile does not hear the answer, and its successor asks again: it was not taken. */
static bool
has_gone(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* What it is told is looked at when all of it is here: a mood that changes meanwhile holds. */
static void
serve(int fd)
{
    auto_text struct text request = TEXT_INIT;
    const char *length, *answer, *path_end;
    size_t head, body = 0;
    bool zipped;

    if (!read_until(fd, &request, 0)) {
        (void)fd_close(fd);
        return;
    }
    head = (size_t)(strstr(text_str(&request), "\r\n\r\n") - text_str(&request)) + 4;
    length = strcasestr(text_str(&request), "content-length: ");
    body = length ? strtoul(length + strlen("content-length: "), NULL, 10) : 0;
    zipped = strcasestr(text_str(&request), "content-encoding: gzip") != NULL;
    if (!read_until(fd, &request, head + body)) {
        (void)fd_close(fd);
        return;
    }
    (void)pthread_mutex_lock(&c.lock);
    if (has_gone(fd)) {
        (void)pthread_mutex_unlock(&c.lock);
        (void)fd_close(fd);
        return;
    }
    text_clear(&c.head);
    text_addn(&c.head, text_str(&request), head);
    c.requests++;
    path_end = strchr(text_str(&request) + strlen("POST "), ' ');
    answer = answer_of(c.mood, text_str(&request), body);
    if (c.mood == COLLECTOR_HANGS && c.n_hanging < HANGING_MAX) {
        c.hanging[c.n_hanging++] = fd;
    } else {
        if (strncmp(answer, "HTTP/1.1 200", 12) == 0) {
            text_addn(&c.taken, text_str(&request) + strlen("POST "),
                      (size_t)(path_end - text_str(&request)) - strlen("POST ") + 1);
            add_plain(&c.taken, text_str(&request) + head, body, zipped);
            text_add(&c.taken, "\n");
        }
        (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL); /* who went away asks again */
        (void)fd_close(fd);
    }
    (void)pthread_cond_broadcast(&c.changed);
    (void)pthread_mutex_unlock(&c.lock);
}

static void *
run(void *env)
{
    struct pollfd p[] = {
        {.fd = c.fd,      .events = POLLIN},
        {.fd = c.stop[0], .events = POLLIN}
    };

    (void)env;
    while (poll(p, 2, -1) > 0 && !p[1].revents) {
        const struct timeval patience = {.tv_sec = RECEIVE_S};
        int fd = accept4(c.fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd == -1)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        serve(fd);
    }
    return NULL;
}

/* ---- for the tests ---------------------------------------------------------------------------------- */

void
collector_open(int port, enum collector_mood mood)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)(port ? port : c.port)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int on = 1;

    c.mood = mood;
    c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(c.fd, 0);
    ck_assert_int_eq(setsockopt(c.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    ck_assert_int_eq(bind(c.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(c.fd, 64), 0);
    ck_assert_int_eq(getsockname(c.fd, (struct sockaddr *)&a, &n), 0);
    c.port = ntohs(a.sin_port);
    ck_assert_int_eq(pipe2(c.stop, O_CLOEXEC), 0);
    ck_assert_int_eq(pthread_create(&c.thread, NULL, run, NULL), 0);
    c.open = true;
}

void
collector_close(void)
{
    if (!c.open)
        return;
    ck_assert_int_eq(write(c.stop[1], "", 1), 1);
    ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
    c.fd = fd_close(c.fd);
    (void)fd_close(c.stop[0]);
    (void)fd_close(c.stop[1]);
    while (c.n_hanging > 0)
        (void)fd_close(c.hanging[--c.n_hanging]);
    c.open = false;
}

int
collector_port(void)
{
    return c.port;
}

void
collector_be(enum collector_mood mood)
{
    (void)pthread_mutex_lock(&c.lock);
    c.mood = mood;
    while (mood != COLLECTOR_HANGS && c.n_hanging > 0)
        (void)fd_close(c.hanging[--c.n_hanging]);
    (void)pthread_mutex_unlock(&c.lock);
}

static bool
line_has(const char *line, size_t n, const char *words)
{
    while (*words) {
        size_t word = strcspn(words, "\n");

        if (!memmem(line, n, words, word))
            return false;
        words += word + (words[word] == '\n');
    }
    return true;
}

static bool
was_taken(const char *words)
{
    for (const char *line = text_str(&c.taken); *line;) {
        size_t n = strcspn(line, "\n");

        if (line_has(line, n, words))
            return true;
        line += n + (line[n] == '\n');
    }
    return false;
}

/* False: the time is over. */
static bool
wait_more(int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};

    return pthread_cond_timedwait(&c.changed, &c.lock, &until) != ETIMEDOUT;
}

void
collector_await(const char *words, int timeout_ms)
{
    int64_t until_us = wall_now_us() + (int64_t)timeout_ms * 1000 * SCN_PATIENCE;
    bool found;

    (void)pthread_mutex_lock(&c.lock);
    while (!(found = was_taken(words)) && wait_more(until_us))
        ;
    (void)pthread_mutex_unlock(&c.lock);
    if (!found)
        (void)fprintf(stderr, "%s\nthe log:\n%s", text_str(&c.taken), scn_log());
    ck_assert_msg(found, "no request with '%s' among %u", words, c.requests);
}

void
collector_await_requests(unsigned n, int timeout_ms)
{
    int64_t until_us = wall_now_us() + (int64_t)timeout_ms * 1000 * SCN_PATIENCE;
    unsigned came;

    (void)pthread_mutex_lock(&c.lock);
    while ((came = c.requests) < n && wait_more(until_us))
        ;
    (void)pthread_mutex_unlock(&c.lock);
    ck_assert_msg(came >= n, "%u requests came, not %u", came, n);
}

unsigned
collector_requests(void)
{
    unsigned n;

    (void)pthread_mutex_lock(&c.lock);
    n = c.requests;
    (void)pthread_mutex_unlock(&c.lock);
    return n;
}

unsigned
collector_count(const char *text)
{
    unsigned n = 0;

    (void)pthread_mutex_lock(&c.lock);
    for (const char *at = text_str(&c.taken); (at = strstr(at, text)) != NULL; at++)
        n++;
    (void)pthread_mutex_unlock(&c.lock);
    return n;
}

bool
collector_header(const char *line)
{
    bool has;

    (void)pthread_mutex_lock(&c.lock);
    has = strcasestr(text_str(&c.head), line) != NULL;
    (void)pthread_mutex_unlock(&c.lock);
    return has;
}

char *
collector_taken(void)
{
    char *all;

    (void)pthread_mutex_lock(&c.lock);
    all = strdup(text_str(&c.taken));
    (void)pthread_mutex_unlock(&c.lock);
    return all;
}
