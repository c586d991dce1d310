/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"

static int
port_parse(const char *s, in_port_t *ret)
{
    unsigned long v;
    char *end;

    if (*s < '0' || *s > '9')
        return -EINVAL;
    v = strtoul(s, &end, 10);
    if (*end != '\0' || v > 65535)
        return -EINVAL;
    *ret = htons((in_port_t)v);
    return 0;
}

static int
tcp_parse(const char *text, const char *rest, struct endpoint *ret, struct error *reterr)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&ret->sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&ret->sa;
    const char *colon = strrchr(rest, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t n = colon ? (size_t)(colon - rest) : 0;
    in_port_t port;

    if (!colon || n >= sizeof host || port_parse(colon + 1, &port) < 0)
        return error_say(reterr, -EINVAL, "'%s' is not tcp://ADDRESS:PORT", text);
    (void)snprintf(host, sizeof host, "%.*s", (int)n, rest);
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        v6->sin6_family = AF_INET6;
        v6->sin6_port = port;
        ret->bytes = sizeof *v6;
        if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1)
            return 0;
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        ret->bytes = sizeof *v4;
        if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                      &v4->sin_addr) == 1)
            return 0;
    }
    return error_say(reterr, -EINVAL, "'%s' is not tcp://ADDRESS:PORT with a numeric address",
                     text);
}

static int
unix_parse(const char *text, const char *path, struct endpoint *ret, struct error *reterr)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&ret->sa;
    size_t n = strlen(path);

    if (path[0] != '/')
        return error_say(reterr, -EINVAL, "'%s' is not unix:/ABSOLUTE/PATH", text);
    if (n >= sizeof un->sun_path)
        return error_say(reterr, -ENAMETOOLONG,
                         "'%s' is longer than the %zu bytes of a unix address", text,
                         sizeof un->sun_path - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    ret->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

int
endpoint_parse(const char *text, struct endpoint *ret, struct error *reterr)
{
    struct endpoint a = {0};
    int r;

    if (strncmp(text, "tcp://", 6) == 0)
        r = tcp_parse(text, text + 6, &a, reterr);
    else if (strncmp(text, "unix:", 5) == 0)
        r = unix_parse(text, text + 5, &a, reterr);
    else
        r = error_say(reterr, -EINVAL, "'%s' is neither tcp://… nor unix:/…", text);
    if (r == 0)
        *ret = a;
    return r;
}

void
endpoint_format(const struct endpoint *a, struct text *out)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&a->sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&a->sa;
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&a->sa;
    char host[INET6_ADDRSTRLEN] = "?";

    if (a->sa.ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        text_addf(out, "tcp://%s:%u", host, (unsigned)ntohs(v4->sin_port));
    } else if (a->sa.ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        text_addf(out, "tcp://[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else {
        text_addf(out, "unix:%.*s", (int)sizeof un->sun_path, un->sun_path);
    }
}
