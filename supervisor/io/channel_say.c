/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/io/channel_internal.h"

int
channel_transmit(struct channel *ch, uint16_t type, const void *body, uint32_t bytes,
                 const int *fds, size_t n_fds)
{
    struct stint_frame frame = {.type = type, .length = bytes, .sequence = ch->sent + 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int) * STINT_LISTENERS_MAX)];
        struct cmsghdr head;
    } control = {.bytes = {0}};
    union { /* sendmsg() writes to neither */
        const void *in;
        void *out;
    } payload = {.in = body};
    struct iovec parts[2] = {
        {&frame,      sizeof(frame)},
        {payload.out, bytes        }
    };
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

    if (ch->fd == -1)
        return -ENOTCONN;
    if (n_fds > 0) {
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.head), fds, n_fds * sizeof(int));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    }
    if (sendmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
        return errno == EPIPE || errno == ECONNRESET ? -ENOTCONN : -errno;
    ch->sent++;
    return 0;
}

int
channel_cancel(struct channel *ch, uint32_t cause, const char *text, int64_t deadline_us)
{
    struct stint_cancel_frame c = {.deadline_us = deadline_us, .cause = cause};

    (void)memccpy(c.text, text, '\0', sizeof(c.text) - 1); /* cut or not, the last byte stays NUL */
    return channel_transmit(ch, STINT_FRAME_CANCEL, &c, sizeof(c), NULL, 0);
}

/* ---- listeners -------------------------------------------------------------------------------- */

#define NAME_MAX_BYTES 65 /* of a listener, with its NUL; config checks it */

_Static_assert(sizeof(struct stint_frame) + sizeof(struct stint_listeners) +
                       (size_t)STINT_LISTENERS_MAX * NAME_MAX_BYTES <=
                   STINT_FRAME_MAX,
               "a frame holds the names of all it may bring");

static int
send_some(struct channel *ch, const char *const *names, const int *fds, size_t n, bool more)
{
    struct stint_listeners head = {.count = (uint16_t)n, .more = more};
    char body[STINT_FRAME_MAX - sizeof(struct stint_frame)];
    size_t used = sizeof(head);

    memcpy(body, &head, sizeof(head));
    for (size_t i = 0; i < n; i++) {
        size_t bytes = strlen(names[i]) + 1;

        if (bytes > NAME_MAX_BYTES)
            return -EINVAL;
        memcpy(body + used, names[i], bytes);
        used += bytes;
    }
    return channel_transmit(ch, STINT_FRAME_LISTENERS, body, (uint32_t)used, fds, n);
}

int
channel_listeners(struct channel *ch, const char *const *names, const int *fds, size_t n)
{
    size_t at = 0;
    int r;

    do {
        size_t some = n - at < STINT_LISTENERS_MAX ? n - at : STINT_LISTENERS_MAX;

        r = send_some(ch, names + at, fds + at, some, at + some < n);
        at += some;
    } while (r == 0 && at < n);
    return r;
}
