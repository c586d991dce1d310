/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_native.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"

#define RETRY_US   (5 * US_PER_S) /* between two looks whether journald is there again */
#define SEND_BYTES (1 << 20)      /* asked of the socket; most systems give a fifth of it */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; an older kernel says EINVAL */
#endif

void
journal_native_init(struct journal_native *n, const char *path)
{
    size_t bytes;

    *n = (struct journal_native){.fd = -1, .address = {.sun_family = AF_UNIX}};
    path = path ? path : JOURNAL_NATIVE_SOCKET;
    bytes = strlen(path);
    if (bytes < sizeof(n->address.sun_path))
        memcpy(n->address.sun_path, path, bytes);
}

void
journal_native_finish(struct journal_native *n)
{
    n->fd = fd_close(n->fd);
}

bool
journal_native_here(const char *stream, int fd)
{
    unsigned long long device, inode;
    struct stat st;
    char *end;

    if (!stream || !isdigit((unsigned char)stream[0]) || fstat(fd, &st) == -1)
        return false;
    errno = 0;
    device = strtoull(stream, &end, 10);
    if (errno || *end != ':' || !isdigit((unsigned char)end[1]))
        return false;
    inode = strtoull(end + 1, &end, 10);
    return !errno && *end == '\0' && device == st.st_dev && inode == st.st_ino;
}

static int
native_connect(struct journal_native *n)
{
    const int bytes = SEND_BYTES;
    auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&n->address, sizeof(n->address)) == -1)
        return -errno;
    /* Best effort: what does not fit goes as a memfd. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    n->fd = steal_fd(fd);
    return 0;
}

bool
journal_native_ready(struct journal_native *n)
{
    int64_t now_us;

    if (n->fd >= 0)
        return true;
    now_us = mono_now_us();
    if (now_us < n->retry_us)
        return false;
    if (native_connect(n) == 0)
        return true;
    n->retry_us = now_us + RETRY_US;
    return false;
}

static int
send_message(const struct journal_native *n, const struct msghdr *msg)
{
    ssize_t sent;

    do
        sent = sendmsg(n->fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent == -1 && errno == EINTR);
    return sent == -1 ? -errno : 0;
}

/* Too large for the socket: the record in a sealed memfd, and an empty datagram that carries it. */
static int
send_file(const struct journal_native *n, const struct iovec *parts, size_t n_parts)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_control = &control, .msg_controllen = sizeof(control)};
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    auto_fd int fd = memfd_create("journal-data", flags | MFD_NOEXEC_SEAL);

    if (fd == -1 && errno == EINVAL)
        fd = memfd_create("journal-data", flags);
    if (fd == -1)
        return -ENOMEM;
    for (size_t i = 0; i < n_parts; i++)
        if (write(fd, parts[i].iov_base, parts[i].iov_len) != (ssize_t)parts[i].iov_len)
            return -ENOMEM;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == -1)
        return -EMSGSIZE;
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    return send_message(n, &msg);
}

int
journal_native_send(struct journal_native *n, struct iovec *parts, size_t n_parts)
{
    const struct msghdr msg = {.msg_iov = parts, .msg_iovlen = n_parts};

    for (int tries = 0; tries < 2; tries++) {
        int r = send_message(n, &msg);

        if (r == -EMSGSIZE)
            r = send_file(n, parts, n_parts);
        if (r == 0 || r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM || r == -EMSGSIZE)
            return r;
        n->fd = fd_close(n->fd); /* a socket of a journald that is gone: look for the next one */
        n->retry_us = tries == 0 ? 0 : mono_now_us() + RETRY_US;
        if (!journal_native_ready(n))
            return r;
    }
    n->fd = fd_close(n->fd);
    return -ECONNREFUSED;
}
