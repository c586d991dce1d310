/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/logs_internal.h"

/* What the lines of a service say of their trace. */

static void
on_finding(void *env, const struct lint_finding *f)
{
    static const char *const texts[LINT_FAULTS] = {
        [LINT_LOST] = "a thread that has a trace printed a line without it",
        [LINT_SPAN_ALONE] = "a line has a span and no trace",
        [LINT_ALL_ZERO] = "a line has an id of zeroes",
        [LINT_MALFORMED] = "a line has an id that is none: 32 and 16 digits of 0-9 a-f",
        [LINT_TRACE_CHANGED] = "a span was of another trace before",
    };
    const struct log *l = env;
    const struct journal_field fields[] = {
        FIELD_TEXT("service", l->service),
        FIELD_NUMBER("gen", (int64_t)f->generation),
        FIELD_TEXT("fault", lint_fault_name(f->fault)),
        FIELD_TEXT("thread", f->thread[0] ? f->thread : NULL),
        FIELD_TEXT("creator", f->creator[0] ? f->creator : NULL),
        FIELD_TEXT("line", f->line),
        FIELD_TEXT("msg", texts[f->fault]),
    };

    journal_event(l->logs->journal, LOG_LEVEL_WARNING, "trace_fault", fields, ARRAY_LEN(fields));
}

void
log_trace_by(struct log *l, const struct service_trace *how)
{
    const struct lint_keys keys = {how->format, how->trace_id, how->span_id};

    if (!how->lint) {
        lint_destroy(l->lint);
        l->lint = NULL;
        return;
    }
    if (!l->lint)
        l->lint = lint_create(on_finding, l);
    if (l->lint)
        lint_configure(l->lint, &keys);
}

const char *
log_trace_of(struct log *l, uint64_t key, const struct printed *p, char trace[33])
{
    const struct lint_origin from = {p->from->generation, p->from->pid, p->registry_fd};
    const char *own;

    if (!l->lint)
        return NULL;
    if (p->flags & CAPTURE_CONTINUED)
        return l->part_key == key && l->part_trace[0] ? l->part_trace : NULL;
    own = lint_line(l->lint, &from, p->bytes, p->n);
    (void)snprintf(trace, 33, "%.32s", own ? own : "");
    if (p->flags & CAPTURE_CUT) {
        l->part_key = key;
        memcpy(l->part_trace, trace, sizeof(l->part_trace));
    }
    return own ? trace : NULL;
}
