/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LINT_SHAPE_H
#define STINT_IO_LINT_SHAPE_H

/*
 * Lines of one program look alike: the same keys, with values of the same length. Where the ids stand in a line
 * that was taken apart, they stand in the next one as well if all that decides about it is the same: what ends
 * values, where and by which byte, and all bytes outside of values. That is looked at sixteen bytes at a time,
 * without a branch for each word. Only of lines without quotes, and only where the processor can (SSE2): else
 * every line is taken apart.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/io/lint_line.h"

#define LINT_SHAPE_BLOCKS \
    16 /* of sixteen bytes: ids that stand further behind are looked for each time */

struct lint_shape {
    unsigned char bytes[LINT_SHAPE_BLOCKS * 16]; /* of the line it was learnt from */
    unsigned char fixed[LINT_SHAPE_BLOCKS * 16]; /* 0xff: this one has to be the same */
    unsigned char free[LINT_SHAPE_BLOCKS * 16];  /* 0xff: this one may be any that ends no value */
    uint16_t trace_at, span_at;
    uint16_t blocks; /* 0: it is none */
};

/* All zero: none is known. Learning stops for a while, longer each time, where no two lines look alike. */
struct lint_shapes {
    struct lint_shape of[2];
    bool last;     /* the one that fitted last, or was learnt since: the other one goes next */
    unsigned hits; /* since the last one was learnt */
    unsigned wait, patience; /* lines until the next one may be */
};

/* lint_shapes_find - has the line a known shape, and a good trace and span? Then @ret is as of lint_find_ids(),
 * tid and thread aside. */
bool lint_shapes_find(struct lint_shapes *s, const char *bytes, size_t n, struct lint_found *ret);

/* lint_shapes_learn - from a line in which lint_find_ids() found both and looked no further. */
void lint_shapes_learn(struct lint_shapes *s, const char *bytes, size_t n,
                       const struct lint_found *found);

#endif
