/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CAPTURE_INTERNAL_H
#define STINT_IO_CAPTURE_INTERNAL_H

/* What capture.c (reading) and capture_adopt.c (going on where another process was) share. */
#include <ev.h>

#include "supervisor/io/capture.h"
#include "supervisor/io/capture_kept.h"

struct stream {
    struct capture *capture; /* borrowed: the one it is in */
    enum capture_stream name;
    ev_io io;
    ev_timer pause;    /* instead of it, for a while: it comes line by line */
    double read_at;    /* when it was readable, of the loop's clock, seconds; not from a pause */
    unsigned small;    /* of these reads in a row: little, and soon after one another */
    int read_fd;       /* owned; -1 after EOF */
    int write_fd;      /* owned; -1 after capture_spawned() */
    size_t pipe_bytes; /* its capacity */
    size_t piece;      /* bytes to be looked at in a turn; see capture_piece() */
    size_t drained;    /* of it, since capture_drain() began */
    bool continued;    /* the line in `line` was cut before */
    size_t used;       /* bytes in `line` */
    bool waits;        /* for room: not read until capture_resume() */
    bool told;         /* on_rest() was given something: it has to hear of the end of it */
    size_t again;      /* bytes at the head of the pipe that the process before may have told */
    bool again_rest;   /* … and it may have told what is in `line` */
    char *line;        /* owned; what came without a newline yet: CAPTURE_LINE_MAX bytes, or NULL */
};

struct capture {
    struct ev_loop *loop; /* borrowed */
    capture_line_fn *on_line;
    const struct capture_keeper *keeper; /* borrowed; NULL = nobody keeps it */
    void *env;                           /* borrowed */
    uint64_t bytes;                      /* read, both streams */
    struct capture_kept kept;            /* the newest lines */
    struct stream streams[2];            /* indexed by enum capture_stream */
};

/* capture_create - with both streams ended. NULL: no memory */
struct capture *capture_create(struct ev_loop *loop, capture_line_fn *on_line, void *env);
void capture_watch(struct stream *s, int fd); /* takes the read end over */

/* ---- capture_lines.c */

/* capture_piece - bytes to look at now. */
size_t capture_piece(const struct stream *s);
/* … of which @seen were there, and @taken were taken. */
void capture_piece_done(struct stream *s, size_t seen, size_t taken, bool out_of_lines);

/*
 * capture_feed - tell the lines of a piece. @lines: at most so many, and taken off
 *
 * Return: how much of it was taken; less than @n: there is no room for more now, this is enough for a turn,
 * or the rest is the beginning of a line, which can stay where it is.
 */
size_t capture_feed(struct stream *s, const char *bytes, size_t n, unsigned *lines);

/* capture_emit_rest - what was put aside is told: its end has come, or its place is needed. */
void capture_emit_rest(struct stream *s, unsigned flags);

#endif
