/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/profile_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"

/* As much of HTTP as `go tool pprof`, curl and a browser need to fetch one thing. */

#define HEAD_MAX 8192
#define PATIENCE_US \
    (10 * US_PER_S) /* to say the whole request, or take the next part of an answer */
#define BACKLOG      16
#define SOCKET_UMASK 0177

/* ---- the socket ---------------------------------------------------------------------------------- */

static int
listen_unix(const char *path, struct profile_listener *l, struct error *reterr)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    mode_t before;
    int r;

    if (path[0] != '/' || strlen(path) >= sizeof(sa.sun_path))
        return error_say(reterr, -EINVAL, "unix: wants an absolute path of at most %zu bytes",
                         sizeof(sa.sun_path) - 1);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd == -1)
        return error_set(reterr, -errno, "socket");
    before = umask(SOCKET_UMASK); /* its mode is right from its first instant */
    r = bind(l->fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ? -errno : 0;
    (void)umask(before);
    if (r < 0 || listen(l->fd, BACKLOG) == -1)
        return error_set(reterr, r < 0 ? r : -errno, "listen on '%s'", path);
    l->local = true;
    (void)snprintf(l->url, sizeof(l->url), "unix:%s", path);
    return 0;
}

/* "127.0.0.1", "[::1]", "localhost", "" */
static bool
address(const char *host, in_port_t port, struct sockaddr_storage *ret, socklen_t *ret_bytes)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;
    size_t n = strlen(host);
    char inner[INET6_ADDRSTRLEN];

    memset(ret, 0, sizeof(*ret));
    if (n == 0 || strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    v4->sin_port = htons(port); /* both have it in one place */
    *ret_bytes = sizeof(*v4);
    v4->sin_family = AF_INET;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
        return true;
    if (n < 3 || host[0] != '[' || host[n - 1] != ']' || n - 2 >= sizeof(inner))
        return false;
    memcpy(inner, host + 1, n - 2);
    inner[n - 2] = '\0';
    *ret_bytes = sizeof(*v6);
    v6->sin6_family = AF_INET6;
    return inet_pton(AF_INET6, inner, &v6->sin6_addr) == 1;
}

static bool
is_public(const struct sockaddr_storage *sa)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;

    if (sa->ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
    return !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static int
listen_tcp(const char *where, struct profile_listener *l, struct error *reterr)
{
    const char *colon = strrchr(where, ':');
    char host[64] = "", *end = NULL;
    struct sockaddr_storage sa;
    socklen_t bytes;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

    if (!colon || colon[1] < '0' || colon[1] > '9' || *end || port > 65535 ||
        (size_t)(colon - where) >= sizeof(host))
        return error_say(reterr, -EINVAL, "'%.80s' is none of :PORT, ADDRESS:PORT and unix:PATH",
                         where);
    memcpy(host, where, (size_t)(colon - where));
    if (!address(host, (in_port_t)port, &sa, &bytes))
        return error_say(reterr, -EINVAL, "'%s' is no address: a number such as 127.0.0.1 or [::1]",
                         host);
    l->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd == -1)
        return error_set(reterr, -errno, "socket");
    (void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1},
                     sizeof(int)); /* or a minute later */
    if (bind(l->fd, (struct sockaddr *)&sa, bytes) == -1 || listen(l->fd, BACKLOG) == -1 ||
        getsockname(l->fd, (struct sockaddr *)&sa, &bytes) == -1)
        return error_set(reterr, -errno, "listen on '%.80s'", where);
    l->public = is_public(&sa);
    (void)snprintf(l->url, sizeof(l->url), "http://%s:%u", host[0] ? host : "127.0.0.1",
                   ntohs(((struct sockaddr_in *)(void *)&sa)->sin_port));
    return 0;
}

int
profile_listen(const char *where, struct profile_listener *ret, struct error *reterr)
{
    struct profile_listener l = {.fd = -1};
    int r = strncmp(where, "unix:", 5) == 0 ? listen_unix(where + 5, &l, reterr)
                                            : listen_tcp(where, &l, reterr);

    if (r < 0)
        (void)fd_close(l.fd);
    else
        *ret = l;
    return r;
}

/* ---- a request ----------------------------------------------------------------------------------- */

/* All of @a, whatever they have in common: how long it takes tells nothing. */
static bool
same_token(const char *a, const char *token)
{
    unsigned char differ = 0;

    if (strnlen(a, PROFILE_TOKEN_TEXT) < PROFILE_TOKEN_TEXT - 1)
        return false;
    for (size_t i = 0; i < PROFILE_TOKEN_TEXT - 1; i++)
        differ |= (unsigned char)(a[i] ^ token[i]);
    return differ == 0;
}

static int
read_head(int fd, char head[HEAD_MAX])
{
    int64_t deadline_us = mono_now_us() + PATIENCE_US;
    size_t n = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_us = deadline_us - mono_now_us();
        ssize_t r;

        if (left_us <= 0 || poll(&p, 1, (int)(left_us / US_PER_MS) + 1) == 0)
            return -ETIMEDOUT;
        r = recv(fd, head + n, HEAD_MAX - 1 - n, MSG_DONTWAIT);
        if (r == 0)
            return -ECONNRESET;
        if (r < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        n += r > 0 ? (size_t)r : 0;
        head[n] = '\0';
        if (strstr(head, "\r\n\r\n"))
            return strlen(head) == n ? 0 : -EPROTO;
        if (n == HEAD_MAX - 1)
            return -EPROTO;
    }
}

static bool
header_has_token(const char *head, const char *token)
{
    static const char *const names[] = {"\r\nAuthorization: Bearer ", "\r\nX-Stint-Token: "};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *at = strcasestr(head, names[i]);
        const char *value = at ? at + strlen(names[i]) : "";

        if (same_token(value, token) && value[PROFILE_TOKEN_TEXT - 1] == '\r')
            return true;
    }
    return false;
}

static int
read_target(char *target, const char *token, struct profile_call *ret)
{
    char *question = strchr(target, '?');

    if (question)
        *question++ = '\0';
    if (target[0] != '/')
        return -EPROTO;
    if (same_token(target + 1, token) &&
        (target[PROFILE_TOKEN_TEXT] == '/' || target[PROFILE_TOKEN_TEXT] == '\0')) {
        ret->known = true;
        target += PROFILE_TOKEN_TEXT;
    }
    if (strlen(target) >= sizeof(ret->path) || (question && strlen(question) >= sizeof(ret->query)))
        return -EPROTO;
    (void)snprintf(ret->path, sizeof(ret->path), "%s", target[0] ? target : "/");
    (void)snprintf(ret->query, sizeof(ret->query), "%s", question ? question : "");
    return 0;
}

int
profile_call_read(int fd, const char *token, struct profile_call *ret)
{
    char head[HEAD_MAX], *target, *end;
    int r = read_head(fd, head);

    *ret = (struct profile_call){0};
    if (r < 0)
        return r;
    ret->known = header_has_token(head, token);
    target = strchr(head, ' ');
    end = target ? strpbrk(target + 1, " \r") : NULL;
    if (!target || !end || strncmp(end, " HTTP/1.", 8) != 0 ||
        (size_t)(target - head) >= sizeof(ret->method))
        return -EPROTO;
    memcpy(ret->method, head, (size_t)(target - head));
    *end = '\0';
    return read_target(target + 1, token, ret);
}

/* ---- an answer ------------------------------------------------------------------------------------ */

static bool
put(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        ssize_t r = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (r < 0 && errno == EAGAIN && poll(&p, 1, (int)(PATIENCE_US / US_PER_MS)) > 0)
            continue;
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        bytes += r;
        n -= (size_t)r;
    }
    return true;
}

static const char *
status_text(int status)
{
    return status == 200   ? "OK"
           : status == 400 ? "Bad Request"
           : status == 401 ? "Unauthorized"
           : status == 403 ? "Forbidden"
           : status == 404 ? "Not Found"
           : status == 405 ? "Method Not Allowed"
                           : "Internal Server Error";
}

static bool
put_head(int fd, int status, const char *type, size_t bytes, const char *more)
{
    auto_text struct text t = TEXT_INIT;

    text_addf(&t,
              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
              "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
              status, status_text(status), type, bytes, more);
    return put(fd, text_str(&t), t.bytes);
}

void
profile_answer(int fd, int status, const char *type, const void *body, size_t bytes)
{
    if (put_head(fd, status, type, bytes, ""))
        (void)put(fd, body, bytes);
}

void
profile_answer_text(int fd, int status, const char *text)
{
    /* pprof shows the text of an answer that says it is one of its own kind. */
    if (put_head(fd, status, "text/plain; charset=utf-8", strlen(text), "X-Go-Pprof: 1\r\n"))
        (void)put(fd, text, strlen(text));
}

void
profile_answer_file(int fd, int from, const char *name)
{
    char more[160], chunk[32768];
    off_t end = lseek(from, 0, SEEK_END), at = 0;
    ssize_t n;

    (void)snprintf(more, sizeof(more), "Content-Disposition: attachment; filename=\"%.64s\"\r\n",
                   name);
    if (end < 0 || !put_head(fd, 200, "application/octet-stream", (size_t)end, more))
        return;
    while ((n = pread(from, chunk, sizeof(chunk), at)) > 0 && put(fd, chunk, (size_t)n))
        at += n;
}
