// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define TARGET_FIRST 1.5 /* command -> first answer, times the limit's */

typedef double metric_fn(const struct sample *s);

static double
metric_gap(const struct sample *s)
{
    return s->gap_ms;
}

static double
metric_first(const struct sample *s)
{
    return s->first_ms;
}

static double
metric_steady_p99(const struct sample *s)
{
    return s->steady.p99_ms;
}

static double
metric_reload_p99(const struct sample *s)
{
    return s->reload.p99_ms;
}

struct spread {
    double median, min, max;
    unsigned n;
};

static struct spread
spread_of(double *values, unsigned n)
{
    struct spread sp = {.median = median_of(values, n), .n = n}; /* sorted from here on */

    if (n > 0) {
        sp.min = values[0];
        sp.max = values[n - 1];
    }
    return sp;
}

static struct spread
spread_of_entry(const struct entry *e, metric_fn *metric)
{
    auto_free double *values = calloc(e->n + 1, sizeof(*values));

    for (unsigned i = 0; values && i < e->n; i++)
        values[i] = metric(&e->samples[i]);
    return spread_of(values, values ? e->n : 0);
}

/* @a's value over @b's, round by round: what both met in a round cancels out. */
static struct spread
spread_of_ratio(const struct entry *a, const struct entry *b, metric_fn *metric)
{
    unsigned n = a->n < b->n ? a->n : b->n;
    auto_free double *values = calloc(n + 1, sizeof(*values));
    unsigned known = 0;

    for (unsigned i = 0; values && i < n; i++)
        if (metric(&b->samples[i]) > 0)
            values[known++] = metric(&a->samples[i]) / metric(&b->samples[i]);
    return spread_of(values, known);
}

static struct latency
median_latency(const struct entry *e, bool reload)
{
    auto_free double *v = calloc((size_t)e->n * 3 + 1, sizeof(*v));
    struct latency l = {0, 0, 0};

    if (!v)
        return l;
    for (unsigned i = 0; i < e->n; i++) {
        const struct latency *from = reload ? &e->samples[i].reload : &e->samples[i].steady;

        v[i] = from->p50_ms;
        v[e->n + i] = from->p99_ms;
        v[2 * e->n + i] = from->p999_ms;
    }
    l.p50_ms = median_of(v, e->n);
    l.p99_ms = median_of(v + e->n, e->n);
    l.p999_ms = median_of(v + (size_t)2 * e->n, e->n);
    return l;
}

static struct sample
totals_of(const struct entry *e)
{
    struct sample sum = {0};

    for (unsigned i = 0; i < e->n; i++) {
        const struct sample *s = &e->samples[i];

        sum.requests += s->requests;
        sum.failed += s->failed;
        sum.reloads += s->reloads;
        sum.missed += s->missed;
        for (unsigned k = 0; k < LOAD_FAILURE_COUNT; k++)
            sum.failed_by_kind[k] += s->failed_by_kind[k];
    }
    return sum;
}

static void
add_kinds(struct text *out, const struct sample *sum)
{
    const char *comma = "";

    for (enum load_failure k = 0; k < LOAD_FAILURE_COUNT; k++) {
        if (sum->failed_by_kind[k] == 0)
            continue;
        text_addf(out, "%s%s %" PRIu64, comma, load_failure_name(k), sum->failed_by_kind[k]);
        comma = ", ";
    }
    if (sum->missed > 0)
        text_addf(out, "%s%u reloads showed no new generation in time", comma, sum->missed);
}

static void
add_row(struct text *out, const struct entry *e)
{
    struct sample sum = totals_of(e);
    struct spread gap = spread_of_entry(e, metric_gap);
    struct spread first = spread_of_entry(e, metric_first);
    struct latency steady = median_latency(e, false);
    struct latency reload = median_latency(e, true);

    text_addf(out, "| %s%s | %s | ", e->rival->name, e->again ? " (again)" : "", e->rival->how);
    if (e->n == 0) {
        text_addf(out, "not measured: %s | | | | | | | |\n", e->why_not);
        return;
    }
    text_addf(out, "%" PRIu64 " / %" PRIu64 " | %u | %.2f | ", sum.failed, sum.requests,
              sum.reloads, sum.reloads ? (double)sum.failed / sum.reloads : 0.0);
    text_addf(out, "%.1f (%.1f..%.1f) | %.1f (%.1f..%.1f) | ", gap.median, gap.min, gap.max,
              first.median, first.min, first.max);
    text_addf(out, "%.2f / %.2f / %.2f | %.2f / %.2f / %.2f | ", steady.p50_ms, steady.p99_ms,
              steady.p999_ms, reload.p50_ms, reload.p99_ms, reload.p999_ms);
    add_kinds(out, &sum);
    if (e->why_not[0] != '\0')
        text_addf(out, "; then: %s", e->why_not);
    text_add(out, " |\n");
}

void
table_add(struct text *out, const struct field *f)
{
    text_addf(out, "\n**Load %s:** %s.\n\n", f->load->name, f->load->description);
    text_add(
        out,
        "| server | reload by | failed / requests | reloads | failed per reload | longest gap ms | "
        "command to first new answer ms | steady p50 / p99 / p99.9 ms | "
        "in reloads p50 / p99 / p99.9 ms | kinds of failure |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < f->n_entries; i++) {
        const char *serves = f->entries[i].rival->serves;

        if (i == 0 || strcmp(serves, f->entries[i - 1].rival->serves) != 0)
            text_addf(out, "| **%s** | | | | | | | | | |\n", serves);
        add_row(out, &f->entries[i]);
    }
}

static const struct entry *
entry_of(const struct field *f, const struct rival *rival, bool again)
{
    for (unsigned i = 0; i < f->n_entries; i++)
        if (f->entries[i].rival == rival && f->entries[i].again == again)
            return &f->entries[i];
    return NULL;
}

/* The peer with the smallest median: the one to be measured against. */
static const struct entry *
best_peer(const struct field *f, metric_fn *metric)
{
    const struct entry *best = NULL;
    double best_value = 0;

    for (unsigned i = 0; i < f->n_entries; i++) {
        const struct entry *e = &f->entries[i];
        double value = spread_of_entry(e, metric).median;

        if (!e->rival->measured_twice || e->again || e->n == 0 || (best && value >= best_value))
            continue;
        best = e;
        best_value = value;
    }
    return best;
}

static void
add_ratio(struct text *out, const char *what, struct spread r, const char *verdict)
{
    if (r.n > 0)
        text_addf(out, "- %s: x %.2f (%.2f..%.2f)%s\n", what, r.median, r.min, r.max, verdict);
}

/* The band is what the best peer's own two measurements span, over all rounds. */
static void
add_band(struct text *out, const struct field *f, const char *what, metric_fn *metric)
{
    const struct entry *ours = entry_of(f, &rival_stint, false);
    const struct entry *best = best_peer(f, metric);
    const struct entry *again = best ? entry_of(f, best->rival, true) : NULL;
    struct spread first, second, mine;
    double low, high;

    if (!ours || !best || !again)
        return;
    mine = spread_of_entry(ours, metric);
    first = spread_of_entry(best, metric);
    second = spread_of_entry(again, metric);
    low = first.min < second.min ? first.min : second.min;
    high = first.max > second.max ? first.max : second.max;
    text_addf(out,
              "- %s: ours %.2f ms; best peer %s %.2f and again %.2f ms, band %.2f..%.2f: **%s**\n",
              what, mine.median, best->rival->name, first.median, second.median, low, high,
              mine.median > high  ? "above"
              : mine.median < low ? "below"
                                  : "inside");
    add_ratio(out, "  - ours over it, within a round", spread_of_ratio(ours, best, metric), "");
    add_ratio(out, "  - it over itself (A/A)", spread_of_ratio(again, best, metric), "");
}

void
table_ratios_add(struct text *out, const struct field *f)
{
    const struct entry *ours = entry_of(f, &rival_stint, false);
    const struct entry *limit = entry_of(f, &rival_limit, false);
    const struct entry *limit_again = entry_of(f, &rival_limit, true);

    if (!ours || ours->n == 0 || f->n_entries == 1)
        return;
    text_addf(out, "\n**Load %s, ratios** (within a round; median, lowest..highest):\n\n",
              f->load->name);
    if (limit && limit->n > 0) {
        struct spread r = spread_of_ratio(ours, limit, metric_first);

        add_ratio(out, "command to first new answer, ours over limit-c", r,
                  r.median <= TARGET_FIRST ? ": **met** (at most 1.50)" : ": **not met** (1.50)");
    }
    if (limit && limit_again)
        add_ratio(out, "the same, limit-c over itself (A/A)",
                  spread_of_ratio(limit_again, limit, metric_first), "");
    add_band(out, f, "longest gap", metric_gap);
    add_band(out, f, "p99 in reloads", metric_reload_p99);
    add_band(out, f, "p99 steady", metric_steady_p99);
}
