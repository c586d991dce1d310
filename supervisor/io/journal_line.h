/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_LINE_H
#define STINT_IO_JOURNAL_LINE_H

/* One event as text: always the same keys in the same order. Part of the journal. */
#include "base/text.h"
#include "supervisor/io/journal.h"

#define LINE_FIELDS_MAX 24

struct journal_line {
    int64_t wall_us;
    enum log_level level;
    const char *event;
    const char *service; /* NULL or "" = not about one */
    uint64_t generation; /* 0 = none */
    bool has_slot;
    bool is_output; /* msg is what a worker printed */
    bool native;    /* for journald, whatever the format */
    unsigned slot;
    pid_t pid;         /* 0 = none */
    const char *trace; /* NULL or "" = none */
    uint64_t reload;   /* 0 = none */
    struct journal_field fields[LINE_FIELDS_MAX];
    size_t n_fields;
    const char *msg; /* NULL = none */
    size_t msg_bytes;
};

void journal_line_add(struct journal_line *l,
                      struct journal_field field); /* beyond the max: lost */

/* From a record of the core. What is formatted goes to @scratch, which outlives @l. */
void journal_line_record(struct journal_line *l, const struct record *r, char *scratch,
                         size_t room);

/* Append the line, without a newline. @seq: 0 leaves it out. */
void journal_line_logfmt(const struct journal_line *l, struct text *out);
void journal_line_json(const struct journal_line *l, uint64_t seq, struct text *out);

/* Append the line as a record for journald: the same fields, and a MESSAGE for people. */
void journal_line_native(const struct journal_line *l, struct text *out);

const char *log_level_name(enum log_level level);

/* RFC 3339, UTC, milliseconds: "2026-01-31T23:59:59.000Z". Return: @buf. */
#define RFC3339_TEXT 32
char *rfc3339(int64_t wall_us, char buf[RFC3339_TEXT]);

#endif
