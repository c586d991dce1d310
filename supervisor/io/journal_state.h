/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_STATE_H
#define STINT_IO_JOURNAL_STATE_H

/* The inside of the journal, for its own files: journal.c takes, journal_keep.c keeps, journal_read.c reads. */
#include "base/list.h"
#include "base/table.h"
#include "base/text.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/journal_memory.h"
#include "supervisor/io/journal_ring.h"
#include "supervisor/io/journal_sink.h"

/* The kept output of one service. */
struct output {
    struct list node; /* in journal.outputs */
    struct table_node by_name;
    char service[65];
    struct journal_ring ring;
};

/* Lines that are in journal.recent and not in the ring of their output yet: numbers @first to @last. */
struct journal_late {
    struct output *output; /* NULL: there are none */
    uint64_t first, last;
};

struct journal {
    enum log_format format;
    enum log_level level;
    uint64_t told;    /* as memory.header->telling was when we came … */
    uint64_t untold;  /* … and is still to be told; TELLS_NOBODY: it was */
    bool again_begun; /* it is being told now */
    bool here;        /* the descriptor is journald's: LOG_AUTO means datagrams */
    struct journal_memory memory;
    struct journal_sink sink;
    struct journal_ring events;       /* in the memory */
    struct journal_ring recent;       /* in the memory: output of all, to fill the outputs from */
    uint64_t last_event, last_output; /* numbers given; output has one row for all services */
    struct list outputs;              /* struct output.node */
    struct table outputs_by_name;
    struct output *newest; /* who printed last, most likely the next, too; NULL: nobody */
    unsigned n_outputs;
    struct journal_late late;
    struct journal_late *settles; /* … which whoever reads an output settles */
    uint64_t
        changes; /* of the kept output, from 1: what was noted of its rings before is not right any more */
    struct list watches;      /* struct journal_watch.node */
    struct text line, record; /* scratch: as logged, as kept; the memory is kept too */
    struct text show;
    struct text *shown; /* … the line that is read, there */
};

struct output *journal_output_find(const struct journal *j, const char *service); /* or NULL */

/* A line of output, as people get it. */
struct journal_entry journal_show(const struct journal *j, const struct journal_ring *ring,
                                  const struct journal_slot *s);

struct output *journal_output_make(struct journal *j, const char *service); /* NULL: no place */

/* ---- journal_keep.c, journal_keep_lines.c: what `stint events` and `stint logs` show */

/* Take what is in the memory. Return: 0; -EBADMSG: some of it was unusable and is forgotten. */
int journal_keep_attach(struct journal *j);
void journal_keep_finish(struct journal *j);

/* j->record under the number after the last one. */
void journal_keep_event(struct journal *j, const struct journal_line *l);

/* … and lines of output under those after the last one. They are one line each, at most JOURNAL_LINE_BYTES. */
void journal_keep_output(struct journal *j, const struct journal_origin *from,
                         const struct journal_text *lines, size_t n);
/*
 * What an output has not got yet: before one is read, and before anything else is kept. Most of a flood is displaced
 * by more of it before somebody looks, so it is spared the way there.
 */
void journal_settle(const struct journal *j);
/* … of which so many at once are all still there when somebody who follows is woken. */
size_t journal_keep_portion(const struct journal_text *lines, size_t n);

#endif
