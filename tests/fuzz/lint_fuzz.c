/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any line that a worker may print, looked at in all the ways there are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/io/lint_line.h"

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
    size_t n = strlen(id);

    must(n == (what == LINT_GOOD ? digits : 0));
    must(strspn(id, "0123456789abcdef") == n);
    must(n == 0 || strspn(id, "0") < n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lint_keys keys = {TRACE_AUTO, NULL, NULL};
    const char *line = (const char *)data;
    struct lint_found found, again;

    for (int format = TRACE_AUTO; format <= TRACE_TEXT; format++) {
        keys.format = (enum trace_format)format;
        lint_find(&keys, line, n, &found);
        must_fit(found.trace, found.trace_id, 32);
        must_fit(found.span, found.span_id, 16);
        must(!found.explained || (found.trace == LINT_NONE && found.span == LINT_NONE));
        must(!found.thread.at ||
             (found.thread.at >= line && found.thread.at + found.thread.n <= line + n));
        lint_find(&keys, line, n, &again);
        must(found.trace == again.trace && found.span == again.span && found.tid == again.tid);
    }
    return 0;
}
