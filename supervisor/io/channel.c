/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/channel.h"

#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/channel_internal.h"
#include "supervisor/io/forget.h"

#define BURST   16  /* frames a turn: one chatty worker starves nobody */
#define FDS_MAX 253 /* that the kernel lets a message carry */

int
channel_pair(int *ret_ours, int *ret_theirs)
{
    int fds[2];
    int r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
        return -errno;
    auto_fd int ours = fds[0];
    auto_fd int theirs = fds[1];

    r = fd_nonblock(ours);
    if (r < 0)
        return r;
    *ret_ours = steal_fd(ours);
    *ret_theirs = steal_fd(theirs);
    return 0;
}

static size_t
body_bytes(uint16_t type)
{
    switch (type) {
    case STINT_FRAME_HELLO:
        return sizeof(struct stint_hello);
    case STINT_FRAME_CANCEL:
        return sizeof(struct stint_cancel_frame);
    case STINT_FRAME_EXTEND:
        return sizeof(struct stint_extend);
    case STINT_FRAME_LISTENERS:
        return sizeof(struct stint_listeners);
    case STINT_FRAME_LOOK:
        return sizeof(struct stint_look);
    default: /* READY, STOPPING, BYE, and what is not known */
        return 0;
    }
}

int
wire_decode(const void *bytes, size_t n, struct wire_message *ret, struct error *reterr)
{
    struct wire_message m = {0};
    const char *body = (const char *)bytes + sizeof(m.frame);
    size_t want;

    if (n < sizeof(m.frame))
        return error_say(reterr, -EPROTO, "a frame of %zu bytes has no header", n);
    if (n > STINT_FRAME_MAX)
        return error_say(reterr, -EPROTO, "a frame is longer than %d bytes", STINT_FRAME_MAX);
    memcpy(&m.frame, bytes, sizeof(m.frame));
    if (m.frame.length != n - sizeof(m.frame))
        return error_say(reterr, -EPROTO, "a frame says %u bytes and has %zu",
                         (unsigned)m.frame.length, n - sizeof(m.frame));
    want = body_bytes(m.frame.type);
    if (m.frame.length < want)
        return error_say(reterr, -EPROTO, "a frame of type %u has %u bytes, it needs %zu",
                         (unsigned)m.frame.type, (unsigned)m.frame.length, want);
    m.known = m.frame.type >= STINT_FRAME_HELLO && m.frame.type <= STINT_FRAME_LOOK;
    if (m.frame.type == STINT_FRAME_HELLO) {
        memcpy(&m.hello, body, sizeof(m.hello));
    } else if (m.frame.type == STINT_FRAME_CANCEL) {
        memcpy(&m.cancel, body, sizeof(m.cancel));
        m.cancel.text[sizeof(m.cancel.text) - 1] = '\0';
    } else if (m.frame.type == STINT_FRAME_EXTEND) {
        memcpy(&m.extend, body, sizeof(m.extend));
    } else if (m.frame.type == STINT_FRAME_LOOK) {
        memcpy(&m.look, body, sizeof(m.look));
        m.look.text[sizeof(m.look.text) - 1] = '\0';
    }
    *ret = m;
    return 0;
}

static void
shut(struct channel *ch)
{
    if (ch->fd == -1)
        return;
    forget_io(ch->loop, &ch->io);
    ch->fd = fd_close(ch->fd);
}

/* It has been dealt with, unless that was the end of the channel. It brought no descriptors. */
static void
take_out(const struct channel *ch)
{
    char byte;

    if (ch->fd != -1)
        (void)recv(ch->fd, &byte, sizeof(byte), MSG_DONTWAIT);
}

static void
bad(struct channel *ch, const char *reason)
{
    take_out(ch); /* what is left unread at the close is an error at the other end */
    shut(ch);
    if (ch->ev.on_bad)
        ch->ev.on_bad(ch->env, reason);
}

static void
lost(struct channel *ch, const char *reason)
{
    shut(ch);
    if (!ch->bye && ch->ev.on_lost) /* after a BYE the end is no news */
        ch->ev.on_lost(ch->env, reason);
}

static void
hello(struct channel *ch, const struct stint_hello *h)
{
    struct error err;

    if (ch->hello && !ch->adopted) {
        bad(ch, "it said HELLO twice");
    } else if (h->major != STINT_WIRE_MAJOR) {
        (void)error_say(&err, -EPROTO, "its libstint speaks version %u of the wire, we speak %d",
                        (unsigned)h->major, STINT_WIRE_MAJOR);
        bad(ch, err.text);
    } else if (h->minor < ch->ev.least_minor) {
        (void)error_say(&err, -EPROTO,
                        "its libstint speaks version %u.%u of the wire, and what is asked of it "
                        "came with %d.%u: link it anew",
                        (unsigned)h->major, (unsigned)h->minor, STINT_WIRE_MAJOR,
                        (unsigned)ch->ev.least_minor);
        bad(ch, err.text);
    } else {
        ch->hello = true;
        if (ch->ev.on_hello)
            ch->ev.on_hello(ch->env, h);
    }
}

static void
dispatch(struct channel *ch, const struct wire_message *m)
{
    if (m->frame.type == STINT_FRAME_HELLO) {
        hello(ch, &m->hello);
    } else if (!ch->hello) {
        bad(ch, "its first frame was not HELLO");
    } else if (ch->bye) {
        bad(ch, "a frame came after its BYE");
    } else if (m->frame.type == STINT_FRAME_READY) {
        if (ch->ev.on_ready)
            ch->ev.on_ready(ch->env);
    } else if (m->frame.type == STINT_FRAME_EXTEND) {
        if (ch->ev.on_extend)
            ch->ev.on_extend(ch->env, m->extend.usec);
    } else if (m->frame.type == STINT_FRAME_LOOK) {
        if (ch->ev.on_look)
            ch->ev.on_look(ch->env, &m->look);
    } else if (m->frame.type == STINT_FRAME_STOPPING) {
        if (ch->ev.on_stopping)
            ch->ev.on_stopping(ch->env);
    } else if (m->frame.type == STINT_FRAME_BYE) {
        ch->bye = true;
        if (ch->ev.on_bye)
            ch->ev.on_bye(ch->env);
    } else if (m->known) {
        bad(ch, "it sent a frame that only the master may send");
    }
}

/* fds_close - nobody may leave descriptors with us. Return: how many there were. */
static unsigned
fds_close(struct msghdr *msg)
{
    unsigned n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            (void)fd_close(fd);
            n++;
        }
    }
    return n;
}

/* look_at - one frame, which stays in the queue. Return: 1 = go on, 0 = nothing (any more) to read. */
static int
look_at(struct channel *ch)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        struct cmsghdr align;
    } control;
    char frame[STINT_FRAME_MAX];
    struct iovec part = {frame, sizeof(frame)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct wire_message m = {0};
    struct error err;
    ssize_t n = recvmsg(ch->fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    /*
     * A worker that ended without having read all we said gives ECONNRESET, once, before the frames
     * it sent: they are still there, and behind them comes the end of file.
     */
    if (n == -1 && errno == ECONNRESET)
        return 1;
    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return 0; /* level-triggered: we are called again */
    if (n == -1) {
        (void)error_set(&err, -errno, "the channel failed");
        lost(ch, err.text);
        return 0;
    }
    unsigned passed = fds_close(&msg);

    if (n == 0 && passed == 0) {
        lost(ch, "it closed the channel without a BYE");
        return 0;
    }
    if (passed > 0 || msg.msg_flags & MSG_CTRUNC) {
        bad(ch, "it passed descriptors");
        return 0;
    }
    if (msg.msg_flags & MSG_TRUNC) {
        bad(ch, "a frame is longer than 4096 bytes");
        return 0;
    }
    if (wire_decode(frame, (size_t)n, &m, &err) < 0) {
        bad(ch, err.text);
        return 0;
    }
    if (ch->adopted)
        ch->received = m.frame.sequence - 1;
    if (m.frame.sequence != ch->received + 1) {
        (void)error_say(&err, -EPROTO, "frame %" PRIu64 " came after frame %" PRIu64,
                        m.frame.sequence, ch->received);
        bad(ch, err.text);
        return 0;
    }
    ch->received++;
    dispatch(ch, &m);
    ch->adopted = false;
    take_out(ch);
    return 1;
}

static void
listen_for(struct channel *ch, int events)
{
    ev_io_stop(ch->loop, &ch->io);
    ev_io_set(&ch->io, ch->fd, events);
    ev_io_start(ch->loop, &ch->io);
}

void
channel_await_room(struct channel *ch)
{
    if (ch->fd != -1)
        listen_for(ch, EV_READ | EV_WRITE);
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    struct channel *ch = container_of(io, struct channel, io);

    (void)loop; /* the channel knows it */
    ch->busy = true;
    if (revents & EV_WRITE) {
        listen_for(ch, EV_READ);
        if (ch->ev.on_room)
            ch->ev.on_room(ch->env);
    }
    for (int i = 0; i < BURST && ch->fd != -1; i++)
        if (look_at(ch) == 0)
            break;
    ch->busy = false;
    if (ch->doomed)
        free(ch);
}

static struct channel *
channel_create(struct ev_loop *loop, int fd, const struct channel_events *ev, void *env)
{
    struct channel *ch = calloc(1, sizeof(*ch));

    if (!ch)
        return NULL;
    ch->loop = loop;
    ch->fd = fd;
    ch->ev = *ev;
    ch->env = env;
    ev_io_init(&ch->io, on_readable, fd, EV_READ);
    return ch;
}

int
channel_open(struct ev_loop *loop, int fd, const struct channel_events *ev, void *env,
             struct channel **ret)
{
    struct stint_hello h = {STINT_WIRE_MAJOR, STINT_WIRE_MINOR, (uint32_t)getpid()};
    auto_free struct channel *ch = channel_create(loop, fd, ev, env);
    int r;

    if (!ch)
        return -ENOMEM;
    r = channel_transmit(ch, STINT_FRAME_HELLO, &h, sizeof(h), NULL, 0);
    if (r < 0 && r != -ENOTCONN) /* it died already: reading tells, in its turn */
        return r;
    ev_io_start(loop, &ch->io);
    *ret = steal(ch);
    return 0;
}

#define MASTER_FRAMES (UINT64_C(1) << 32) /* more than a master sends in its life */

int
channel_adopt(struct ev_loop *loop, int fd, const struct channel_events *ev, void *env,
              bool managed, unsigned masters, struct channel **ret)
{
    struct channel *ch = channel_create(loop, fd, ev, env);

    if (!ch)
        return -ENOMEM;
    ch->hello = managed;
    ch->adopted = true;
    ch->sent = masters * MASTER_FRAMES;
    ev_io_start(loop, &ch->io);
    *ret = ch;
    return 0;
}

int
channel_fd(const struct channel *ch)
{
    return ch->fd;
}

void
channel_destroy(struct channel *ch)
{
    if (!ch)
        return;
    shut(ch);
    ch->ev = (struct channel_events){0};
    ch->doomed = true;
    if (!ch->busy)
        free(ch);
}

bool
channel_managed(const struct channel *ch)
{
    return ch->hello && ch->fd != -1;
}
