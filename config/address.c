/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/schema.h"
#include "config/types.h"

void
address_finish(struct address *a)
{
    free(a->canonical);
    free(a->host);
    free(a->path);
    *a = (struct address){0};
}

static int
port_parse(const char *text, uint16_t *ret, struct error *reterr)
{
    int64_t v = 0;
    int r = decimal_parse(text, &v);

    if (r == -EINVAL)
        return error_say(reterr, -EINVAL, "'%s' is no port", text);
    if (r < 0 || v > UINT16_MAX)
        return error_say(reterr, -EINVAL, "port %s is out of range: 0 to 65535", text);
    *ret = (uint16_t)v;
    return 0;
}

/* The one spelling of a numeric host; *ret_v6 tells whether it needs brackets. */
static int
host_parse(const char *text, bool brackets, char *ret, struct error *reterr)
{
    struct in6_addr raw; /* room for either */
    const char *host = strcmp(text, "*") == 0           ? "0.0.0.0"
                       : strcmp(text, "localhost") == 0 ? "127.0.0.1"
                                                        : text;

    if (!brackets && strchr(text, ':'))
        return error_say(reterr, -EINVAL, "an IPv6 host stands in brackets: [%s]", text);
    if (inet_pton(brackets ? AF_INET6 : AF_INET, host, &raw) != 1)
        return error_say(reterr, -EINVAL, "'%s' is no numeric %s host (names are not looked up)",
                         text, brackets ? "IPv6" : "IPv4");
    if (brackets && IN6_IS_ADDR_V4MAPPED(&raw))
        return error_say(reterr, -EINVAL, "'%s' is an IPv4 host: write %s, without brackets", text,
                         strrchr(text, ':') + 1);
    (void)inet_ntop(brackets ? AF_INET6 : AF_INET, &raw, ret, INET6_ADDRSTRLEN);
    return 0;
}

/* HOST:PORT behind the scheme; @port is what a missing one stands for, NULL = it may not miss. */
static int
tcp_parse(const char *text, const char *port, struct address *ret, struct error *reterr)
{
    auto_free char *copy = strdup(text);
    char canonical[INET6_ADDRSTRLEN], *host = copy, *end;
    bool brackets = text[0] == '[';
    int r;

    if (!copy)
        return error_say(reterr, -ENOMEM, "out of memory");
    if (brackets) {
        host = copy + 1;
        end = strchr(host, ']');
        if (!end || (end[1] != ':' && end[1] != '\0'))
            return error_say(reterr, -EINVAL, "'%s' lacks its closing bracket", text);
        *end++ = '\0';
    } else {
        end = strrchr(copy, ':');
    }
    if (end && *end == ':') {
        *end = '\0';
        port = end + 1;
    }
    if (!port)
        return error_say(reterr, -EINVAL, "'%s' has no port", text);
    r = host_parse(host, brackets, canonical, reterr);
    if (r == 0)
        r = port_parse(port, &ret->port, reterr);
    if (r < 0)
        return r;
    ret->family = LISTENER_TCP;
    ret->host = strdup(canonical);
    if (!ret->host || asprintf(&ret->canonical, brackets ? "tcp://[%s]:%u" : "tcp://%s:%u",
                               canonical, ret->port) < 0) {
        ret->canonical = NULL;
        return error_say(reterr, -ENOMEM, "out of memory");
    }
    return 0;
}

static int
unix_parse(const char *text, struct address *ret, struct error *reterr)
{
    if (text[0] != '/')
        return error_say(reterr, -EINVAL, "the path of a unix socket is absolute: unix:/PATH");
    ret->family = LISTENER_UNIX;
    ret->path = path_join("/", text);
    if (!ret->path || asprintf(&ret->canonical, "unix:%s", ret->path) < 0) {
        ret->canonical = NULL;
        return error_say(reterr, -ENOMEM, "out of memory");
    }
    if (strlen(ret->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return error_say(reterr, -EINVAL, "the path of a unix socket has at most %zu bytes",
                         sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    if (text[strlen(text) - 1] == '/')
        return error_say(reterr, -EINVAL, "the path of a unix socket is a file");
    return 0;
}

int
address_parse(const char *text, struct address *ret, struct error *reterr)
{
    auto_address struct address a = {0};
    int r;

    if (strncmp(text, "tcp://", 6) == 0)
        r = tcp_parse(text + 6, NULL, &a, reterr);
    else if (strncmp(text, "unix:", 5) == 0)
        r = unix_parse(text + 5, &a, reterr);
    else
        r = error_say(reterr, -EINVAL, "'%s' is neither tcp://HOST:PORT nor unix:/PATH", text);
    if (r < 0)
        return r;
    *ret = a;
    a = (struct address){0};
    return 0;
}

int
address_of_url(const char *url, struct address *ret, struct error *reterr)
{
    auto_address struct address a = {0};
    auto_free char *host = NULL;
    int r;

    if (strncmp(url, "http://", 7) != 0)
        return error_say(reterr, -EINVAL, "'%s' is no http:// URL", url);
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return error_say(reterr, -EINVAL, "a URL has no blanks and ASCII letters only");
    host = strndup(url + 7, strcspn(url + 7, "/?#"));
    if (!host)
        return error_say(reterr, -ENOMEM, "out of memory");
    r = tcp_parse(host, "80", &a, reterr);
    if (r < 0)
        return r;
    *ret = a;
    a = (struct address){0};
    return 0;
}

bool
address_meets(const struct address *to, const char *bound_host, uint16_t bound_port)
{
    bool v6 = strchr(to->host, ':') != NULL;

    if (to->port != bound_port || bound_port == 0)
        return false;
    return strcmp(to->host, bound_host) == 0 || strcmp(bound_host, v6 ? "::" : "0.0.0.0") == 0;
}
