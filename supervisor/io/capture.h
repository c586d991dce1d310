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

#include "base/text.h"

struct capture;
struct error;
struct ev_loop;

#define CAPTURE_LINE_MAX 8192 /* bytes; a longer line comes in pieces */
/* The largest piece that is taken out of a pipe at once; half of the buffer of a log file as it is by default: its
 * writer is at one piece while the next is looked at, where one that fills it all would have each wait for the other. */
#define CAPTURE_READ_BYTES ((size_t)128 << 10)
/* … and the largest that any program before this one took: it may have told so much and not taken it out. */
#define CAPTURE_TOLD_BYTES ((size_t)256 << 10)
#define CAPTURE_TURN_LINES 4096 /* … and the most lines of it */
#define CAPTURE_KEEP       20   /* lines kept for the obituary … */
#define CAPTURE_KEEP_EACH  400  /* … and the bytes kept of each */

enum capture_stream { CAPTURE_STDOUT, CAPTURE_STDERR };

enum capture_flag {
    CAPTURE_CUT = 1,       /* the line goes on: the next piece is CAPTURE_CONTINUED */
    CAPTURE_CONTINUED = 2, /* goes on where the last piece of this stream was cut */
    CAPTURE_UNENDED = 4,   /* the last words: no newline before the end */
    CAPTURE_AGAIN = 8      /* the process before us may have told it: see capture_adopt() */
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
 *
 * Lines that stand at the head of a pipe may have been told already: they are CAPTURE_AGAIN.
 */
int capture_adopt(struct ev_loop *loop, int out_fd, int err_fd, capture_line_fn *on_line, void *env,
                  struct capture **ret, struct error *reterr);

/*
 * A line is taken out of its pipe when @on_line has returned. Of one that is not whole the beginning
 * is kept in memory: on_rest() hears of it before it is taken out, with the whole piece of the pipe
 * that is about to be, so that it can be kept elsewhere, too; on_taken() hears when that is done.
 * Somebody killed in between leaves the piece in the pipe or not: that can be seen.
 */
struct capture_rest {
    const char *bytes; /* put aside; borrowed for the call, like the piece */
    size_t n;
    bool continued;
    const char *piece; /* NULL: nothing is taken out */
    size_t piece_n;
};

struct capture_keeper {
    /*
     * Is there room for a line or piece of @n bytes? False: its stream waits in the pipe until
     * capture_resume(). NULL: there always is. Not asked for the last words of a stream.
     */
    bool (*has_room)(void *env, size_t n);
    /* Lines of this stream are told from here on; false: and are out of their pipe. NULL is fine. */
    void (*on_telling)(void *env, enum capture_stream stream, bool begins);
    void (*on_rest)(void *env, enum capture_stream stream, const struct capture_rest *rest);
    void (*on_taken)(void *env, enum capture_stream stream);
    /*
     * Instead of on_line() and has_room(), where many come at once: @n bytes of whole lines, each with its
     * newline, none of them told before. NULL: one by one.
     * @lines: at most so many are taken, and taken off
     *
     * Return: bytes that were taken, whole lines; 0: the first of them has to go the other way.
     */
    size_t (*on_lines)(void *env, enum capture_stream stream, const char *bytes, size_t n,
                       unsigned *lines);
};
void capture_kept_by(struct capture *c, const struct capture_keeper *keeper);
/* capture_resume - ask has_room() again; from the loop, or from within has_room(). */
void capture_resume(struct capture *c);
bool capture_waits(const struct capture *c); /* for that */
/* It is known that nothing in the pipe was told before: no line will be CAPTURE_AGAIN. */
void capture_none_again(struct capture *c, enum capture_stream stream);
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
 * Return: that was all, the unended last line included. While capture_waits() it is never all.
 */
bool capture_drain(struct capture *c);

/* capture_last_lines - the newest lines of both streams, in the order they came, '\n' between. */
void capture_last_lines(const struct capture *c, struct text *out);

uint64_t capture_bytes(const struct capture *c); /* read so far, both streams */

void capture_close(struct capture *c); /* flushes an unended line first; NULL is fine */

#endif
