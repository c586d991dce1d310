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
    const char *trace_id,
        *span_id;             /* the 32 and 16 digits of a LINT_GOOD one, in the line; else NULL */
    uint64_t tid;             /* the thread that printed it; 0 = it does not say */
    struct lint_piece thread; /* … its name */
    bool explained;           /* trace=none, and a reason: by design */
};

void lint_find(const struct lint_keys *keys, const char *bytes, size_t n, struct lint_found *ret);

/*
 * lint_find_ids - the same, and no more than that when it has a good trace and a good span: what stands behind
 * the two can then change nothing but whose line it is. Return: @ret says that, too.
 */
bool lint_find_ids(const struct lint_keys *keys, const char *bytes, size_t n,
                   struct lint_found *ret);

#endif
