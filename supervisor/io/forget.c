/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/forget.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"

/* libev has no word for it, so the number is in the loop's user data: 0 = not known, else one more. */

int
forget_next(void)
{
    int fd = open("/", O_PATH | O_CLOEXEC);

    (void)fd_close(fd);
    return fd;
}

void
forget_init(struct ev_loop *loop, int first)
{
    static const char epoll[] = "anon_inode:[eventpoll]";
    char path[64], target[sizeof(epoll)];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", first);
    if (first >= 0 && readlink(path, target, sizeof(target)) == (ssize_t)sizeof(epoll) - 1 &&
        memcmp(target, epoll, sizeof(epoll) - 1) == 0)
        ev_set_userdata(loop,
                        (void *)((intptr_t)first + 1)); /* NOLINT(performance-no-int-to-ptr) */
}

void
forget_io(struct ev_loop *loop, ev_io *io)
{
    intptr_t known = (intptr_t)ev_userdata(loop);

    ev_io_stop(loop, io);
    if (known > 0 && io->fd >= 0)
        (void)epoll_ctl((int)known - 1, EPOLL_CTL_DEL, io->fd,
                        NULL); /* ENOENT: it never was in it */
    ev_io_set(io, -1, 0);      /* the number will be another one's */
}
