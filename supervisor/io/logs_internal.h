/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOGS_INTERNAL_H
#define STINT_IO_LOGS_INTERNAL_H

/* What logs.c (whose lines go where) and logs_line.c (one line, and pressure) share. */
#include <ev.h>

#include "base/table.h"
#include "base/text.h"
#include "supervisor/io/lint.h"
#include "supervisor/io/lint_memory.h"
#include "supervisor/io/logs.h"
#include "supervisor/io/spool.h"

#define LOG_MARKS_BYTES \
    512 /* room for a stamp, marks, and the line that says how many were dropped */

struct log {
    struct list node; /* in logs.all */
    struct table_node by_name;
    struct logs *logs;
    char service[65];
    unsigned references;
    bool configured; /* the configuration in force has it */

    enum service_log_to to;
    enum service_log_format format;
    bool timestamp;
    int64_t block_us;
    size_t room;                   /* of a new memory */
    struct logfile_config *config; /* owned; NULL unless to: file */
    struct spool *spool;           /* NULL unless to: file, or without memory for one */

    int64_t blocked_us; /* since when somebody waits; 0: nobody does */
    bool dropping;
    bool failed;                     /* the file cannot be written; `why` says so */
    bool again;                      /* the line before may be there twice, and that was said */
    uint64_t cut_key;                /* of the line whose beginning was dropped; 0: none */
    uint64_t lost_lines, lost_bytes; /* not told yet */
    uint64_t lines, bytes, dropped_lines, dropped_bytes;
    ev_timer patience;
    struct list waiters; /* struct log_waiter.node */
    char *why;           /* owned; NULL: nothing yet, or no memory */
    struct lint *lint;   /* owned; NULL: not asked for, or no memory */
    bool lint_placed;    /* it has its place in logs.lint_memory, or there is none for it */
    uint64_t part_key;   /* of the stream whose line is told in parts … */
    char part_trace[33]; /* … and its trace; "" = none */
};

struct logs {
    struct logs_options options;
    struct ev_loop *loop;    /* borrowed */
    struct journal *journal; /* borrowed */
    struct spools *spools;   /* owned */
    struct list all;
    struct table by_name;
    struct text line;                /* scratch */
    struct lint_memory *lint_memory; /* owned; NULL: there is none */
};

/* ---- logs.c */
struct log *log_find(const struct logs *ls, const char *service); /* NULL: there is none */

/* ---- logs_line.c */
void log_pressure_init(struct log *l);
void log_pressure_finish(struct log *l);
void log_room(void *log);          /* half of the room is free */
void log_go(struct log *l);        /* whoever waits asks again */
void log_tell_lost(struct log *l); /* when there is room for it */

/* ---- logs_trace.c */
void log_trace_by(struct log *l, const struct service_trace *how);
void log_trace_off(struct log *l);      /* nothing is counted of it any more */
void log_trace_place(struct log *l);    /* before its first line is looked at */
void logs_trace_sweep(struct logs *ls); /* what was counted of services that are gone */
/* The trace that the line itself has, in @trace or elsewhere; NULL: none. Of a line in parts the first says it. */
const char *log_trace_of(struct log *l, uint64_t key, const struct printed *p, char trace[33]);

#endif
