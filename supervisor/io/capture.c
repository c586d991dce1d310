/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/capture_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/forget.h"
#include "supervisor/io/peek.h"

#define PIPE_WANTED (1024 * 1024)
#define TURN_READS \
    1 /* of CAPTURE_READ_BYTES each, per stream and turn: hundreds of lines, and there may be many streams */

static void
emit(struct stream *s, const char *bytes, size_t n, unsigned flags)
{
    struct capture *c = s->capture;

    if (!(flags & CAPTURE_CONTINUED)) /* of a long line its beginning is kept */
        capture_keep(&c->kept, bytes, n);
    c->on_line(c->env, s->name, bytes, n, flags);
}

/* emit_line - the end of a line has come: what was put aside, then @bytes. */
static void
emit_line(struct stream *s, unsigned flags)
{
    size_t n = s->used;

    if (s->continued)
        flags |= CAPTURE_CONTINUED;
    s->used = 0;
    s->continued = false;
    emit(s, s->line, n, flags);
}

static bool
has_room(struct stream *s, size_t n)
{
    struct capture *c = s->capture;

    s->waits = c->keeper && c->keeper->has_room && !c->keeper->has_room(c->env, n);
    return !s->waits;
}

/* A piece goes out only when a further byte of the same line needs its room. */
static bool
make_place(struct stream *s)
{
    if (s->used < CAPTURE_LINE_MAX)
        return true;
    if (!has_room(s, s->used))
        return false;
    emit_line(s, CAPTURE_CUT);
    s->continued = true;
    return true;
}

/*
 * What there is of a line, at most up to its newline: put aside, and told when it ends with @newline.
 * Return: bytes that were taken, the newline not counted; less than @n: there may be no room.
 */
static size_t
take_part(struct stream *s, const char *bytes, size_t n, bool newline, unsigned again)
{
    size_t part;

    if (!s->line && n > 0)
        s->line = malloc(CAPTURE_LINE_MAX);
    if (!s->line &&
        n > 0) { /* nothing to put it aside in: it goes out in pieces, but it goes out */
        emit(s, bytes, n, CAPTURE_CUT | (s->continued ? CAPTURE_CONTINUED : 0u));
        s->continued = true;
        part = n;
    } else {
        if (n > 0 && !make_place(s))
            return 0;
        part = CAPTURE_LINE_MAX - s->used;
        if (part > n)
            part = n;
        if (part > 0)
            memcpy(s->line + s->used, bytes, part);
        s->used += part;
    }
    if (!newline || part < n)
        return part;
    if (!has_room(s, s->used)) {
        s->used -= s->line ? part : 0;
        return 0;
    }
    emit_line(s, again);
    return part;
}

/* Return: how much of it was taken; less than @n: there is no room for more now. */
static size_t
feed(struct stream *s, const char *bytes, size_t n)
{
    size_t taken = 0;

    while (taken < n) {
        const char *at = bytes + taken, *newline = memchr(at, '\n', n - taken);
        size_t line = newline ? (size_t)(newline - at) : n - taken, part = line;
        unsigned again = newline && s->again > line ? CAPTURE_AGAIN : 0u;

        if (newline && s->used == 0 && !s->continued && line <= CAPTURE_LINE_MAX) {
            if (!has_room(s, line))
                break;
            emit(s, at, line, again); /* the common case: a whole line at once, not copied */
        } else {
            part = take_part(s, at, line, newline != NULL, again);
        }
        if (newline && part == line && !s->waits)
            part++;
        s->again -= s->again < part ? s->again : part;
        s->again_rest = false;
        taken += part;
        if (s->waits)
            break;
    }
    return taken;
}

/* What is put aside is about to be in this process alone. Return: somebody keeps it, too. */
static bool
tell_rest(struct stream *s, const char *piece, size_t n)
{
    struct capture *c = s->capture;
    const struct capture_rest rest = {s->line, s->used, s->continued, piece, n};
    bool tell = c->keeper && (s->used > 0 || s->told);

    if (tell)
        c->keeper->on_rest(c->env, s->name, &rest);
    s->told = s->used > 0;
    return tell;
}

static int
take_out(struct stream *s, const char *piece, size_t n)
{
    bool told = tell_rest(s, piece, n);
    int r = peek_take(s->read_fd, n);

    if (told)
        s->capture->keeper->on_taken(s->capture->env, s->name);
    return r;
}

static void
flush(struct stream *s)
{
    if (s->used > 0)
        emit_line(s, CAPTURE_UNENDED | (s->again_rest ? CAPTURE_AGAIN : 0u));
    s->again_rest = false;
    if (s->told)
        (void)tell_rest(s, NULL, 0);
}

static void
stream_stop(struct stream *s)
{
    if (s->read_fd == -1)
        return;
    forget_io(s->capture->loop, &s->io);
    s->read_fd = fd_close(s->read_fd);
    flush(s);
}

static void
tell(const struct stream *s, bool begins)
{
    const struct capture *c = s->capture;

    if (c->keeper && c->keeper->on_telling)
        c->keeper->on_telling(c->env, s->name, begins);
}

/*
 * stream_read - at most @most bytes, give or take a buffer; less when the pipe is empty.
 * Return: whether it is (for now).
 */
static bool
stream_read(struct stream *s, size_t most)
{
    char buffer[CAPTURE_READ_BYTES];
    size_t done = 0;

    while (s->read_fd != -1 && !s->waits && done < most) {
        ssize_t n = peek_pipe(s->read_fd, buffer, sizeof buffer);
        size_t taken;

        if (n == -EAGAIN)
            return true;
        if (n <= 0) { /* EOF; a pipe has no other errors that could go away */
            stream_stop(s);
            return true;
        }
        tell(s, true);
        taken = feed(s, buffer, (size_t)n);
        if (s->waits)
            ev_io_stop(s->capture->loop, &s->io);
        if (taken == 0) {
            tell(s, false);
            return false;
        }
        done += taken;
        s->capture->bytes += taken;
        EDGE("lines-told");
        if (take_out(s, buffer, taken) < 0)
            stream_stop(s); /* it would be told again and again */
        tell(s, false);
    }
    return s->read_fd == -1;
}

void
capture_resume(struct capture *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++) {
        struct stream *s = &c->streams[i];

        if (!s->waits)
            continue;
        s->waits = false;
        if (s->read_fd != -1)
            ev_io_start(c->loop, &s->io);
    }
}

bool
capture_waits(const struct capture *c)
{
    return c->streams[CAPTURE_STDOUT].waits || c->streams[CAPTURE_STDERR].waits;
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    (void)stream_read(container_of(io, struct stream, io), (size_t)CAPTURE_READ_BYTES * TURN_READS);
}

void
capture_watch(struct stream *s, int fd)
{
    int bytes = fcntl(fd, F_GETPIPE_SZ);

    s->read_fd = fd;
    s->pipe_bytes = bytes > 0 ? (size_t)bytes : 65536;
    ev_io_set(&s->io, fd, EV_READ);
    ev_io_start(s->capture->loop, &s->io);
}

static int
stream_open(struct stream *s, struct error *reterr)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return error_set(reterr, -errno, "make a pipe for a worker's output");
    s->read_fd = ends[0];
    s->write_fd = ends[1];
    if (fd_nonblock(s->read_fd) < 0) /* ours only: a worker expects its stdout to block */
        return error_set(reterr, -errno, "make a pipe for a worker's output");
    (void)fcntl(s->write_fd, F_SETPIPE_SZ, PIPE_WANTED); /* past a user's share: then it is small */
    capture_watch(s, s->read_fd);
    return 0;
}

struct capture *
capture_create(struct ev_loop *loop, capture_line_fn *on_line, void *env)
{
    struct capture *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->loop = loop;
    c->on_line = on_line;
    c->env = env;
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++) {
        struct stream *s = &c->streams[i];

        s->capture = c;
        s->name = (enum capture_stream)i;
        s->read_fd = s->write_fd = -1;
        ev_io_init(&s->io, on_readable, -1, EV_READ);
    }
    return c;
}

int
capture_open(struct ev_loop *loop, capture_line_fn *on_line, void *env, struct capture **ret,
             struct error *reterr)
{
    struct capture *c = capture_create(loop, on_line, env);
    int r;

    if (!c)
        return error_set(reterr, -ENOMEM, "capture a worker's output");
    r = stream_open(&c->streams[CAPTURE_STDOUT], reterr);
    if (r == 0)
        r = stream_open(&c->streams[CAPTURE_STDERR], reterr);
    if (r < 0) {
        capture_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

int
capture_stdout_fd(const struct capture *c)
{
    return c->streams[CAPTURE_STDOUT].write_fd;
}

int
capture_stderr_fd(const struct capture *c)
{
    return c->streams[CAPTURE_STDERR].write_fd;
}

void
capture_spawned(struct capture *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        c->streams[i].write_fd = fd_close(c->streams[i].write_fd);
}

static bool
stream_drain(struct stream *s)
{
    const size_t most = (size_t)CAPTURE_READ_BYTES * TURN_READS;

    if (s->waits)
        return false;
    if (s->drained >= s->pipe_bytes) /* the other one is not done yet */
        return true;
    s->drained += most;
    return stream_read(s, most) || s->drained >= s->pipe_bytes;
}

bool
capture_drain(struct capture *c)
{
    bool all = true;

    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        all = stream_drain(&c->streams[i]) && all;
    for (size_t i = 0; all && i < ARRAY_LEN(c->streams); i++) {
        flush(&c->streams[i]);
        c->streams[i].drained = 0;
    }
    return all;
}

void
capture_last_lines(const struct capture *c, struct text *out)
{
    capture_kept_text(&c->kept, out);
}

uint64_t
capture_bytes(const struct capture *c)
{
    return c->bytes;
}

void
capture_close(struct capture *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        stream_stop(&c->streams[i]);
    capture_spawned(c);
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        free(c->streams[i].line);
    capture_kept_finish(&c->kept);
    free(c);
}
