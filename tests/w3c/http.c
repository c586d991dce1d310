/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/w3c/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Lines of the head, each ended by CR LF, the last one too. */
static int
read_head(struct message *m, char *end)
{
    char *line = m->bytes, *next;

    m->n = 0;
    m->start = NULL;
    for (; line < end; line = next + 2) {
        char *colon;

        next = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (!next)
            return -EPROTO;
        *next = '\0';
        if (!m->start) {
            m->start = line;
            continue;
        }
        colon = strchr(line, ':');
        if (!colon || colon == line || m->n == HTTP_HEADERS)
            return -EPROTO;
        m->headers[m->n++] = (struct stint_header){
            .name = line,
            .name_bytes = (size_t)(colon - line),
            .value = colon + 1,
            .value_bytes = (size_t)(next - colon - 1),
        };
    }
    return m->start ? 0 : -EPROTO;
}

/* 0 without such a header. */
static size_t
body_bytes(const struct message *m)
{
    static const char name[] = "content-length";

    for (size_t i = 0; i < m->n; i++)
        if (m->headers[i].name_bytes == sizeof(name) - 1 &&
            strncasecmp(m->headers[i].name, name, sizeof(name) - 1) == 0)
            return strtoul(m->headers[i].value, NULL, 10);
    return 0;
}

int
http_read(struct stint_token *token, int fd, struct message *ret, int64_t by_us)
{
    size_t n = 0, whole = 0;

    while (whole == 0 || n < whole) {
        ssize_t got;
        char *end;
        int r;

        if (n == HTTP_BYTES || whole > HTTP_BYTES)
            return -EMSGSIZE;
        got = stint_read(token, fd, ret->bytes + n, HTTP_BYTES - n, by_us);
        if (got <= 0)
            return got < 0 ? (int)got : -ECONNRESET;
        n += (size_t)got;
        end = whole == 0 ? memmem(ret->bytes, n, "\r\n\r\n", 4) : NULL;
        if (!end)
            continue;
        r = read_head(ret, end + 2);
        if (r < 0)
            return r;
        ret->body = end + 4;
        whole = (size_t)(ret->body - ret->bytes) + body_bytes(ret);
    }
    ret->bytes[whole] = '\0';
    return 0;
}

int
http_write(struct stint_token *token, int fd, const char *bytes, size_t n, int64_t by_us)
{
    while (n > 0) {
        ssize_t put = stint_write(token, fd, bytes, n, by_us);

        if (put < 0)
            return (int)put;
        bytes += put;
        n -= (size_t)put;
    }
    return 0;
}

/* @path: within @url, "" when there is none. */
static int
dial(const char *url, const char **path)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    char host[64];
    size_t n;
    int fd;

    if (strncmp(url, "http://", 7) != 0)
        return -EPROTONOSUPPORT;
    url += 7;
    n = strcspn(url, ":/");
    if (n >= sizeof(host))
        return -EINVAL;
    memcpy(host, url, n);
    host[n] = '\0';
    if (url[n] == ':')
        address.sin_port = htons((uint16_t)strtoul(url + n + 1, NULL, 10));
    *path = url + n + strcspn(url + n, "/");
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return -EINVAL;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd == -1 ? -errno : fd;
    n = (size_t)errno;
    close(fd);
    return -(int)n;
}

/* "HTTP/1.1 200 OK" */
static int
status_of(const struct message *answer)
{
    const char *blank = strchr(answer->start, ' ');
    long status = blank && strncmp(answer->start, "HTTP/1.", 7) == 0 ? strtol(blank, NULL, 10) : 0;

    return status >= 100 && status <= 999 ? (int)status : -EPROTO;
}

int
http_post(struct stint_token *token, const char *url, const char *json, int64_t by_us)
{
    char parent[STINT_TRACEPARENT_MAX], state[STINT_TRACESTATE_MAX], head[2048];
    struct message *answer = malloc(sizeof(*answer));
    const char *path;
    int fd, n, r;

    if (!answer)
        return -ENOMEM;
    fd = dial(url, &path);
    if (fd < 0) {
        free(answer);
        return fd;
    }
    (void)stint_trace_inject(NULL, parent, state, sizeof(state)); /* "" without a trace */
    n = snprintf(
        head, sizeof(head),
        "POST %s HTTP/1.1\r\nHost: %.*s\r\nContent-Type: application/json\r\nContent-Length: "
        "%zu\r\nConnection: close\r\n%s%s%s%s%s%s\r\n",
        *path ? path : "/", (int)(path - url) - 7, url + 7, strlen(json),
        *parent ? "traceparent: " : "", parent, *parent ? "\r\n" : "", *state ? "tracestate: " : "",
        state, *state ? "\r\n" : "");
    r = n >= (int)sizeof(head) ? -EMSGSIZE : http_write(token, fd, head, (size_t)n, by_us);
    if (r == 0)
        r = http_write(token, fd, json, strlen(json), by_us);
    if (r == 0)
        r = http_read(token, fd, answer, by_us);
    if (r == 0)
        r = status_of(answer);
    close(fd);
    free(answer);
    return r;
}
