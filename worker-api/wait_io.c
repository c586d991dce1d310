/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

/*
 * accept, read and write that end with the token. The descriptor's flags stay as they are: they
 * belong to the open file, which other processes may share. So:
 *
 *   - sockets: MSG_DONTWAIT, exact;
 *   - what knows RWF_NOWAIT (pipes since Linux 6.4, files, most of the rest): exact;
 *   - what is non-blocking already: exact;
 *   - else (terminals, older pipes, a listener that blocks): poll, then the plain call, one
 * thread of this
 *     process at a time for each descriptor, so that none takes what another was told of. A
 *     reader in another process may still do so, and then the plain call blocks. Nothing can be
 *     done about that without the flag; the header says so.
 */
#define TURNS 64
#define RETRY_US \
    1000 /* until the other thread at this descriptor is done, which takes microseconds */
#define LOOK_EACH 32 /* calls that found everything ready, until frames are looked at */

enum kind { SOCKET, NOWAIT, PLAIN_READY, PLAIN_BLOCKS };

/*
 * A read begins with RWF_NOWAIT, which a kernel that knows it of pipes knows of sockets too: one call for
 * both. A write begins as to a socket, since no other call keeps SIGPIPE away. ThreadSanitizer takes a recv()
 * for what orders two threads, and knows nothing of preadv2().
 */
#if defined(__SANITIZE_THREAD__)
static uint32_t sockets_refuse = 1;
#else
static uint32_t sockets_refuse; /* atomic; 1: an older kernel, and this was seen */
#endif

#ifndef RWF_NOWAIT /* a libc that knows neither this nor the calls: musl before 1.2.5 */
#define RWF_NOWAIT              8
#define preadv2(fd, v, n, ...)  without_libc(SYS_preadv2, fd, v, n, __VA_ARGS__)
#define pwritev2(fd, v, n, ...) without_libc(SYS_pwritev2, fd, v, n, __VA_ARGS__)

/* @at: -1, where the descriptor is; its halves are alike. */
static ssize_t
without_libc(long call, int fd, const struct iovec *v, int n, long at, int flags)
{
    return syscall(call, fd, v, n, at, at, flags);
}
#endif

struct io {
    struct stint_token *token; /* may be NULL */
    int64_t abs_us;
    int fd;
    short events;   /* POLLIN or POLLOUT */
    uint32_t *site; /* static; of `text` */
    const char *text;
    enum kind kind; /* what is known of fd so far */
    bool refused;   /* RWF_NOWAIT was */
    ssize_t (*call)(const struct io *io);
    void *bytes; /* read: written to; write: only read */
    size_t n;
    struct sockaddr *from; /* accept */
    socklen_t *from_size;
};

static uint32_t
    turns[TURNS]; /* atomic: 1 = a thread is between poll and call at such a descriptor */

void
stn_turns_after_fork(void)
{
    memset(turns, 0, sizeof(turns)); /* their holders are in the parent */
}

static bool
take_turn(int fd)
{
    return __atomic_exchange_n(&turns[(unsigned)fd % TURNS], 1, __ATOMIC_ACQUIRE) == 0;
}

static void
give_turn(int fd)
{
    __atomic_store_n(&turns[(unsigned)fd % TURNS], 0, __ATOMIC_RELEASE);
}

/* Nobody reads frames while a thread finds its work ready, again and again. */
static void
look_sometimes(void)
{
    static _Thread_local unsigned calls;

    if (++calls % LOOK_EACH == 0)
        stn_entry();
}

static bool
is_non_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags == -1 || (flags & O_NONBLOCK); /* not a descriptor: the call itself says so */
}

static bool
is_ready(const struct io *io)
{
    struct pollfd p = {.fd = io->fd, .events = io->events};

    return poll(&p, 1, 0) == 1;
}

/* 1 ready, 0 look again, else what to return. */
static int
wait_ready(const struct io *io)
{
    struct pollfd p = {.fd = io->fd, .events = io->events};
    struct stint_block block = stn_wait_enter(io->site, io->text, NULL);
    int r = stint_token_poll(io->token, &p, 1, io->abs_us);

    stint_block_leave(&block);
    return r == 0 ? -ETIMEDOUT : r;
}

/* The plain call on what blocks: if it has something that nobody else here is about to take. */
static ssize_t
call_in_turn(const struct io *io)
{
    int state;
    ssize_t r = -1;

    if (!take_turn(io->fd)) {
        (void)stint_token_sleep(io->token, RETRY_US); /* the loop looks at the token */
        errno = stint_now_us() < io->abs_us ? EINTR : ETIMEDOUT;
        return -1;
    }
    state = stn_cancel_hold(); /* nobody leaves with the turn */
    errno = EAGAIN;
    if (is_ready(io))
        r = io->call(io);
    give_turn(io->fd);
    stn_cancel_let(state);
    return r;
}

/* What poll() always calls ready, while a look that may not wait sees nothing but the cache. */
static bool
is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

static void
learn(struct io *io, enum kind found)
{
    io->kind = found == PLAIN_BLOCKS && is_non_blocking(io->fd) ? PLAIN_READY : found;
}

/* On an older kernel it may be a socket all the same; else it is neither. */
static void
refused(struct io *io)
{
    const bool unknown = errno == EOPNOTSUPP;
    int type;
    socklen_t size = sizeof(type);

    io->refused = true;
    learn(io, getsockopt(io->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? SOCKET : PLAIN_BLOCKS);
    if (io->kind == SOCKET && unknown)
        __atomic_store_n(&sockets_refuse, 1, __ATOMIC_RELAXED);
}

/* One attempt that does not wait. EINTR: try again at once. */
static ssize_t
attempt(struct io *io)
{
    ssize_t r = io->kind == PLAIN_BLOCKS ? call_in_turn(io) : io->call(io);

    if (r >= 0)
        return r;
    if (io->kind == SOCKET && errno == ENOTSOCK) {
        learn(io, io->refused ? PLAIN_BLOCKS : NOWAIT);
        errno = EINTR;
    } else if (io->kind == NOWAIT && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) {
        refused(io);
        errno = EINTR;
    } else if (io->kind == NOWAIT && errno == EAGAIN && is_file(io->fd)) {
        learn(io, PLAIN_READY);
        errno = EINTR;
    }
    return -1;
}

static ssize_t
run(struct io *io)
{
    ssize_t r;
    int err;

    look_sometimes();
    for (;;) {
        if ((err = stint_token_err(io->token)) < 0)
            return err;
        r = attempt(io);
        if (r >= 0)
            return r;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return -errno;
        if ((err = wait_ready(io)) < 0)
            return err;
    }
}

/* ---- accept ------------------------------------------------------------------------------ */

static ssize_t
accept_now(const struct io *io)
{
    int fd = accept4(io->fd, io->from, io->from_size, SOCK_CLOEXEC);

    if (fd == -1 && (errno == ECONNABORTED || errno == EPROTO))
        errno = EINTR; /* that client has gone; the next one, please */
    return fd;
}

int
stint_accept(struct stint_token *token, int fd, struct sockaddr *from, socklen_t *size,
             int64_t abs_us)
{
    static uint32_t site;
    struct io io = {.token = token,
                    .abs_us = abs_us,
                    .fd = fd,
                    .site = &site,
                    .text = "to accept",
                    .events = POLLIN,
                    .call = accept_now,
                    .from = from,
                    .from_size = size};

    int listens = 0;
    socklen_t listens_size = sizeof(listens);

    learn(&io, PLAIN_BLOCKS);
    /* What does not listen is never ready: accept() itself would say so at once. */
    if (io.kind == PLAIN_BLOCKS &&
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) == -1)
        return -errno;
    if (io.kind == PLAIN_BLOCKS && !listens)
        return -EINVAL;
    return (int)run(&io);
}

/* ---- read -------------------------------------------------------------------------------- */

static ssize_t
read_now(const struct io *io)
{
    struct iovec v = {.iov_base = io->bytes, .iov_len = io->n};

    if (io->kind == SOCKET)
        return recv(io->fd, io->bytes, io->n, MSG_DONTWAIT);
    if (io->kind == NOWAIT)
        return preadv2(io->fd, &v, 1, -1, RWF_NOWAIT);
    return read(io->fd, io->bytes, io->n);
}

ssize_t
stint_read(struct stint_token *token, int fd, void *bytes, size_t n, int64_t abs_us)
{
    static uint32_t site;
    struct io io = {.token = token,
                    .abs_us = abs_us,
                    .fd = fd,
                    .site = &site,
                    .text = "to read",
                    .events = POLLIN,
                    .kind = __atomic_load_n(&sockets_refuse, __ATOMIC_RELAXED) ? SOCKET : NOWAIT,
                    .call = read_now,
                    .bytes = bytes,
                    .n = n};

    return run(&io);
}

/* ---- write ------------------------------------------------------------------------------- */

static ssize_t
write_now(const struct io *io)
{
    struct iovec v = {.iov_base = io->bytes, .iov_len = io->n};
    size_t part = io->n < PIPE_BUF ? io->n : PIPE_BUF; /* what a pipe that is ready has room for */

    if (io->kind == SOCKET)
        return send(io->fd, io->bytes, io->n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (io->kind == NOWAIT)
        return pwritev2(io->fd, &v, 1, -1, RWF_NOWAIT);
    return write(io->fd, io->bytes, io->kind == PLAIN_BLOCKS ? part : io->n);
}

ssize_t
stint_write(struct stint_token *token, int fd, const void *bytes, size_t n, int64_t abs_us)
{
    static uint32_t site;
    struct io io = {.token = token,
                    .abs_us = abs_us,
                    .fd = fd,
                    .site = &site,
                    .text = "to write",
                    .events = POLLOUT,
                    .call = write_now,
                    .bytes = (void *)(uintptr_t)bytes, /* write_now() only reads it */
                    .n = n};

    return run(&io);
}
