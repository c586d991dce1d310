/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/io/control_socket.h"

/* A socket with a name of its own, by which it is known on the other side. -1: none to be had. */
static int
probe_open(struct sockaddr_un *ret_name, socklen_t *ret_bytes)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *ret_bytes = sizeof(*ret_name);
    if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof(sa.sun_family)) == -1 ||
        getsockname(fd, (struct sockaddr *)ret_name, ret_bytes) == -1)
        return -1;
    return steal_fd(fd);
}

static bool
listens(int fd)
{
    int domain = 0, listening = 0;
    socklen_t bytes = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) == 0 && listening &&
           fd_nonblock(fd) == 0 && fd_cloexec(fd, 1) == 0;
}

enum taken { TAKEN_NONE, TAKEN_OTHER, TAKEN_PROBE };

/* The next of the queue; anybody but the probe goes to the early ones. */
static enum taken
take_one(struct control_socket *s, int listen_fd, const struct sockaddr_un *probe,
         socklen_t probe_bytes)
{
    struct sockaddr_un peer;
    socklen_t bytes = sizeof(peer);
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd == -1)
        return TAKEN_NONE;
    if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 && bytes == probe_bytes &&
        memcmp(&peer, probe, bytes) == 0) {
        (void)fd_close(fd);
        return TAKEN_PROBE;
    }
    s->early[s->n_early++] = fd;
    return TAKEN_OTHER;
}

bool
control_socket_still(struct control_socket *s, int listen_fd)
{
    struct sockaddr_un name, sa = {.sun_family = AF_UNIX};
    socklen_t bytes;
    auto_fd int probe = probe_open(&name, &bytes);
    bool connected = false, lost = false;

    if (probe == -1 || strlen(s->path) >= sizeof(sa.sun_path) || !listens(listen_fd))
        return false;
    memcpy(sa.sun_path, s->path, strlen(s->path) + 1);
    while (s->n_early < CONTROL_EARLY_MAX) {
        enum taken taken;

        if (!connected && !lost && connect(probe, (struct sockaddr *)&sa, sizeof(sa)) == 0)
            connected = true;
        else if (!connected && errno != EAGAIN)
            lost = true; /* no file, or nobody behind it; those who came before are still served */
        taken = take_one(s, listen_fd, &name, bytes);
        if (taken != TAKEN_OTHER)
            return taken == TAKEN_PROBE;
    }
    return connected; /* so many at once: whose else would they be */
}
