/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "supervisor/keeper/state.h"

#define FDS_SEEN 4 /* of one datagram; the kernel closes what is beyond, and says so */
#define RETRY_US (10 * US_PER_MS)

void
link_open(struct link *l, int fd, uint64_t first_obituary, int64_t now_us)
{
    l->fd = fd;
    l->phase = LINK_NEW;
    l->welcomed = l->finished = l->full = l->deaf = false;
    l->heard_us = now_us;
    l->retry_us = TIME_NEVER;
    l->sent = 0;
    l->obituary = first_obituary;
    l->ack_first = l->n_acks = l->refused = 0;
}

void
link_close(struct link *l)
{
    l->fd = fd_close(l->fd);
    l->phase = LINK_NONE;
    l->full = false;
    l->retry_us = TIME_NEVER;
    l->n_acks = 0;
}

/* The first descriptor is kept, all others are closed and make the frame a wrong one. */
static void
take_fds(struct frame_in *in, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (in->fd == -1) {
                in->fd = fd;
                continue;
            }
            (void)fd_close(fd);
            in->extra++;
        }
    }
    if (message->msg_flags & MSG_CTRUNC)
        in->extra++;
}

/* An empty datagram looks like the end of the connection. */
static bool
hung_up(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

int
link_receive(struct link *l, struct frame_in *in)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_SEEN * sizeof(int))];
    struct iovec part = {in->bytes, FRAME_MAX};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t n;

    if (l->phase == LINK_NONE)
        return -EPIPE;
    do /* who dies with words of ours unread resets us once; its own last words come after that */
        n = recvmsg(l->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n == -1 && (errno == EINTR || errno == ECONNRESET));
    if (n == -1 && (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS))
        return 0;
    if (n == -1 || (n == 0 && hung_up(l->fd))) {
        link_close(l);
        return -EPIPE;
    }
    in->n = message.msg_flags & MSG_TRUNC ? 0 : (size_t)n;
    in->fd = -1;
    in->extra = 0;
    take_fds(in, &message);
    return 1;
}

int
link_send(struct link *l, const struct frame_out *out)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct keeper_frame head = {.type = (uint16_t)out->type,
                                .length = out->bytes,
                                .number = out->answers ? out->answers : l->sent + 1};
    struct iovec parts[2] = {
        {&head, sizeof head},
        {NULL,  out->bytes }
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (l->deaf)
        return -EPIPE;
    memcpy(&parts[1].iov_base, &out->body, sizeof out->body); /* it is only read */
    if (out->has_fd) {
        struct cmsghdr *c;

        message.msg_control = control;
        message.msg_controllen = sizeof control;
        c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof out->fd);
        memcpy(CMSG_DATA(c), &out->fd, sizeof out->fd);
    }
    if (sendmsg(l->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        l->sent += out->answers == 0;
        return 0;
    }
    if (errno == EAGAIN) {
        l->full = true;
        return -EAGAIN;
    }
    if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM || errno == EINTR) {
        l->retry_us = mono_now_us() + RETRY_US;
        return -EAGAIN;
    }
    l->deaf = true; /* it closed its end; what it said before is still to be read */
    l->n_acks = 0;
    return -EPIPE;
}

void
link_ack(struct link *l, uint64_t number, int error)
{
    uint32_t at = (l->ack_first + l->n_acks) % LINK_ACKS_MAX;

    if (l->deaf || l->n_acks == LINK_ACKS_MAX) /* full: it is dead and its last words are read */
        return;
    l->acks[at] = (struct keeper_ack){.error = error};
    l->ack_numbers[at] = number;
    l->n_acks++;
}

int
link_send_acks(struct link *l)
{
    while (l->n_acks > 0) {
        int r = link_send(l, &(struct frame_out){.type = KEEPER_ACK,
                                                 .answers = l->ack_numbers[l->ack_first],
                                                 .body = &l->acks[l->ack_first],
                                                 .bytes = sizeof l->acks[0]});

        if (r < 0)
            return r;
        l->ack_first = (l->ack_first + 1) % LINK_ACKS_MAX;
        l->n_acks--;
    }
    return 0;
}
