/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_SINK_H
#define STINT_IO_JOURNAL_SINK_H

/*
 * Whole records to where they are read, without ever waiting: lines to a descriptor, datagrams to
 * journald, all in the order in which they came. What the reader does not take is kept up to a
 * bound, what does not fit is dropped and counted. Part of the journal.
 */
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "supervisor/io/journal_native.h"
#include "supervisor/io/journal_queue.h"

enum sink_note {
    SINK_DROPPED, /* so many lines found no room */
    SINK_REPEATED /* so many bytes of what follows may have been written before */
};

struct journal_sink {
    struct ev_loop *loop; /* borrowed */
    int fd;               /* -1: none, or given up */
    int owned_fd;         /* a description of our own of the same file, or -1 */
    bool socket;
    bool restore; /* we set O_NONBLOCK on a shared description: put it back */
    bool broken;  /* nobody will ever read the lines again; datagrams may still go */
    bool started;
    struct journal_queue queue;
    struct journal_native native;
    /* A line that goes before the next of the queue, or in the place of a datagram. */
    struct text staged;
    size_t staged_at;    /* written so far */
    uint64_t staged_end; /* position in the queue behind what it stands for; 0: for nothing */
    uint64_t doubt;      /* what is before this position may have been written already */
    uint64_t written_lines, dropped_lines;
    ev_io writable;
    ev_timer retry; /* disk full and the like: try again later */
    /* Makes the record that says @note. Return: its kind; @out stays empty when there is no memory. */
    enum queue_kind (*note)(void *env, enum sink_note note, uint64_t number, struct text *out);
    void *env;
    void (*on_room)(void *room_env); /* NULL: nobody waits for room */
    void *room_env;
    bool thirsty; /* say it when three quarters are free */
};

/*
 * @s->queue is attached already, the rest is overwritten. @fd is borrowed; -1 makes a sink that
 * swallows. @doubt is of journal_queue_attach(), @socket of journal_native_init(). Ignores SIGPIPE for the process.
 * Nothing is written before journal_sink_start(). 0 or -errno.
 */
int journal_sink_init(struct journal_sink *s, struct ev_loop *loop, int fd, const char *socket,
                      uint64_t doubt);
void journal_sink_finish(struct journal_sink *s);

/* journal_sink_start - `note` and `env` are set: write what the queue has from before. */
void journal_sink_start(struct journal_sink *s);

/*
 * One record. @owner: whose it is, any number; SINK_EVENT: it matters: written at once and kept when
 * others are dropped: a quarter of the room is never given to those that are no events. In the queue
 * when this returns, or counted.
 */
#define SINK_EVENT UINT64_MAX
void journal_sink_put(struct journal_sink *s, enum queue_kind kind, const struct text *record,
                      uint64_t owner);

/*
 * Is there room for one of @bytes that is no event? An owner that has an eighth of the room in there
 * gets no more than half of it, so that one who floods leaves room to those who do not.
 */
bool journal_sink_fits(const struct journal_sink *s, size_t bytes, uint64_t owner);
void journal_sink_want_room(struct journal_sink *s);

/* Wait for the reader, at most @budget_us. */
void journal_sink_flush(struct journal_sink *s, int64_t budget_us);

/* For the sink's own two files: what waits, and one turn of writing it. */
bool journal_sink_has_work(const struct journal_sink *s);
int journal_sink_write(struct journal_sink *s); /* 0: all is written; else the errno it waits for */

#endif
