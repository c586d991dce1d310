/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"

static int
wait_for(int fd, short events, int64_t deadline_us)
{
    int64_t left_us = deadline_us - mono_now_us();
    struct pollfd p = {.fd = fd, .events = events};
    int n = left_us > 0 ? poll(&p, 1, (int)((left_us + US_PER_MS - 1) / US_PER_MS)) : 0;

    return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : errno == EINTR ? 0 : -errno;
}

static int
say(int fd, const char *bytes, size_t n, int64_t deadline_us)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        int r;

        if (sent > 0) {
            bytes += sent;
            n -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        r = wait_for(fd, POLLOUT, deadline_us);
        if (r < 0)
            return r;
    }
    return 0;
}

/* An answer that says how long it is need not be waited for until the connection ends. */
static bool
whole(const char *all, size_t n)
{
    const char *body = memmem(all, n, "\r\n\r\n", 4), *length;
    size_t head = body ? (size_t)(body - all) + 4 : 0;
    char lines[4096];

    if (!body || head >= sizeof(lines))
        return false;
    memcpy(lines, all, head);
    lines[head] = '\0';
    length = strcasestr(lines, "\r\nContent-Length:");
    return length && n - head >= strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

/* Until its end, or until there is as much as is looked at. Return: bytes or negative errno. */
static ssize_t
hear(int fd, char *buf, size_t room, int64_t deadline_us)
{
    size_t have = 0;

    while (have < room && !whole(buf, have)) {
        ssize_t n = recv(fd, buf + have, room - have, MSG_DONTWAIT);
        int r;

        if (n == 0)
            break;
        if (n > 0) {
            have += (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return have > 0 ? (ssize_t)have : -errno;
        r = wait_for(fd, POLLIN, deadline_us);
        if (r < 0)
            return have > 0 ? (ssize_t)have : r;
    }
    return (ssize_t)have;
}

static void
understand(const char *all, size_t n, struct fetched *ret)
{
    const char *body = memmem(all, n, "\r\n\r\n", 4);

    ret->status = 0;
    ret->bytes = 0;
    if (n < 12 || strncmp(all, "HTTP/1.", 7) != 0)
        return;
    ret->status = (int)strtol(all + 9, NULL, 10);
    if (!body)
        return;
    body += 4;
    ret->bytes = n - (size_t)(body - all);
    if (ret->bytes > FETCH_BODY)
        ret->bytes = FETCH_BODY;
    memcpy(ret->body, body, ret->bytes);
    ret->body[ret->bytes] = '\0';
}

static int
open_to(const struct sockaddr *to, socklen_t bytes, int64_t deadline_us)
{
    auto_fd int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = sizeof(int);
    int error = 0, r;

    if (fd == -1)
        return -errno;
    if (connect(fd, to, bytes) == -1) {
        if (errno != EINPROGRESS && errno != EAGAIN)
            return -errno;
        r = wait_for(fd, POLLOUT, deadline_us);
        if (r < 0)
            return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 || error != 0)
            return error ? -error : -errno;
    }
    return steal_fd(fd);
}

int
fetch(const struct sockaddr *to, socklen_t bytes, const char *host, const char *path,
      const char *headers, int64_t deadline_us, struct fetched *ret, struct error *reterr)
{
    static const size_t head = 4096;
    auto_text struct text ask = TEXT_INIT;
    char all[FETCH_BODY + 4096];
    auto_fd int fd = open_to(to, bytes, deadline_us);
    ssize_t n;
    int r;

    if (fd < 0)
        return error_set(reterr, fd, "connect to %s", host);
    text_addf(&ask,
              "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: stint-preflight\r\n%sConnection: "
              "close\r\n\r\n",
              path, host, headers);
    if (ask.failed || ask.bytes > head)
        return error_say(reterr, -ENAMETOOLONG, "the request for %s is too long", path);
    r = say(fd, text_str(&ask), ask.bytes, deadline_us);
    if (r < 0)
        return error_set(reterr, r, "ask %s for %s", host, path);
    n = hear(fd, all, sizeof(all), deadline_us);
    if (n < 0)
        return error_set(reterr, (int)n, "wait for an answer of %s", host);
    if (n == 0)
        return error_say(reterr, -ECONNRESET, "%s closed the connection without an answer", host);
    understand(all, (size_t)n, ret);
    return 0;
}

socklen_t
fetch_address(const char *address, struct sockaddr_storage *ret)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    struct sockaddr_un *un = (struct sockaddr_un *)ret;
    char host[64], number[8];
    unsigned long port;

    memset(ret, 0, sizeof(*ret));
    if (strncmp(address, "unix:", 5) == 0) {
        if (strlen(address + 5) >= sizeof(un->sun_path))
            return 0;
        un->sun_family = AF_UNIX;
        (void)stpcpy(un->sun_path, address + 5);
        return sizeof(*un);
    }
    if (sscanf(address, "tcp://[%63[0-9a-fA-F:.]]:%7[0-9]", host, number) == 2 &&
        (port = strtoul(number, NULL, 10)) < 65536 &&
        inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        return sizeof(*in6);
    }
    if (sscanf(address, "tcp://%63[0-9.]:%7[0-9]", host, number) == 2 &&
        (port = strtoul(number, NULL, 10)) < 65536 &&
        inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        return sizeof(*in);
    }
    return 0;
}
