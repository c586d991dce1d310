/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker-api/state.h"

/*
 * Listening sockets: those inherited are there from the start, those of a gated service come by the
 * channel, once the supervisor lets this worker have clients. Names are constant, descriptors atomic.
 */

static struct listener *
listener_named(const char *name)
{
    for (unsigned i = 0; i < stn.n_listeners; i++)
        if (!name || strcmp(stn.listeners[i].name, name) == 0)
            return &stn.listeners[i];
    return NULL;
}

int
stn_gate_open(void)
{
    bool gated = false;

    for (unsigned i = 0; i < stn.n_listeners; i++)
        gated |= stn.listeners[i].fd == -1;
    if (!gated || stn.gate_fd >= 0)
        return 0;
    stn.gate_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return stn.gate_fd == -1 ? -errno : 0;
}

void
stn_gate_shut(void)
{
    __atomic_store_n(&stn.gate_over, 1, __ATOMIC_RELEASE);
    if (stn.gate_fd >= 0)
        stn_eventfd_fire(stn.gate_fd);
}

static bool
listens(int fd)
{
    int yes = 0;
    socklen_t size = sizeof(yes);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes;
}

/* Under the channel lock: nobody else writes the descriptors. */
static bool
place(const char *name, int fd)
{
    struct listener *l = listener_named(name);

    if (!l || __atomic_load_n(&l->fd, __ATOMIC_RELAXED) != -1 || !listens(fd))
        return false;
    __atomic_store_n(&l->fd, fd, __ATOMIC_RELEASE);
    return true;
}

void
stn_gate_take(const char *bytes, uint32_t length, const int *fds, unsigned n)
{
    struct stint_listeners head = {0};
    const char *end = bytes + length, *name = bytes + sizeof(head);
    unsigned i = 0;

    if (length >= sizeof(head))
        memcpy(&head, bytes, sizeof(head));
    for (; i < n && i < head.count && name < end; i++) {
        const char *nul = memchr(name, '\0', (size_t)(end - name));

        if (!nul)
            break;
        if (!place(name, fds[i]))
            stn_close(fds[i]); /* the same again, or not one of ours */
        name = nul + 1;
    }
    for (; i < n; i++)
        stn_close(fds[i]);
    if (length >= sizeof(head) && !head.more)
        stn_gate_shut();
}

void
stn_gate_after_fork(void)
{
    if (stn.gate_fd >= 0)
        stn_close(stn.gate_fd); /* the parent's: what it tells is not for us */
    stn.gate_fd = -1;
    stn.gate_over = 1;
}

int
stint_listen_fd(const char *name)
{
    const struct listener *l = listener_named(name);
    uint32_t over = __atomic_load_n(&stn.gate_over, __ATOMIC_ACQUIRE); /* before the descriptor */
    int fd = l ? __atomic_load_n(&l->fd, __ATOMIC_ACQUIRE) : -1;

    if (fd >= 0)
        return fd;
    return l && !over ? -EAGAIN : -ENOENT;
}

int
stint_listen_wait(struct stint_token *token, const char *name, int64_t abs_us)
{
    struct pollfd gate = {.fd = stn.gate_fd, .events = POLLIN};
    int fd, r;

    while ((fd = stint_listen_fd(name)) == -EAGAIN) {
        if (stn_channel_poll_fd() < 0)
            return -ENOENT; /* nobody is there to send it */
        r = stint_token_poll(token, &gate, 1, abs_us);
        if (r < 0)
            return r;
        if (r == 0 && stint_listen_fd(name) == -EAGAIN)
            return -ETIMEDOUT;
    }
    return fd;
}
