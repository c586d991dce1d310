/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ev.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/endpoint.h"
#include "supervisor/io/forget.h"
#include "supervisor/probe/proc.h"

#define BURST     32  /* datagrams in one turn of the loop: one chatty worker starves nobody */
#define DRAIN_MAX 512 /* net.unix.max_dgram_qlen is 10 to 512; more than it cannot be queued */
#define FDS_MAX   253 /* SCM_MAX_FD */

struct notify {
    struct ev_loop *loop; /* borrowed */
    ev_io io;
    int fd;     /* owned */
    char *path; /* owned */
    struct notify_hooks hooks;
    pid_t worker; /* 0 until notify_expect() */
    uid_t uid;    /* what the worker runs as */
    struct notify_counts counts;
    bool *closed; /* set when a hook closes us under the hands of look_at(); NULL outside of it */
};

static unsigned
close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)fd_close(fds[i]);
    return (unsigned)n;
}

/* take_control - who sent it, and away with the descriptors. Return: whether credentials came. */
static bool
take_control(struct msghdr *message, struct notify_sender *from)
{
    bool known = false;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_RIGHTS) {
            int fds[FDS_MAX];
            size_t n = bytes / sizeof(int);

            if (n > FDS_MAX)
                n = FDS_MAX; /* the kernel allows no more; our buffer has no room for more */
            memcpy(fds, CMSG_DATA(c), n * sizeof(int));
            from->fds += close_all(fds, n);
        } else if (c->cmsg_type == SCM_CREDENTIALS && bytes >= sizeof(struct ucred)) {
            struct ucred cred;

            memcpy(&cred, CMSG_DATA(c), sizeof cred);
            from->pid = cred.pid;
            from->uid = cred.uid;
            from->gid = cred.gid;
            known = true;
        }
    }
    return known;
}

/* objection - why a message from there does not count; NULL = it does. */
static const char *
objection(const struct notify *n, const struct notify_sender *from)
{
    int r;

    if (n->worker == 0)
        return "no worker is expected yet";
    if (from->pid <= 0)
        return "the sender is not visible from here";
    r = proc_belongs(from->pid, n->worker);
    if (r == 1)
        return NULL;
    if (r == 0)
        return "the sender is not of this worker";
    if (r != -ESRCH)
        return "the sender could not be looked at";
    return from->uid == n->uid ? NULL : "the sender is gone and was another user";
}

static void
refuse(struct notify *n, const struct notify_sender *from, const char *why)
{
    n->counts.refused++;
    if (n->hooks.on_refused)
        n->hooks.on_refused(n->hooks.env, from, why);
}

/* It has been dealt with. The descriptors that came with it exist once more for this call. */
static void
take_out(const struct notify *n)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct notify_sender from = {0};
    struct msghdr message = {.msg_control = control.bytes, .msg_controllen = sizeof control.bytes};

    if (recvmsg(n->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) >= 0)
        (void)take_control(&message, &from);
}

/* look_at - one datagram, which stays in the queue. Return: 0, or negative errno: there is none. */
static int
look_at(struct notify *n)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    char bytes[NOTIFY_MESSAGE_MAX];
    struct iovec iov = {bytes, sizeof bytes};
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    struct notify_sender from = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    struct notify_message m;
    const char *why;
    ssize_t got = recvmsg(n->fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got == -1)
        return -errno;
    why = take_control(&message, &from) ? objection(n, &from) : "it came without credentials";
    n->counts.fds_closed += from.fds;
    if (!why && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        why = "it is too long";
    if (!why && notify_parse(bytes, (size_t)got, &m) < 0)
        why = "it is not a notify message";
    if (why) {
        refuse(n, &from, why);
        return 0;
    }
    n->counts.accepted++;
    n->counts.malformed += m.malformed;
    n->hooks.on_notify(n->hooks.env, &m, &from);
    return 0;
}

static void
receive_some(struct notify *n, int most)
{
    bool closed = false, *outer = n->closed;

    n->closed = &closed;
    for (int i = 0; i < most && !closed; i++) {
        int r = look_at(n);

        if (r < 0 && r != -EINTR)
            break;
        if (r == 0 && !closed)
            take_out(n);
    }
    if (!closed)
        n->closed = outer;
    else if (outer)
        *outer = true;
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    receive_some(container_of(io, struct notify, io), BURST);
}

static int
bind_at(struct notify *n, const char *path, struct error *reterr)
{
    auto_text struct text name = TEXT_INIT;
    struct endpoint at;
    mode_t before;
    int one = 1, r;

    text_addf(&name, "unix:%s", path);
    r = endpoint_parse(text_str(&name), &at, reterr);
    if (r < 0)
        return r;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (n->fd == -1 || setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == -1)
        return error_set(reterr, -errno, "make a notify socket");
    if (unlink(path) == -1 && errno != ENOENT) /* of a master before us: the folder is ours alone */
        return error_set(reterr, -errno, "replace '%s'", path);
    before = umask(0111); /* workers are of any user; the socket file is made with that mode */
    r = bind(n->fd, (const struct sockaddr *)&at.sa, at.bytes) == -1 ? -errno : 0;
    (void)umask(before); /* cannot fail */
    if (r < 0)
        return error_set(reterr, r, "bind '%s'", path);
    n->path = strdup(path);
    if (!n->path) {
        (void)unlink(path);
        return error_set(reterr, -ENOMEM, "bind '%s'", path);
    }
    return 0;
}

static struct notify *
notify_create(struct ev_loop *loop, const struct notify_hooks *hooks)
{
    struct notify *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    n->loop = loop;
    n->hooks = *hooks;
    n->fd = -1;
    ev_io_init(&n->io, on_readable, -1, EV_READ);
    return n;
}

static void
notify_watch(struct notify *n)
{
    ev_io_set(&n->io, n->fd, EV_READ);
    ev_io_start(n->loop, &n->io);
}

int
notify_open(struct ev_loop *loop, const char *path, const struct notify_hooks *hooks,
            struct notify **ret, struct error *reterr)
{
    struct notify *n = notify_create(loop, hooks);
    int r;

    if (!n)
        return error_set(reterr, -ENOMEM, "make a notify socket");
    r = bind_at(n, path, reterr);
    if (r < 0) {
        notify_close(n);
        return r;
    }
    notify_watch(n);
    *ret = n;
    return 0;
}

int
notify_adopt(struct ev_loop *loop, int fd, const char *path, const struct notify_hooks *hooks,
             struct notify **ret, struct error *reterr)
{
    struct notify *n = notify_create(loop, hooks);

    if (n)
        n->path = strdup(path);
    if (!n || !n->path) {
        notify_close(n);
        return error_set(reterr, -ENOMEM, "take over a notify socket");
    }
    n->fd = fd;
    notify_watch(n);
    *ret = n;
    return 0;
}

int
notify_fd(const struct notify *n)
{
    return n->fd;
}

void
notify_expect(struct notify *n, pid_t worker, uid_t uid)
{
    n->worker = worker;
    n->uid = uid;
}

const char *
notify_path(const struct notify *n)
{
    return n->path;
}

struct notify_counts
notify_counts(const struct notify *n)
{
    return n->counts;
}

void
notify_drain(struct notify *n)
{
    receive_some(n, DRAIN_MAX);
}

void
notify_close(struct notify *n)
{
    if (!n)
        return;
    if (n->closed)
        *n->closed = true;
    forget_io(n->loop, &n->io);
    (void)fd_close(n->fd);
    if (n->path)
        (void)unlink(n->path); /* a leftover is replaced by the next who binds here */
    free(n->path);
    free(n);
}
