/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/edge.h"
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

/* ---- where it is counted ---------------------------------------------------------------------------- */

static bool
take_place(struct log *l, bool make)
{
    struct logs *ls = l->logs;
    struct lint_place place;

    if (!l->lint || !ls->lint_memory ||
        !lint_memory_place(ls->lint_memory, l->service, make, &place))
        return false;
    lint_count_in(l->lint, &place);
    l->lint_placed = true;
    return true;
}

void
log_trace_place(struct log *l)
{
    if (l->lint_placed || !l->lint)
        return;
    (void)take_place(l, true); /* else it is counted by itself, and that ends with us */
    l->lint_placed = true;
}

void
log_trace_off(struct log *l)
{
    lint_destroy(steal(l->lint));
    l->lint_placed = false;
    if (l->logs->lint_memory)
        lint_memory_forget(l->logs->lint_memory, l->service);
}

void
logs_keep_lint(struct logs *ls, int fd)
{
    struct error why = {0};

    if (fd >= 0 && lint_memory_adopt(fd, &ls->lint_memory, &why) < 0)
        journal_say(ls->journal, LOG_LEVEL_WARNING, "lint_lost",
                    "the trace context of lines is counted anew: %s", why.text);
    if (ls->lint_memory)
        return;
    if (lint_memory_create(&ls->lint_memory, &why) < 0)
        journal_say(
            ls->journal, LOG_LEVEL_WARNING, "not_kept",
            "%s: what is counted of the trace context of lines is lost should the master be "
            "killed",
            why.text);
    else if (ls->options.keep_lint)
        ls->options.keep_lint(ls->options.env, lint_memory_fd(ls->lint_memory));
}

void
logs_trace_sweep(struct logs *ls)
{
    unsigned at = 0;
    const char *service;

    while (ls->lint_memory && (service = lint_memory_next(ls->lint_memory, &at)) != NULL) {
        const struct log *l = log_find(ls, service);

        if (!l || !l->lint)
            lint_memory_forget(ls->lint_memory, service);
    }
}

/* ---- lines ------------------------------------------------------------------------------------------ */

void
log_trace_by(struct log *l, const struct service_trace *how)
{
    const struct lint_keys keys = {how->format, how->trace_id, how->span_id};

    if (!how->lint) {
        log_trace_off(l);
        return;
    }
    if (!l->lint) {
        l->lint = lint_create(on_finding, l);
        take_place(l, false); /* what was counted before us is there before the next line */
    }
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
    log_trace_place(l);
    if (p->flags & CAPTURE_CONTINUED)
        return l->part_key == key && l->part_trace[0] ? l->part_trace : NULL;
    own = lint_line(l->lint, &from, p->bytes, p->n);
    EDGE("line-counted");
    (void)snprintf(trace, 33, "%.32s", own ? own : "");
    if (p->flags & CAPTURE_CUT) {
        l->part_key = key;
        memcpy(l->part_trace, trace, sizeof(l->part_trace));
    }
    return own ? trace : NULL;
}
