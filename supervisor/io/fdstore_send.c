/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/fdstore_internal.h"

/* Return: 0, -EAGAIN, or another negative errno: the keeper is gone. */
static int
send_now(const struct fdstore *fs, const void *bytes, size_t n, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    union { /* sendmsg() does not write */
        const void *in;
        void *out;
    } data = {.in = bytes};
    struct iovec part = {data.out, n};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t r;

    if (fd >= 0) {
        struct cmsghdr *c;

        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    do
        r = sendmsg(fs->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (r == -1 && errno == EINTR);
    if (r >= 0)
        return 0;
    /* too many descriptors on their way: they arrive, and then there is room again */
    return errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -errno;
}

void
fdstore_unsent_free(struct fdstore *fs, struct unsent *u)
{
    list_del(&u->node);
    fs->n_unsent--;
    fd_close(u->fd);
    free(u);
}

/* What waits, in order. Return: 0: all was sent; -EAGAIN: not all. */
int
fdstore_send(struct fdstore *fs)
{
    while (!list_empty(&fs->unsent)) {
        struct unsent *u = container_of(fs->unsent.next, struct unsent, node);
        int r = send_now(fs, u->message, u->bytes, u->fd);

        if (r == -EAGAIN)
            return r;
        if (r < 0)
            fdstore_gone(fs); /* and with it all that waits */
        else
            fdstore_unsent_free(fs, u);
    }
    return 0;
}

static int
keep_unsent(struct fdstore *fs, const char *message, size_t bytes, int fd)
{
    struct unsent *u = calloc(1, sizeof(*u) + bytes);

    if (!u)
        return -ENOMEM;
    u->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (fd >= 0 && u->fd == -1) {
        free(u);
        return -EMFILE;
    }
    u->bytes = bytes;
    memcpy(u->message, message, bytes);
    list_add(&fs->unsent, &u->node);
    fs->n_unsent++;
    if (fs->loop)
        ev_io_start(fs->loop, &fs->writable);
    return 0;
}

int
fdstore_say(struct fdstore *fs, enum keeper_type type, const void *body, size_t n, int fd)
{
    struct keeper_frame frame = {.type = (uint16_t)type, .length = (uint32_t)n};
    char message[sizeof(frame) + KEEPER_BODY_MAX];
    int r;

    if (!fs || fs->fd == -1)
        return 0;
    if (n > KEEPER_BODY_MAX)
        return -EMSGSIZE;
    frame.number = fs->sent + 1;
    memcpy(message, &frame, sizeof(frame));
    if (n > 0)
        memcpy(message + sizeof(frame), body, n);
    r = list_empty(&fs->unsent) ? send_now(fs, message, sizeof(frame) + n, fd) : -EAGAIN;
    if (r == -EAGAIN) {
        r = keep_unsent(fs, message, sizeof(frame) + n, fd);
        if (r < 0)
            return r;
    } else if (r < 0) {
        fdstore_gone(fs);
    }
    fs->sent++;
    return 0;
}

static int
store(struct fdstore *fs, const char *name, int fd, bool now)
{
    bool known = fdstore_kept_find(fs, name) != NULL;
    struct kept *k = fdstore_kept_make(fs, name);
    int r = k ? fdstore_say(fs, KEEPER_STORE, name, strlen(name), fd) : -ENOMEM;

    if (r == 0 && now && !list_empty(&fs->unsent)) { /* taken back */
        fdstore_unsent_free(fs, container_of(fs->unsent.prev, struct unsent, node));
        fs->sent--;
        r = -EAGAIN;
    }
    if (r == 0) {
        k->number = fs->sent;
        fs->n_refused -= k->refused; /* until it is answered */
        k->refused = false;
    } else if (k && !known) {
        fdstore_kept_free(fs, k);
    }
    return r;
}

int
fdstore_put(struct fdstore *fs, const char *name, int fd)
{
    return fs && fs->fd != -1 && fd >= 0 ? store(fs, name, fd, false) : 0;
}

/* What was sent is the keeper's to read, also when we are dead by then; what waits here dies with us. */
int
fdstore_put_now(struct fdstore *fs, const char *name, int fd)
{
    if (fs && fdstore_send(fs) == -EAGAIN)
        return -EAGAIN;
    return fs && fs->fd != -1 && fd >= 0 ? store(fs, name, fd, true) : 0;
}

void
fdstore_drop(struct fdstore *fs, const char *name)
{
    struct kept *k = fs ? fdstore_kept_find(fs, name) : NULL;

    if (!k)
        return;
    (void)fdstore_say(fs, KEEPER_DROP, name, strlen(name),
                      -1); /* no memory: it is kept for nothing */
    fdstore_kept_free(fs, k);
}

void
fdstore_alive(struct fdstore *fs)
{
    (void)fdstore_say(fs, KEEPER_ALIVE, NULL, 0, -1);
}

void
fdstore_buried(struct fdstore *fs, pid_t pid, uint64_t start_time)
{
    const struct keeper_buried b = {.pid = pid, .start_time = start_time};

    (void)fdstore_say(fs, KEEPER_BURIED, &b, sizeof(b),
                      -1); /* not said: told again to the next master */
}

void
fdstore_notify(struct fdstore *fs, const char *text)
{
    if (fs && fs->welcome.flags & KEEPER_SYSTEMD)
        (void)fdstore_say(fs, KEEPER_NOTIFY, text, strlen(text), -1);
}

int
fdstore_upgrade(struct fdstore *fs, const char *path, int exe_fd)
{
    int r = fs && fs->fd != -1 ? fdstore_say(fs, KEEPER_UPGRADE, path, strlen(path), exe_fd)
                               : -ENOTCONN;

    if (r == 0)
        fs->upgrade = fs->sent;
    return r;
}

bool
fdstore_flush(struct fdstore *fs, int64_t budget_us)
{
    int64_t end_us = mono_now_us() + budget_us;

    while (fs && fdstore_send(fs) == -EAGAIN) {
        struct pollfd p = {.fd = fs->fd, .events = POLLOUT};
        int64_t left_us = end_us - mono_now_us();

        if (left_us <= 0)
            return false;
        (void)poll(&p, 1, (int)(left_us / US_PER_MS) + 1);
    }
    return true;
}

void
fdstore_leave(struct fdstore *fs, int status, int64_t budget_us)
{
    const struct keeper_leaving l = {.status = status};

    (void)fdstore_say(fs, KEEPER_LEAVING, &l, sizeof(l), -1);
    (void)fdstore_flush(fs, budget_us);
}
