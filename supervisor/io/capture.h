/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CAPTURE_H
#define STINT_IO_CAPTURE_H

/*
 * What a worker prints, line by line. The pipes are as big as the kernel allows (1 MiB), reading is
 * non-blocking and bounded per turn: a chatty worker waits for its own pipe, never the master for it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/text.h"

struct capture;
struct error;
struct ev_loop;

#define CAPTURE_LINE_MAX  8192 /* bytes; a longer line comes in pieces */
#define CAPTURE_KEEP      20   /* lines kept for the obituary … */
#define CAPTURE_KEEP_EACH 400  /* … and the bytes kept of each */

enum capture_stream { CAPTURE_STDOUT, CAPTURE_STDERR };

enum capture_flag {
    CAPTURE_CUT = 1,       /* the line goes on: the next piece is CAPTURE_CONTINUED */
    CAPTURE_CONTINUED = 2, /* goes on where the last piece of this stream was cut */
    CAPTURE_UNENDED = 4    /* the last words: no newline before the end */
};

/* One line without its newline; any bytes, NUL among them. Not NUL-terminated. */
typedef void capture_line_fn(void *env, enum capture_stream stream, const char *bytes, size_t n,
                             unsigned flags);

/**
 * capture_open - make the two pipes and watch them.
 * @loop: borrowed; must outlive the capture
 * @env:  borrowed; handed to @on_line, which must not call capture_close()
 *
 * Return: 0 or negative errno with the sentence.
 */
int capture_open(struct ev_loop *loop, capture_line_fn *on_line, void *env, struct capture **ret,
                 struct error *reterr);

/**
 * capture_adopt - the same for pipes of a master before us, which are taken over when this succeeds.
 * @out_fd, @err_fd: read ends, non-blocking; -1 = that stream has ended
 */
int capture_adopt(struct ev_loop *loop, int out_fd, int err_fd, capture_line_fn *on_line, void *env,
                  struct capture **ret, struct error *reterr);

/* The beginning of a line, which is in this process alone, or about to be. */
struct capture_rest {
    const char *bytes; /* borrowed for the call; n of them */
    size_t n;
    bool continued;      /* as CAPTURE_CONTINUED */
    size_t taking;       /* what it ends with is still in the pipe: it begins with that many … */
    struct digest front; /* … bytes, which look like this; 0: they are out */
};

/*
 * A line is taken out of its pipe when @on_line has returned. Of one that is not whole the beginning
 * is kept in memory: @on_rest hears of it before it is taken out, so that it can be kept elsewhere,
 * too, and again when it is out. Who was killed between the two has left it to peek_skip().
 */
typedef void capture_rest_fn(void *env, enum capture_stream stream,
                             const struct capture_rest *rest);
void capture_on_rest(struct capture *c, capture_rest_fn *on_rest);
/* Before anything is read: what on_rest() heard last. Return: 0 or -ENOMEM. */
int capture_set_rest(struct capture *c, enum capture_stream stream, const char *bytes, size_t n,
                     bool continued);

/* What is put aside now; borrowed until the loop turns. */
const char *capture_rest(const struct capture *c, enum capture_stream stream, size_t *ret_n,
                         bool *ret_continued);

/* The read ends, for whoever keeps them, too; borrowed, -1 when the stream has ended. */
int capture_fd(const struct capture *c, enum capture_stream stream);

/* The write ends for spawn_start(); borrowed, -1 after capture_spawned(). */
int capture_stdout_fd(const struct capture *c);
int capture_stderr_fd(const struct capture *c);
void capture_spawned(struct capture *c); /* close the write ends here: the worker has them */

/**
 * capture_drain - the worker is dead: hand over some of what is in the pipes.
 *
 * To be called until it returns true, once a turn of the loop: a full pipe is more than a turn's
 * work. The sum is bounded by the pipes' size; a grandchild that holds them keeps nothing waiting,
 * and what it prints later still comes until capture_close().
 *
 * Return: that was all, the unended last line included.
 */
bool capture_drain(struct capture *c);

/* capture_last_lines - the newest lines of both streams, in the order they came, '\n' between. */
void capture_last_lines(const struct capture *c, struct text *out);

uint64_t capture_bytes(const struct capture *c); /* read so far, both streams */

void capture_close(struct capture *c); /* flushes an unended line first; NULL is fine */

#endif
