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

/*
 * Who writes line by line would wake this process for each of them, which costs many times what reading
 * them does. So after some of them in a row their pipe is looked at once in a while, until it is empty,
 * or fuller than it should be then. Whoever prints now and then is read at once.
 */
#define PAUSE_S     0.001
#define SMALL_BYTES 4096
#define SMALL_READS 8

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
        capture_emit_rest(s, CAPTURE_UNENDED | (s->again_rest ? CAPTURE_AGAIN : 0u));
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
    ev_timer_stop(s->capture->loop, &s->pause);
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
 * stream_read - a piece of what is in the pipe; @all: and more of it, but not of whoever goes on and on.
 * Return: whether it is empty (for now), as far as that was seen.
 */
static bool
stream_read(struct stream *s, bool all)
{
    static char buffer[CAPTURE_READ_BYTES]; /* one thread */
    unsigned lines = CAPTURE_TURN_LINES;
    size_t done = 0, most = capture_piece(s);

    while (s->read_fd != -1 && !s->waits && lines > 0 && (done == 0 || (all && done < most))) {
        ssize_t n = peek_pipe(s->read_fd, buffer, most);
        size_t taken;

        if (n == -EAGAIN)
            return true;
        if (n <= 0) { /* EOF; a pipe has no other errors that could go away */
            stream_stop(s);
            return true;
        }
        tell(s, true);
        taken = capture_feed(s, buffer, (size_t)n, &lines);
        capture_piece_done(s, (size_t)n, taken, lines == 0);
        if (s->waits) {
            ev_io_stop(s->capture->loop, &s->io);
            ev_timer_stop(s->capture->loop, &s->pause);
        }
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
    struct stream *s = container_of(io, struct stream, io);
    uint64_t before = s->capture->bytes;
    bool soon = ev_now(EV_A) - s->read_at < PAUSE_S;

    (void)revents;
    s->read_at = ev_now(EV_A);
    (void)stream_read(s, false);
    s->small = soon && s->capture->bytes - before < SMALL_BYTES ? s->small + 1 : 0;
    if (s->small < SMALL_READS || s->read_fd == -1 || s->waits)
        return;
    ev_io_stop(EV_A_ io);
    ev_timer_set(&s->pause, PAUSE_S, PAUSE_S);
    ev_timer_start(EV_A_ & s->pause);
}

static void
on_pause_over(EV_P_ ev_timer *pause, int revents)
{
    struct stream *s = container_of(pause, struct stream, pause);
    uint64_t before = s->capture->bytes;
    bool empty = stream_read(s, false);

    (void)revents;
    if (s->read_fd == -1 || s->waits || (!empty && s->capture->bytes - before < s->pipe_bytes / 2))
        return;
    ev_timer_stop(EV_A_ pause);
    s->small = 0;
    ev_io_start(EV_A_ & s->io);
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
        ev_init(&s->pause, on_pause_over);
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
    uint64_t before = s->capture->bytes;
    bool empty;

    if (s->waits)
        return false;
    if (s->drained >= s->pipe_bytes) /* the other one is not done yet */
        return true;
    empty = stream_read(s, true);
    s->drained += (size_t)(s->capture->bytes - before);
    return empty || s->drained >= s->pipe_bytes;
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
