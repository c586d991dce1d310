/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LINT_LINE_H
#define STINT_IO_LINT_LINE_H

/*
 * What one line of a worker says about its trace. Pure. The line may hold anything, and the work is
 * bounded: what stands behind LINT_BYTES is not looked at. Three forms are understood:
 *
 *     {"msg":"…","trace_id":"…","span_id":"…"}    JSON: keys of the object, or of one within it
 *     level=info trace_id=… span_id=… msg="…"     logfmt; also [trace_id=… span_id=…] in other text
 *     … 00-<trace>-<span>-01 …                    a traceparent, anywhere
 *
 * Text within quotes is data: a request that asks for "trace_id=…" is not of that trace.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/spec.h"

#define LINT_BYTES    4096
#define LINT_NAME_MAX 64 /* bytes of a key's name with its NUL */

struct lint_keys {
    enum trace_format format;
    const char *trace, *span; /* NULL: trace_id, traceId, trace.id, otelTraceID … ; span likewise */
};

enum lint_id { LINT_NONE, LINT_GOOD, LINT_ZERO, LINT_BAD };

struct lint_piece {
    const char *at; /* in the line; NULL = it is not there */
    size_t n;
};

struct lint_found {
    enum lint_id trace, span;
    char trace_id[33], span_id[17]; /* of a LINT_GOOD one; else "" */
    bool explained;                 /* trace=none, and a reason: by design */
    uint64_t tid;                   /* the thread that printed it; 0 = it does not say */
    struct lint_piece thread;       /* … its name */
};

void lint_find(const struct lint_keys *keys, const char *bytes, size_t n, struct lint_found *ret);

#endif
