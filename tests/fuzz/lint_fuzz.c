/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any line that a worker may print, looked at in all the ways there are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/io/lint_line.h"
#include "supervisor/io/lint_scan.h"
#include "supervisor/io/lint_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(int holds)
{
    if (!holds)
        abort();
}

static void
must_fit(enum lint_id what, const char *id, size_t digits)
{
    char copy[33] = "";

    must((id != NULL) == (what == LINT_GOOD));
    if (!id)
        return;
    memcpy(copy, id, digits);
    must(strspn(copy, "0123456789abcdef") == digits);
    must(strspn(copy, "0") < digits);
}

/* Sixteen at a time is as good as one by one. */
static void
scans_must_agree(const char *line, size_t n)
{
    const struct lint_scan scan = {line, line + n};
    size_t bytes = n < 80 ? n : 80;

    for (size_t i = 0; i < bytes; i++) {
        const char *equals = scan_byte(&scan, line + i, '=');

        must(equals == memchr(line + i, '=', n - i));
        must(scan_value_end(&scan, line + i) == scan_value_end_plain(line + i, line + n));
        for (size_t k = 16; k <= 32 && i + k <= n; k += 16)
            must(scan_is_hex(line + i, k) == scan_is_hex_plain(line + i, k));
    }
}

/* Of two lines the second may look like the first: then what is found in it is what it says. */
static void
looks_must_not_deceive(const char *first, size_t n, const char *second, size_t bytes)
{
    const struct lint_keys keys = {TRACE_AUTO, NULL, NULL};
    struct lint_shapes shapes = {.hits = 0};
    struct lint_found found, right;

    if (lint_find_ids(&keys, first, n, &found) || found.trace != LINT_GOOD ||
        found.span != LINT_GOOD)
        return;
    lint_shapes_learn(&shapes, first, n, &found);
    if (!lint_shapes_find(&shapes, second, bytes, &found))
        return;
    (void)lint_find_ids(&keys, second, bytes, &right);
    must(right.trace == LINT_GOOD && right.span == LINT_GOOD);
    must(right.trace_id == found.trace_id && right.span_id == found.span_id);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lint_keys keys = {TRACE_AUTO, NULL, NULL};
    const char *line = (const char *)data;
    struct lint_found found, again;

    scans_must_agree(line, n);
    looks_must_not_deceive(line, n / 2, line + n / 2, n - n / 2);
    for (int format = TRACE_AUTO; format <= TRACE_TEXT; format++) {
        keys.format = (enum trace_format)format;
        lint_find(&keys, line, n, &found);
        must_fit(found.trace, found.trace_id, 32);
        must_fit(found.span, found.span_id, 16);
        must(!found.explained || (found.trace == LINT_NONE && found.span == LINT_NONE));
        must(!found.thread.at ||
             (found.thread.at >= line && found.thread.at + found.thread.n <= line + n));
        if (lint_find_ids(&keys, line, n, &again))
            must(found.tid == again.tid && found.explained == again.explained);
        must(found.trace == again.trace && found.span == again.span);
        must(found.trace_id == again.trace_id && found.span_id == again.span_id);
    }
    return 0;
}
