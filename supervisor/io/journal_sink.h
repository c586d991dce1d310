/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_SINK_H
#define STINT_IO_JOURNAL_SINK_H

/*
 * Whole lines to a descriptor without ever waiting: what the reader does not take is kept up to a
 * bound, what does not fit is dropped and counted. Part of the journal.
 */
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_sink {
    struct ev_loop *loop; /* borrowed */
    int fd;               /* -1: none, or given up */
    int owned_fd;         /* a description of our own of the same file, or -1 */
    bool socket;
    bool restore; /* we set O_NONBLOCK on a shared description: put it back */
    bool broken;  /* nobody will ever read again */
    char *data;   /* owned; circular, `room` bytes */
    size_t room, head, bytes;
    uint64_t written_lines, dropped_lines;
    uint64_t dropped_now; /* since the last marker */
    ev_io writable;
    ev_timer retry; /* disk full and the like: try again later */
    /* Makes the line that says how many were dropped. Return: its bytes, in @buf. */
    size_t (*marker)(void *env, uint64_t lines, char *buf, size_t room);
    void *env;
};

/* @fd is borrowed; -1 makes a sink that swallows. Ignores SIGPIPE for the process. 0 or -errno. */
int journal_sink_init(struct journal_sink *s, struct ev_loop *loop, int fd, size_t room);
void journal_sink_finish(struct journal_sink *s);

/*
 * @line ends in a newline. @event: it matters: written at once, so that a crash loses nothing, and
 * kept when others are dropped: a quarter of the room is never given to those that are no events.
 */
void journal_sink_line(struct journal_sink *s, const char *line, size_t bytes, bool event);

/* Wait for the reader, at most @budget_us. */
void journal_sink_flush(struct journal_sink *s, int64_t budget_us);

#endif
