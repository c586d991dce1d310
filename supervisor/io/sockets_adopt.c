/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/sockets.h"

#define UNIX_PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* Sockets that are open already. */

static int
socket_option(int fd, int name)
{
    socklen_t bytes = sizeof(int);
    int value = -1;

    return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) == -1 ? -errno : value;
}

static bool
in_same(const struct endpoint *a, const struct endpoint *b)
{
    const struct sockaddr_in *x = (const struct sockaddr_in *)(const void *)&a->sa;
    const struct sockaddr_in *y = (const struct sockaddr_in *)(const void *)&b->sa;

    return x->sin_addr.s_addr == y->sin_addr.s_addr &&
           (x->sin_port == y->sin_port || x->sin_port == 0);
}

static bool
in6_same(const struct endpoint *a, const struct endpoint *b)
{
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)(const void *)&a->sa;
    const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)(const void *)&b->sa;

    return memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0 &&
           (x->sin6_port == y->sin6_port || x->sin6_port == 0);
}

static const char *
path_of(const struct endpoint *a)
{
    return ((const struct sockaddr_un *)(const void *)&a->sa)->sun_path;
}

/* @asked is bound there: port 0 is any. */
static bool
is_bound_at(const struct endpoint *asked, const struct endpoint *bound)
{
    if (asked->sa.ss_family != bound->sa.ss_family)
        return false;
    if (asked->sa.ss_family == AF_INET)
        return in_same(asked, bound);
    if (asked->sa.ss_family == AF_INET6)
        return in6_same(asked, bound);
    return strncmp(path_of(asked), path_of(bound), UNIX_PATH_BYTES) == 0;
}

/* Another's descriptor under its name would serve those who ask for something else. */
static int
listener_verify(const struct listener *l, struct error *reterr)
{
    auto_text struct text bound = TEXT_INIT;
    struct endpoint asked = {0};
    int r = l->address ? endpoint_parse(l->address, &asked, reterr) : 0;

    if (r < 0 || !l->address || is_bound_at(&asked, &l->bound))
        return r;
    listener_address(l, &bound);
    return error_say(reterr, -EINVAL, "the socket of '%s' is bound to '%s'", l->address,
                     text_str(&bound));
}

/* A worker may have shut it down while there was no master: then it is a listener all the same. */
static int
listener_look(struct listener *l, struct error *reterr)
{
    l->bound.bytes = sizeof(l->bound.sa);
    if (socket_option(l->fd, SO_TYPE) != SOCK_STREAM ||
        getsockname(l->fd, (struct sockaddr *)&l->bound.sa, &l->bound.bytes) == -1)
        return error_say(reterr, -EINVAL, "it is no stream socket");
    if (!l->address && socket_option(l->fd, SO_ACCEPTCONN) != 1)
        return error_say(reterr, -EINVAL, "it is a stream socket, but it does not listen");
    l->is_unix = l->bound.sa.ss_family == AF_UNIX;
    if (!l->is_unix && l->bound.sa.ss_family != AF_INET && l->bound.sa.ss_family != AF_INET6)
        return error_say(reterr, -EINVAL, "it is neither a tcp nor a unix socket");
    if (l->is_unix && path_of(&l->bound)[0] == '\0')
        return error_say(reterr, -EINVAL, "it is a unix socket without a path");
    return 0;
}

int
listener_adopt(int fd, const char *address, struct listener **ret, struct error *reterr)
{
    auto_text struct text bound = TEXT_INIT;
    struct listener *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return error_set(reterr, -ENOMEM, "take over a socket");
    list_init(&l->node);
    l->fd = fd;
    l->guard = -1;
    l->references = 1;
    l->owner = LISTENER_OWNER_ANY;
    l->address = address ? strdup(address) : NULL;
    r = address && !l->address ? error_set(reterr, -ENOMEM, "take over a socket")
                               : listener_look(l, reterr);
    if (r == 0)
        r = listener_verify(l, reterr);
    if (r == 0 && !l->address) {
        listener_address(l, &bound);
        l->address = strdup(text_str(&bound));
    }
    if (r == 0 && !l->address)
        r = error_set(reterr, -ENOMEM, "take over a socket");
    if (r < 0) {
        free(l->address);
        free(l);
        return r;
    }
    *ret = l;
    return 0;
}
