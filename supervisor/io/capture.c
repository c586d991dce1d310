/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/capture_kept.h"
#include "supervisor/io/peek.h"

#define PIPE_WANTED (1024 * 1024)
#define READ_BYTES  16384
#define TURN_READS \
    1 /* of READ_BYTES each, per stream and turn: hundreds of lines, and there may be many streams */

struct stream {
    struct capture *capture; /* borrowed: the one it is in */
    enum capture_stream name;
    ev_io io;
    int read_fd;       /* owned; -1 after EOF */
    int write_fd;      /* owned; -1 after capture_spawned() */
    size_t pipe_bytes; /* its capacity */
    size_t drained;    /* of it, since capture_drain() began */
    bool continued;    /* the line in `line` was cut before */
    size_t used;       /* bytes in `line` */
    bool told;         /* on_rest() was given something: it has to hear of the end of it */
    char *line;        /* owned; what came without a newline yet: CAPTURE_LINE_MAX bytes, or NULL */
};

struct capture {
    struct ev_loop *loop; /* borrowed */
    capture_line_fn *on_line;
    capture_rest_fn *on_rest; /* NULL = nobody keeps it */
    void *env;                /* borrowed */
    uint64_t bytes;           /* read, both streams */
    struct capture_kept kept; /* the newest lines */
    struct stream streams[2]; /* indexed by enum capture_stream */
};

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

/* append - put aside; a piece goes out only when a further byte of the same line needs its room. */
static void
append(struct stream *s, const char *bytes, size_t n)
{
    if (!s->line && n > 0)
        s->line = malloc(CAPTURE_LINE_MAX);
    if (!s->line &&
        n > 0) { /* nothing to put it aside in: it goes out in pieces, but it goes out */
        emit(s, bytes, n, CAPTURE_CUT | (s->continued ? CAPTURE_CONTINUED : 0u));
        s->continued = true;
        return;
    }
    while (n > 0) {
        size_t part = CAPTURE_LINE_MAX - s->used;

        if (part == 0) {
            emit_line(s, CAPTURE_CUT);
            s->continued = true;
            part = CAPTURE_LINE_MAX;
        }
        if (part > n)
            part = n;
        memcpy(s->line + s->used, bytes, part);
        s->used += part;
        bytes += part;
        n -= part;
    }
}

static void
feed(struct stream *s, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t line = newline ? (size_t)(newline - bytes) : n;

        if (newline && s->used == 0 && line <= CAPTURE_LINE_MAX) {
            emit(s, bytes, line, 0); /* the common case: a whole line at once, not copied */
        } else {
            append(s, bytes, line);
            if (newline)
                emit_line(s, 0);
        }
        if (newline)
            line++;
        bytes += line;
        n -= line;
    }
}

/* What is put aside is about to be in this process alone: @taking bytes of the pipe, or 0. */
static void
tell_rest(struct stream *s, const char *front, size_t taking)
{
    struct capture_rest rest = {
        s->line, s->used, s->continued, taking, {0, 0}
    };

    if (taking > 0)
        rest.front = digest_of(front, taking);
    s->capture->on_rest(s->capture->env, s->name, &rest);
    s->told = s->used > 0;
}

static void
flush(struct stream *s)
{
    if (s->used > 0)
        emit_line(s, CAPTURE_UNENDED);
    if (s->told && s->capture->on_rest)
        tell_rest(s, NULL, 0);
}

static void
stream_stop(struct stream *s)
{
    if (s->read_fd == -1)
        return;
    ev_io_stop(s->capture->loop, &s->io);
    s->read_fd = fd_close(s->read_fd);
    flush(s);
}

/*
 * stream_read - at most @most bytes, give or take a buffer; less when the pipe is empty.
 * Return: whether it is (for now).
 */
static bool
stream_read(struct stream *s, size_t most)
{
    char buffer[READ_BYTES];
    size_t done = 0;
    bool rest;

    while (s->read_fd != -1 && done < most) {
        ssize_t n = peek_pipe(s->read_fd, buffer, sizeof buffer);

        if (n == -EAGAIN)
            return true;
        if (n <= 0) { /* EOF; a pipe has no other errors that could go away */
            stream_stop(s);
            return true;
        }
        done += (size_t)n;
        s->capture->bytes += (uint64_t)n;
        feed(s, buffer, (size_t)n);
        rest = s->capture->on_rest && (s->used > 0 || s->told);
        if (rest)
            tell_rest(s, buffer, (size_t)n);
        if (peek_take(s->read_fd, (size_t)n) < 0)
            stream_stop(s); /* it would be told again and again */
        else if (rest)
            tell_rest(s, NULL, 0);
    }
    return s->read_fd == -1;
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    (void)stream_read(container_of(io, struct stream, io), (size_t)READ_BYTES * TURN_READS);
}

static void
stream_watch(struct stream *s, int fd)
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
    stream_watch(s, s->read_fd);
    return 0;
}

static struct capture *
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
capture_adopt(struct ev_loop *loop, int out_fd, int err_fd, capture_line_fn *on_line, void *env,
              struct capture **ret, struct error *reterr)
{
    struct capture *c = capture_create(loop, on_line, env);
    const int fds[] = {out_fd, err_fd};

    if (!c)
        return error_set(reterr, -ENOMEM, "capture a worker's output");
    for (size_t i = 0; i < ARRAY_LEN(c->streams); i++)
        if (fds[i] >= 0)
            stream_watch(&c->streams[i], fds[i]);
    *ret = c;
    return 0;
}

void
capture_on_rest(struct capture *c, capture_rest_fn *on_rest)
{
    c->on_rest = on_rest;
}

int
capture_set_rest(struct capture *c, enum capture_stream stream, const char *bytes, size_t n,
                 bool continued)
{
    struct stream *s = &c->streams[stream];

    if (n > CAPTURE_LINE_MAX)
        n = CAPTURE_LINE_MAX;
    s->line = malloc(CAPTURE_LINE_MAX);
    if (!s->line)
        return -ENOMEM;
    memcpy(s->line, bytes, n);
    s->used = n;
    s->continued = continued;
    s->told = true;
    return 0;
}

const char *
capture_rest(const struct capture *c, enum capture_stream stream, size_t *ret_n,
             bool *ret_continued)
{
    const struct stream *s = &c->streams[stream];

    *ret_n = s->used;
    *ret_continued = s->continued;
    return s->line;
}

int
capture_fd(const struct capture *c, enum capture_stream stream)
{
    return c->streams[stream].read_fd;
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
    const size_t most = (size_t)READ_BYTES * TURN_READS;

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
