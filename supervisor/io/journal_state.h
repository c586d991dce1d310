/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_STATE_H
#define STINT_IO_JOURNAL_STATE_H

/* The inside of the journal, for its own two files: journal.c writes, journal_read.c reads. */
#include "base/list.h"
#include "base/text.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/journal_ring.h"
#include "supervisor/io/journal_sink.h"

/* The kept output of one service. */
struct output {
    struct list node; /* in journal.outputs */
    char service[65];
    struct journal_ring ring;
};

struct journal {
    enum log_format format;
    enum log_level level;
    struct journal_sink sink;
    struct journal_ring events;
    uint64_t last_event, last_output; /* numbers given; output has one row for all services */
    struct list outputs;              /* struct output.node */
    unsigned n_outputs;
    struct list watches;      /* struct journal_watch.node */
    struct text line, record; /* scratch: as logged, as kept; the memory is kept too */
};

struct output *journal_output_find(const struct journal *j, const char *service); /* or NULL */

#endif
