/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/lint.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/io/lint_scan.h"
#include "supervisor/io/lint_shape.h"
#include "supervisor/io/lint_state.h"

#define SCATTER UINT64_C(0x9e3779b97f4a7c15) /* ids of spans may be counters */

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
    l->at.head = &l->own;
    return l;
}

static bool
counts_at_home(const struct lint *l)
{
    return l->at.head == &l->own;
}

static void
leave_home(struct lint *l)
{
    if (!counts_at_home(l))
        return;
    free(l->at.spans);
    free(l->at.findings);
}

void
lint_count_in(struct lint *l, const struct lint_place *place)
{
    leave_home(l);
    l->at = *place;
}

void
lint_destroy(struct lint *l)
{
    if (!l)
        return;
    leave_home(l);
    free(l->shapes);
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
    if (l->shapes)
        *l->shapes = (struct lint_shapes){.hits = 0};
    l->keys = (struct lint_keys){keys->format, copy_key(l->trace_key, keys->trace),
                                 copy_key(l->span_key, keys->span)};
}

/* The newest span has the place. */
static bool
changed(struct lint *l, const struct lint_found *f)
{
    uint64_t span = scan_pack(f->span_id);
    uint64_t trace = scan_pack(f->trace_id) ^ scan_pack(f->trace_id + 16) * 3;
    struct lint_span *s;
    bool other;

    if (!l->at.spans)
        l->at.spans = calloc(LINT_SPANS, sizeof(*l->at.spans));
    if (!l->at.spans)
        return false;
    l->at.head->has_spans = 1;
    s = &l->at.spans[span * SCATTER >> (64 - LINT_SPANS_BITS)];
    other = s->span == span && s->trace != trace;
    *s = (struct lint_span){span, trace};
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
finding_of(struct lint *l, enum lint_fault fault, const struct lint_thread *who, bool *ret_new)
{
    uint64_t n = shared_load(&l->at.head->n_findings);

    *ret_new = false;
    for (uint64_t i = 0; i < n; i++)
        if (is_of(&l->at.findings[i], fault, who))
            return &l->at.findings[i];
    if (!l->at.findings)
        l->at.findings = calloc(LINT_THREADS, sizeof(*l->at.findings));
    if (!l->at.findings || n == LINT_THREADS)
        return NULL;
    *ret_new = true;
    return &l->at.findings[n];
}

static void
add_fault(struct lint *l, enum lint_fault fault, const struct lint_thread *who,
          const struct lint_seen *line)
{
    bool is_new;
    struct lint_finding *f = finding_of(l, fault, who, &is_new);

    l->at.head->counts.faults[fault]++;
    if (!f) {
        l->at.head->counts.untold++;
        return;
    }
    if (!is_new) {
        f->count++;
        return;
    }
    f->count = 1;
    f->fault = fault;
    memcpy(f->thread, who->name, sizeof(f->thread));
    memcpy(f->creator, who->creator, sizeof(f->creator));
    f->generation = line->from->generation;
    copy_plain(f->line, sizeof(f->line), line->bytes, line->n);
    if (l->found)
        l->found(l->env, f);
    shared_store(&l->at.head->n_findings, shared_load(&l->at.head->n_findings) + 1);
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

static void
learn(struct lint *l, const struct lint_seen *line)
{
    if (!l->shapes)
        l->shapes = calloc(1, sizeof(*l->shapes));
    if (l->shapes)
        lint_shapes_learn(l->shapes, line->bytes, line->n, &line->found);
}

/* @whole: all is known of whose line it is. */
static void
accuse(struct lint *l, struct lint_seen *line, enum lint_fault fault, bool whole)
{
    struct lint_thread who = {.has_trace = false};

    if (!whole)
        lint_find(&l->keys, line->bytes, line->n, &line->found);
    lint_who(l, line, &who);
    add_fault(l, fault, &who, line);
}

/* One that looks like none before. */
static const char *
take_apart(struct lint *l, struct lint_seen *line)
{
    struct lint_thread who = {.has_trace = false};
    struct lint_counts *counts = &l->at.head->counts;
    enum lint_fault fault;
    bool whole = lint_find_ids(&l->keys, line->bytes, line->n, &line->found);

    if (!whole)
        learn(l, line);
    counts->lines++;
    if (fault_of(l, &line->found, &fault)) {
        accuse(l, line, fault, whole);
    } else if (line->found.explained) {
        counts->explained++;
    } else if (line->found.trace == LINT_NONE) {
        counts->without_trace++;
        lint_who(l, line, &who);
        if (who.has_trace)
            add_fault(l, LINT_LOST, &who, line);
    }
    if (line->found.trace != LINT_GOOD)
        return NULL;
    counts->stamped++;
    return line->found.trace_id;
}

const char *
lint_line(struct lint *l, const struct lint_origin *from, const char *bytes, size_t n)
{
    struct lint_seen line = {from, bytes, n, {.tid = 0}};

    if (!l->shapes || !lint_shapes_find(l->shapes, bytes, n, &line.found))
        return take_apart(l, &line);
    if (changed(l, &line.found))
        accuse(l, &line, LINT_TRACE_CHANGED, false);
    l->at.head->counts.lines++;
    l->at.head->counts.stamped++;
    return line.found.trace_id;
}

const struct lint_counts *
lint_counts(const struct lint *l)
{
    return &l->at.head->counts;
}

const struct lint_finding *
lint_findings(const struct lint *l, size_t *ret_n)
{
    *ret_n = (size_t)shared_load(&l->at.head->n_findings);
    return l->at.findings;
}
