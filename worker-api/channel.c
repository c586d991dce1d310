/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "worker-api/prof.h"
#include "worker-api/state.h"

#define BURST   16  /* frames per call: a chatty supervisor holds nobody up */
#define FDS_MAX 253 /* that the kernel lets a message carry */

int
stn_channel_poll_fd(void)
{
    return __atomic_load_n(&stn.channel_fd, __ATOMIC_ACQUIRE);
}

int
stint_fd(void)
{
    return stn_channel_poll_fd();
}

/* The number stays taken until the end: somebody may have it in a poll set. */
static int
lost(void)
{
    __atomic_store_n(&stn.channel_fd, -1, __ATOMIC_RELEASE);
    stn_gate_shut();
    return -EPIPE;
}

static int
send_locked(enum stint_frame_type type, const void *body, uint32_t length)
{
    struct stint_frame frame = {.type = (uint16_t)type, .length = length, .sequence = stn.sent + 1};
    char bytes[sizeof(frame) + sizeof(struct stint_look)]; /* the longest of ours */
    int fd = stn_channel_poll_fd();

    if (fd < 0)
        return -EPIPE;
    if (sizeof(frame) + length > sizeof(bytes))
        return -EMSGSIZE;
    memcpy(bytes, &frame, sizeof(frame));
    if (length > 0)
        memcpy(bytes + sizeof(frame), body, length);
    if (send(fd, bytes, sizeof(frame) + length, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
        return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : lost();
    stn.sent++; /* no gaps: a frame that was not sent has no number */
    return 0;
}

/* send(), recv() and poll() are cancellation points. */
static int
channel_take(void)
{
    int state = stn_cancel_hold();

    stn_here(); /* the parent's voice is not ours */
    stn_lock_take(&stn.channel);
    return state;
}

static void
channel_give(int state)
{
    stn_lock_give(&stn.channel);
    stn_cancel_let(state);
}

int
stn_channel_send(enum stint_frame_type type, const void *body, uint32_t length)
{
    int state = channel_take();
    int r = send_locked(type, body, length);

    channel_give(state);
    return r;
}

void
stn_look(int64_t at_us, uint64_t generation, const char *text)
{
    struct stint_look look = {.at_us = at_us, .generation = generation};

    stn_text_copy(look.text, sizeof(look.text), text);
    (void)stn_channel_send(STINT_FRAME_LOOK, &look, sizeof(look)); /* it looks at the end, too */
}

void
stn_channel_open(int fd)
{
    struct stint_hello hello = {STINT_WIRE_MAJOR, STINT_WIRE_MINOR, (uint32_t)getpid()};
    int type = 0;
    socklen_t size = sizeof(type);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == -1 || type != SOCK_SEQPACKET)
        return; /* somebody else's number: not ours to close */
    stn.channel_kept = fd;
    __atomic_store_n(&stn.channel_fd, fd, __ATOMIC_RELEASE);
    (void)stn_channel_send(STINT_FRAME_HELLO, &hello, sizeof(hello)); /* gone already: unmanaged */
}

/* What a frame asks for, taken out of it under the channel lock and done without. */
struct order {
    bool cancel;
    struct stint_cancel_frame frame;
    bool profile;
    int profile_fd; /* -1 = none; owned */
    struct stint_profile_frame profile_frame;
};

static int
hear_hello(const char *body, uint32_t length)
{
    struct stint_hello hello;

    if (length < sizeof(hello) || stn.hello_seen)
        return 0;
    memcpy(&hello, body, sizeof(hello));
    if (hello.major != STINT_WIRE_MAJOR)
        return lost(); /* we would not understand each other */
    stn.hello_seen = true;
    return 1;
}

/* What a message brought along; owned by whoever has it. */
struct cargo {
    int fds[FDS_MAX];
    unsigned n;
};

static void
cargo_drop(struct cargo *cargo)
{
    while (cargo->n > 0)
        stn_close(cargo->fds[--cargo->n]);
}

static void
cargo_unload(struct msghdr *msg, struct cargo *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len && ret->n < FDS_MAX;
             at += sizeof(int))
            memcpy(&ret->fds[ret->n++], (const char *)c + at, sizeof(int));
    }
}

/* From a helper beside the master: it has no part in the count, and repeating it does no harm. */
static int
hear_profile(const char *body, uint32_t length, struct cargo *cargo, struct order *ret)
{
    if (length < sizeof(ret->profile_frame) || !stn.hello_seen)
        return 0;
    memcpy(&ret->profile_frame, body, sizeof(ret->profile_frame));
    ret->profile = true;
    ret->profile_fd = cargo->n > 0 ? cargo->fds[--cargo->n] : -1;
    return 1;
}

/* 1 obeyed, 0 skipped, -EPIPE no common language. */
static int
hear(const char *bytes, size_t n, struct cargo *cargo, struct order *ret)
{
    struct stint_frame frame;
    const char *body = bytes + sizeof(frame);

    if (n < sizeof(frame) || n > STINT_FRAME_MAX)
        return 0;
    memcpy(&frame, bytes, sizeof(frame));
    if (frame.length == n - sizeof(frame) && frame.type == STINT_FRAME_PROFILE)
        return hear_profile(body, frame.length, cargo, ret);
    if (frame.length != n - sizeof(frame) || frame.sequence <= stn.received)
        return 0; /* not a frame, or one that was here before */
    stn.received = frame.sequence;
    if (frame.type == STINT_FRAME_HELLO)
        return hear_hello(body, frame.length);
    if (frame.type == STINT_FRAME_LISTENERS && stn.hello_seen) {
        stn_gate_take(body, frame.length, cargo->fds, cargo->n);
        cargo->n = 0;
        return 1;
    }
    if (frame.type != STINT_FRAME_CANCEL || frame.length < sizeof(ret->frame) || !stn.hello_seen)
        return 0;
    memcpy(&ret->frame, body, sizeof(ret->frame));
    ret->frame.text[sizeof(ret->frame.text) - 1] = '\0';
    ret->cancel = ret->frame.cause != STINT_CAUSE_NONE;
    return ret->cancel;
}

/* 1 obeyed, 0 skipped one, -EAGAIN nothing there, -EPIPE nobody there. */
static int
receive_locked(struct order *ret)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        struct cmsghdr align;
    } control;
    char bytes[STINT_FRAME_MAX + 1];
    struct iovec part = {bytes, sizeof(bytes)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cargo cargo = {.n = 0};
    int fd = stn_channel_poll_fd();
    ssize_t n;
    int r;

    if (fd < 0)
        return -EPIPE;
    n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    if (n >= 0)
        cargo_unload(&msg, &cargo);
    r = n > 0 ? hear(bytes, (size_t)n, &cargo, ret) : 0;
    cargo_drop(&cargo);
    if (n > 0)
        return r;
    if (n == -1 && errno == ECONNRESET)
        return 0; /* said once, when frames of ours were not read: what they sent still lies here */
    if (n == -1)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : lost();
    struct pollfd gone = {.fd = fd, .events = POLLRDHUP}; /* an empty packet, or the end? */
    return poll(&gone, 1, 0) == 1 && (gone.revents & (POLLHUP | POLLRDHUP)) ? lost() : 0;
}

int
stn_channel_read(void)
{
    int obeyed = 0;

    stn_prof_settle();
    if (stn_channel_poll_fd() < 0)
        return -EPIPE;
    for (int i = 0; i < BURST; i++) {
        struct order order = {0};
        int state = channel_take();
        int r = receive_locked(&order);

        channel_give(state);
        if (order.profile)
            stn_prof_asked(&order.profile_frame, order.profile_fd);
        if (order.cancel)
            stn_root_refine((enum stint_cause)order.frame.cause, order.frame.text,
                            order.frame.deadline_us);
        if (r == -EAGAIN)
            break;
        if (r < 0)
            return r;
        obeyed += r;
    }
    return obeyed;
}

int
stint_dispatch(void)
{
    bool managed = stn.channel_kept >= 0;
    int r = managed ? stn_channel_read() : 0;

    stn_callbacks_run();
    return r;
}

/* At exit(): the supervisor need not wonder why the channel ends. Nothing is sent after it. */
void
stn_channel_bye(void)
{
    int state = channel_take();

    (void)send_locked(STINT_FRAME_BYE, NULL, 0); /* full or gone: then the end must do */
    (void)lost();
    channel_give(state);
}

void
stn_channel_after_fork(void)
{
    if (stn.channel_kept >= 0)
        stn_close(stn.channel_kept); /* the parent's voice is not ours */
    stn.channel_kept = -1;
    stn.channel_fd = -1;
}

_Static_assert((int)STINT_WIRE_RELIEVED == (int)STINT_CAUSE_RELIEVED, "one meaning per number");
_Static_assert((int)STINT_WIRE_STOPPED == (int)STINT_CAUSE_STOPPED, "one meaning per number");
_Static_assert((int)STINT_WIRE_REJECTED == (int)STINT_CAUSE_REJECTED, "one meaning per number");
