/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/fdstore_internal.h"

void
fdstore_gone(struct fdstore *fs)
{
    if (fs->fd == -1)
        return;
    fs->fd = fd_close(fs->fd);
    fs->lost = true;
    list_for_each_safe (n, &fs->unsent)
        fdstore_unsent_free(fs, container_of(n, struct unsent, node));
    if (!fs->loop)
        return;
    ev_io_stop(fs->loop, &fs->readable);
    ev_io_stop(fs->loop, &fs->writable);
    fdstore_tell_soon(fs); /* whoever made us notice is in the middle of something */
}

struct heard {
    struct keeper_frame frame;
    int fd; /* owned */
    char body[KEEPER_BODY_MAX + 1];
};

/* Return: 1; 0: nothing (now); negative errno: the keeper is gone. What makes no sense is skipped. */
static int
hear(const struct fdstore *fs, struct heard *h)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec parts[] = {
        {&h->frame, sizeof(h->frame)},
        {h->body,   KEEPER_BODY_MAX }
    };
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = &control,
                         .msg_controllen = CMSG_LEN(sizeof(int))}; /* with padding: room for two */
    ssize_t n = recvmsg(fs->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c;

    h->fd = -1;
    if (n == -1)
        /* reset: it did not read all we said; what it said before comes behind that, then the end */
        return errno == EAGAIN || errno == EINTR || errno == ECONNRESET ? 0 : -errno;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(&h->fd, CMSG_DATA(c), sizeof(h->fd));
    if (n == 0 && h->fd == -1)
        return -EPIPE;
    if ((size_t)n < sizeof(h->frame) || h->frame.length != (size_t)n - sizeof(h->frame) ||
        msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        h->frame = (struct keeper_frame){0};
        h->fd = fd_close(h->fd);
    }
    h->body[h->frame.length] = '\0';
    return 1;
}

static void
on_ack(struct fdstore *fs, const struct heard *h)
{
    struct keeper_ack ack;

    if (h->frame.length < sizeof(ack))
        return;
    memcpy(&ack, h->body, sizeof(ack));
    if (fs->upgrade && h->frame.number == fs->upgrade) {
        fs->upgrade = 0;
        if (fs->hooks.on_upgrade)
            fs->hooks.on_upgrade(fs->hooks.env, ack.error);
        return;
    }
    if (ack.error == 0)
        return;
    list_for_each (n, &fs->all) { /* rare */
        struct kept *k = container_of(n, struct kept, all);

        if (k->number != h->frame.number)
            continue;
        if (ack.error != -E2BIG && !k->refused) {
            k->refused = true;
            fs->n_refused++;
        }
        if (fs->hooks.on_refused)
            fs->hooks.on_refused(fs->hooks.env, k->name, ack.error);
        return;
    }
}

static void
on_given(struct fdstore *fs, struct heard *h)
{
    struct kept *k = h->fd >= 0 && h->frame.length < KEEPER_NAME_MAX && h->frame.length > 0
                         ? fdstore_kept_make(fs, h->body)
                         : NULL;

    if (!k)
        return;
    fd_close(k->fd);
    k->fd = steal_fd(h->fd);
    list_del(&k->node);
    list_add(&fs->given, &k->node);
}

static void
on_obituary(struct fdstore *fs, const struct heard *h)
{
    struct keeper_obituary o;
    struct early *early;

    if (h->frame.length < sizeof(o))
        return;
    memcpy(&o, h->body, sizeof(o));
    if (fs->loop && list_empty(&fs->early)) {
        fs->hooks.on_obituary(fs->hooks.env, &o);
        return;
    }
    early = calloc(1, sizeof(*early));
    if (!early)
        return; /* it stays in the keeper's ring for the next */
    early->obituary = o;
    list_add(&fs->early, &early->node);
}

static void
take_in(struct fdstore *fs, struct heard *h)
{
    if (h->frame.type == KEEPER_WELCOME && h->frame.length >= sizeof(fs->welcome))
        memcpy(&fs->welcome, h->body, sizeof(fs->welcome));
    else if (h->frame.type == KEEPER_GIVE)
        on_given(fs, h);
    else if (h->frame.type == KEEPER_OBITUARY)
        on_obituary(fs, h);
    else if (h->frame.type == KEEPER_ACK)
        on_ack(fs, h);
    else if (h->frame.type == KEEPER_END)
        fs->ended = true;
    fd_close(h->fd);
}

int
fdstore_hear(struct fdstore *fs)
{
    struct heard h;
    int r = hear(fs, &h);

    if (r == 1)
        take_in(fs, &h);
    return r;
}
