/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/lint.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/io/lint_scan.h"
#include "supervisor/io/lint_state.h"

/* Which trace a span was of: as many as there are requests at a time, of most programs. */
#define SPANS_BITS 9
#define SPANS      (1 << SPANS_BITS)
#define SCATTER    UINT64_C(0x9e3779b97f4a7c15) /* ids may be counters */

struct span_seen {
    uint64_t span; /* 0 = free */
    uint64_t trace;
};

const char *
lint_fault_name(enum lint_fault fault)
{
    static const char *const names[LINT_FAULTS] = {"lost", "span_without_trace", "zero",
                                                   "malformed", "changed"};

    return names[fault];
}

struct lint *
lint_create(void (*found)(void *env, const struct lint_finding *f), void *env)
{
    struct lint *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->found = found;
    l->env = env;
    return l;
}

void
lint_destroy(struct lint *l)
{
    if (!l)
        return;
    free(l->spans);
    free(l->findings);
    free(l->known);
    free(l);
}

static const char *
copy_key(char to[LINT_NAME_MAX], const char *name)
{
    if (!name)
        return NULL;
    (void)stpncpy(to, name, LINT_NAME_MAX - 1);
    return to;
}

void
lint_configure(struct lint *l, const struct lint_keys *keys)
{
    memset(l->trace_key, 0, sizeof(l->trace_key));
    memset(l->span_key, 0, sizeof(l->span_key));
    l->keys = (struct lint_keys){keys->format, copy_key(l->trace_key, keys->trace),
                                 copy_key(l->span_key, keys->span)};
}

/* The newest span has the place. */
static bool
changed(struct lint *l, const struct lint_found *f)
{
    uint64_t span = scan_pack(f->span_id);
    uint64_t trace = scan_pack(f->trace_id) ^ scan_pack(f->trace_id + 16) * 3;
    struct span_seen *s;
    bool other;

    if (!l->spans)
        l->spans = calloc(SPANS, sizeof(*l->spans));
    if (!l->spans)
        return false;
    s = &l->spans[span * SCATTER >> (64 - SPANS_BITS)];
    other = s->span == span && s->trace != trace;
    *s = (struct span_seen){span, trace};
    return other;
}

/* ---- Findings -------------------------------------------------------------------------------- */

static bool
is_of(const struct lint_finding *f, enum lint_fault fault, const struct lint_thread *who)
{
    return f->fault == fault && strcmp(f->thread, who->name) == 0 &&
           strcmp(f->creator, who->creator) == 0;
}

static void
copy_plain(char *to, size_t size, const char *bytes, size_t n)
{
    n = n < size - 1 ? n : size - 1;
    memcpy(to, bytes, n);
    to[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (to[i] == '\0')
            to[i] = ' ';
    plain_text(to);
}

static struct lint_finding *
finding_of(struct lint *l, enum lint_fault fault, const struct lint_thread *who)
{
    for (size_t i = 0; i < l->n_findings; i++)
        if (is_of(&l->findings[i], fault, who))
            return &l->findings[i];
    if (!l->findings)
        l->findings = calloc(LINT_THREADS, sizeof(*l->findings));
    if (!l->findings || l->n_findings == LINT_THREADS)
        return NULL;
    return &l->findings[l->n_findings];
}

static void
add_fault(struct lint *l, enum lint_fault fault, const struct lint_thread *who,
          const struct lint_seen *line)
{
    struct lint_finding *f = finding_of(l, fault, who);

    l->counts.faults[fault]++;
    if (!f) {
        l->counts.untold++;
        return;
    }
    if (f->count++ > 0)
        return;
    l->n_findings++;
    f->fault = fault;
    memcpy(f->thread, who->name, sizeof(f->thread));
    memcpy(f->creator, who->creator, sizeof(f->creator));
    f->generation = line->from->generation;
    copy_plain(f->line, sizeof(f->line), line->bytes, line->n);
    if (l->found)
        l->found(l->env, f);
}

/* What is wrong with it, its thread's trace aside. */
static bool
fault_of(struct lint *l, const struct lint_found *f, enum lint_fault *ret)
{
    if (f->trace == LINT_BAD || f->span == LINT_BAD)
        *ret = LINT_MALFORMED;
    else if (f->trace == LINT_ZERO || f->span == LINT_ZERO)
        *ret = LINT_ALL_ZERO;
    else if (f->span == LINT_GOOD && f->trace == LINT_NONE)
        *ret = LINT_SPAN_ALONE;
    else if (f->span == LINT_GOOD && changed(l, f))
        *ret = LINT_TRACE_CHANGED;
    else
        return false;
    return true;
}

const char *
lint_line(struct lint *l, const struct lint_origin *from, const char *bytes, size_t n)
{
    struct lint_seen line = {from, bytes, n, {.tid = 0}};
    struct lint_thread who = {.has_trace = false};
    enum lint_fault fault;
    bool whole;

    whole = lint_find_ids(&l->keys, bytes, n, &line.found);
    l->counts.lines++;
    if (fault_of(l, &line.found, &fault)) {
        if (!whole)
            lint_find(&l->keys, bytes, n, &line.found);
        lint_who(l, &line, &who);
        add_fault(l, fault, &who, &line);
    } else if (line.found.explained) {
        l->counts.explained++;
    } else if (line.found.trace == LINT_NONE) {
        l->counts.without_trace++;
        lint_who(l, &line, &who);
        if (who.has_trace)
            add_fault(l, LINT_LOST, &who, &line);
    }
    if (line.found.trace != LINT_GOOD)
        return NULL;
    l->counts.stamped++;
    return line.found.trace_id;
}

const struct lint_counts *
lint_counts(const struct lint *l)
{
    return &l->counts;
}

const struct lint_finding *
lint_findings(const struct lint *l, size_t *ret_n)
{
    *ret_n = l->n_findings;
    return l->findings;
}
