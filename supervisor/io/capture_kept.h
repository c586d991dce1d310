/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CAPTURE_KEPT_H
#define STINT_IO_CAPTURE_KEPT_H

/* The newest lines of a worker, for its obituary. Part of capture.c. All zero is empty. */
#include "supervisor/io/capture.h"

struct text;

/* Made to measure: most workers say little, and a master of many should be small when it forks. */
struct capture_kept {
    size_t n; /* ever; the newest is at (n - 1) % CAPTURE_KEEP */
    struct capture_line {
        unsigned bytes, room; /* used and allocated */
        char *text;           /* owned; NULL while room is 0 */
    } * lines;                /* owned; a ring of CAPTURE_KEEP; NULL before the first */
};

void capture_keep(struct capture_kept *k, const char *line, size_t n);
void capture_kept_text(const struct capture_kept *k, struct text *out); /* '\n' between */
void capture_kept_finish(struct capture_kept *k);

#endif
