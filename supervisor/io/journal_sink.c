/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"

#define RETRY_S      1.0
#define MARKER_BYTES 256 /* the line that says how many were dropped */

/*
 * O_NONBLOCK belongs to the open file description, which stderr shares with the shell that started
 * us. So pipes and terminals are opened once more for ourselves; a socket needs no flag at all.
 */
static int
sink_open(struct journal_sink *s, int fd)
{
    char path[64];
    struct stat st;
    int flags;

    if (fstat(fd, &st) == -1)
        return -errno;
    s->fd = fd;
    s->socket = S_ISSOCK(st.st_mode);
    if (s->socket || S_ISREG(st.st_mode))
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    s->owned_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (s->owned_fd >= 0) {
        s->fd = s->owned_fd;
        return 0;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags == -1)
        return -errno;
    s->restore = !(flags & O_NONBLOCK);
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ? -errno : 0;
}

static void
sink_break(struct journal_sink *s)
{
    s->broken = true;
    s->bytes = 0;
    s->head = 0;
    ev_io_stop(s->loop, &s->writable);
    ev_timer_stop(s->loop, &s->retry);
}

static ssize_t
sink_push(const struct journal_sink *s)
{
    size_t first = s->room - s->head < s->bytes ? s->room - s->head : s->bytes;
    struct iovec part[2] = {
        {s->data + s->head, first           },
        {s->data,           s->bytes - first}
    };
    struct msghdr msg = {.msg_iov = part, .msg_iovlen = s->bytes > first ? 2 : 1};

    if (s->socket)
        return sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    return writev(s->fd, part, (int)msg.msg_iovlen);
}

static void append(struct journal_sink *s, const char *line, size_t bytes);

static void
append_marker(struct journal_sink *s)
{
    char line[MARKER_BYTES];
    size_t bytes = s->marker(s->env, s->dropped_now, line, sizeof(line));

    s->dropped_now = 0;
    append(s, line, bytes);
}

/* One write; what remains waits for the loop. Return: 0, or the errno that made it wait. */
static int
sink_write(struct journal_sink *s)
{
    ssize_t n;

    do
        n = sink_push(s);
    while (n == -1 && errno == EINTR);
    if (n >= 0) {
        s->head = (s->head + (size_t)n) % s->room;
        s->bytes -= (size_t)n;
        if (s->bytes == 0)
            s->head = 0; /* a log that is read stays within its first pages */
        return s->bytes > 0 ? EAGAIN : 0;
    }
    if (errno == EAGAIN || errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == ENOBUFS)
        return errno;
    sink_break(s);
    return EPIPE;
}

static void
sink_turn(struct journal_sink *s)
{
    int why = s->bytes > 0 ? sink_write(s) : 0;

    if (s->broken)
        return;
    if (why == 0 && s->dropped_now > 0) {
        append_marker(s);
        why = sink_write(s);
    }
    if (s->broken)
        return;
    if (why == 0 || why == EAGAIN) {
        if (why)
            ev_io_start(s->loop, &s->writable);
        else
            ev_io_stop(s->loop, &s->writable);
        return;
    }
    ev_io_stop(s->loop, &s->writable);
    if (!ev_is_active(&s->retry)) {
        ev_timer_set(&s->retry, RETRY_S, 0.);
        ev_timer_start(s->loop, &s->retry);
    }
}

static void
on_writable(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    sink_turn(io->data);
}

static void
on_retry(EV_P_ ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    sink_turn(timer->data);
}

int
journal_sink_init(struct journal_sink *s, struct ev_loop *loop, int fd, size_t room)
{
    int r;

    *s = (struct journal_sink){.loop = loop, .fd = -1, .owned_fd = -1, .room = room};
    ev_timer_init(&s->retry, on_retry, RETRY_S, 0.);
    ev_io_init(&s->writable, on_writable, 0, EV_WRITE);
    s->retry.data = s->writable.data = s;
    s->broken = fd < 0;
    if (fd < 0)
        return 0;
    s->data = malloc(room);
    if (!s->data)
        return -ENOMEM;
    r = sink_open(s, fd);
    if (r < 0) {
        journal_sink_finish(s);
        return r;
    }
    ev_io_set(&s->writable, s->fd, EV_WRITE);
    (void)signal(SIGPIPE, SIG_IGN); /* a log nobody reads is no reason to die; cannot fail */
    return 0;
}

void
journal_sink_finish(struct journal_sink *s)
{
    if (!s->broken && s->bytes > 0)
        (void)sink_write(s);
    ev_io_stop(s->loop, &s->writable);
    ev_timer_stop(s->loop, &s->retry);
    if (s->restore) {
        int flags = fcntl(s->fd, F_GETFL);

        if (flags != -1)
            (void)fcntl(s->fd, F_SETFL, flags & ~O_NONBLOCK); /* best effort on the way out */
    }
    s->owned_fd = fd_close(s->owned_fd);
    s->fd = -1;
    free(s->data);
    s->data = NULL;
}

static void
append(struct journal_sink *s, const char *line, size_t bytes)
{
    size_t tail = (s->head + s->bytes) % s->room;
    size_t first = s->room - tail < bytes ? s->room - tail : bytes;

    memcpy(s->data + tail, line, first);
    memcpy(s->data, line + first, bytes - first);
    s->bytes += bytes;
    s->written_lines++;
}

/*
 * A worker that floods its output must not push out what happened to it. And once lines were dropped,
 * further output waits for another quarter of the room: one gap is better than a torn text.
 */
static bool
has_room(const struct journal_sink *s, size_t bytes, bool event)
{
    size_t marker = s->dropped_now > 0 ? MARKER_BYTES : 0;
    size_t spare = event ? marker : s->dropped_now > 0 ? s->room / 2 : s->room / 4;

    return s->bytes + bytes + spare <= s->room;
}

void
journal_sink_line(struct journal_sink *s, const char *line, size_t bytes, bool event)
{
    if (s->broken)
        return;
    if (!has_room(s, bytes, event)) {
        s->dropped_lines++;
        s->dropped_now++;
        return;
    }
    if (s->dropped_now > 0)
        append_marker(s);
    append(s, line, bytes);
    if (ev_is_active(&s->writable) || ev_is_active(&s->retry))
        return; /* the reader is slow: its turn comes with the loop */
    if (event)
        sink_turn(s);
    else
        ev_io_start(s->loop, &s->writable);
}

void
journal_sink_flush(struct journal_sink *s, int64_t budget_us)
{
    int64_t end_us = mono_now_us() + budget_us;

    while (!s->broken && s->bytes > 0) {
        struct pollfd p = {.fd = s->fd, .events = POLLOUT};
        int64_t left_us = end_us - mono_now_us();

        if (sink_write(s) == 0 || s->broken || left_us <= 0)
            return;
        if (poll(&p, 1, (int)(left_us / US_PER_MS) + 1) == -1 && errno != EINTR)
            return;
    }
}
