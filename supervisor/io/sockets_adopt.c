/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/sockets.h"

/* Sockets that are open already. */

static int
socket_option(int fd, int name)
{
    socklen_t bytes = sizeof(int);
    int value = -1;

    return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) == -1 ? -errno : value;
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
    return fd_nonblock(l->fd) < 0 ? error_set(reterr, -errno, "take over a socket") : 0;
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
    r = listener_look(l, reterr);
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
