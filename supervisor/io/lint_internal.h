/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LINT_INTERNAL_H
#define STINT_IO_LINT_INTERNAL_H

/* What lint_line.c (keys and ids) and lint_words.c (how a line is taken apart) share. */
#include "supervisor/io/lint_line.h"

#define LINT_KEY_MAX LINT_NAME_MAX /* a longer key is none of ours */

struct lint_words {
    const struct lint_keys *keys;
    struct lint_piece trace, span, parent, thread, reason;
    struct lint_piece word; /* of a key that is just "trace" */
    uint64_t tid;
    bool named;   /* a key has a name of its own: any may be it */
    bool ids;     /* no more is wanted than trace and span … */
    bool stopped; /* … and behind those nothing was looked at */
};

static inline bool
lint_has_enough(struct lint_words *w)
{
    return w->stopped = w->ids && w->trace.at && w->span.at;
}

void lint_pair(struct lint_words *w, const char *key, size_t n, const char *at, size_t bytes);
void lint_json(struct lint_words *w, const char *bytes, size_t n);
void lint_logfmt(struct lint_words *w, const char *bytes, size_t n);

#endif
