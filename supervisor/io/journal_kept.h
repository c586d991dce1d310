/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_KEPT_H
#define STINT_IO_JOURNAL_KEPT_H

/*
 * A line of output as it is kept for `stint logs`: its bytes as they came, behind a head with what is known
 * of them. Most lines lose their place without ever having been asked for, so it becomes JSON when somebody
 * reads it. A program of before kept JSON: both may lie in one ring. Part of the journal.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_line;
struct journal_slot;
struct text;

#define KEPT_RAW 'R' /* the first byte; that of JSON is a brace */

enum kept_flag {
    KEPT_STDERR = 1,
    KEPT_CUT = 2,
    KEPT_LAST = 4,
    KEPT_AGAIN = 8,
    KEPT_GAP = 16 /* none of its service before it is kept any more, and some never were */
};

/* Its zeroes are what a program of before takes offence at: it forgets these lines, and says so. */
struct kept_head {
    char form; /* KEPT_RAW */
    uint8_t flags;
    uint16_t zero;
    uint32_t slot;
    int64_t wall_us;
    char trace[32]; /* all zero: none */
};

static inline bool
kept_is_raw(const char *bytes, size_t n)
{
    return n >= sizeof(struct kept_head) && bytes[0] == KEPT_RAW;
}

static inline bool
kept_has_gap(const char *bytes, size_t n)
{
    return kept_is_raw(bytes, n) &&
           (uint8_t)bytes[offsetof(struct kept_head, flags)] & (uint8_t)KEPT_GAP;
}

/* kept_show - @record as the line of JSON that people get, without a newline. */
void kept_show(const struct journal_slot *slot, const char *service, const char *record,
               struct text *out);

#endif
