/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/metrics.h"

/*
 * OpenMetrics wants all samples of a family together, of a counter its _created beside it, and # EOF at the
 * end. The older format knows none of these, no type "info" and no exemplars, and calls a counter by the name of
 * its sample. A family of which nothing is there is not told.
 */

/* What a sample is of: the thing itself, and the label that names it. */
struct item {
    const void *of;
    const char *label, *value; /* NULL: it is the only one */
    int64_t began_wall_us;     /* of a service */
};

struct writer {
    struct text *out;
    const struct metrics *m;
    const struct family *family;
    struct item item;
    bool open; /* OpenMetrics */
    bool labelled;
};

const char *
metrics_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

void
metrics_finish(struct metrics *m)
{
    for (size_t i = 0; m->services && i < m->n_services; i++) {
        free(m->services[i].kinds);
        free(m->services[i].edges);
    }
    free(m->services);
    m->services = NULL;
}

/* ---- A line ------------------------------------------------------------------------------- */

static void
put_escaped(struct text *out, const char *s)
{
    for (size_t plain; *s; s += plain) {
        plain = strcspn(s, "\\\"\n");
        text_addn(out, s, plain);
        if (s[plain] == '\0')
            return;
        text_add(out, s[plain] == '\n' ? "\\n" : s[plain] == '"' ? "\\\"" : "\\\\");
        plain++;
    }
}

static void
put_label(struct writer *w, const char *key, const char *value)
{
    text_add(w->out, w->labelled ? "," : "{");
    w->labelled = true;
    text_add(w->out, key);
    text_add(w->out, "=\"");
    put_escaped(w->out, value);
    text_add(w->out, "\"");
}

static void
put_name(struct writer *w, const char *suffix)
{
    text_add(w->out, w->family->name);
    text_add(w->out, suffix);
    w->labelled = false;
    if (w->item.label)
        put_label(w, w->item.label, w->item.value);
}

static void
put_seconds(struct text *out, int64_t us)
{
    uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;

    text_addf(out, "%s%" PRIu64 ".%06" PRIu64, us < 0 ? "-" : "", size / US_PER_S, size % US_PER_S);
}

static void
end_labels(struct writer *w)
{
    text_add(w->out, w->labelled ? "} " : " ");
}

static void
put_value(struct writer *w, const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    end_labels(w);
    if (w->family->micros)
        put_seconds(w->out, (int64_t)value);
    else
        text_addf(w->out, "%" PRIu64, value);
}

/* Since when it counts; 0: that is not told. */
static int64_t
began(const struct writer *w)
{
    int64_t item = w->item.began_wall_us;

    switch (w->family->began) {
    case BEGAN_STINT:
        return w->m->stint_wall_us;
    case BEGAN_MASTER: /* what was added later cannot count for longer */
        return item > w->m->master_wall_us ? item : w->m->master_wall_us;
    case BEGAN_SERVICE:
        return item;
    case BEGAN_NOT_TOLD:
        break;
    }
    return 0;
}

/* A further label of a sample, and of its _created. */
struct extra {
    const char *key, *value, *key2, *value2; /* NULL: none */
};

static void
put_extra(struct writer *w, const struct extra *x)
{
    if (x->key)
        put_label(w, x->key, x->value);
    if (x->key2)
        put_label(w, x->key2, x->value2);
}

/* To the millisecond: it has to be the same each time it is read. */
static void
put_created(struct writer *w, const struct extra *x)
{
    int64_t us = w->open ? began(w) : 0;

    if (us <= 0)
        return;
    put_name(w, "_created");
    put_extra(w, x);
    end_labels(w);
    put_seconds(w->out, us / US_PER_MS * US_PER_MS);
    text_add(w->out, "\n");
}

static const char *
suffix_of(const struct family *f)
{
    return f->type == FAMILY_COUNTER ? "_total" : f->type == FAMILY_INFO ? "_info" : "";
}

static void
put_sample(struct writer *w, const struct extra *x, const void *at)
{
    put_name(w, suffix_of(w->family));
    put_extra(w, x);
    put_value(w, at);
    text_add(w->out, "\n");
    if (w->family->type == FAMILY_COUNTER)
        put_created(w, x);
}

/* ---- What is not a number in a row ---------------------------------------------------------- */

static void
put_summary(struct writer *w)
{
    const struct extra none = {0};
    uint64_t count;

    put_name(w, "_sum");
    put_value(w, (const char *)w->item.of + w->family->at);
    text_add(w->out, "\n");
    memcpy(&count, (const char *)w->item.of + w->family->count, sizeof(count));
    put_name(w, "_count");
    end_labels(w);
    text_addf(w->out, "%" PRIu64 "\n", count);
    put_created(w, &none);
}

/* The last one of its kind is the example: with its trace, and how late it was. */
static void
put_exemplar(struct writer *w, const struct metrics_kind *k)
{
    if (!w->open || !k->trace_id[0])
        return;
    text_add(w->out, " # {trace_id=\"");
    put_escaped(w->out, k->trace_id);
    text_add(w->out, "\"} ");
    put_seconds(w->out, k->over_us);
    text_add(w->out, " ");
    put_seconds(w->out, k->last_wall_us);
}

static void
put_kinds(struct writer *w, const struct metrics_service *s)
{
    for (size_t i = 0; i < s->n_kinds; i++) {
        const struct metrics_kind *k = &s->kinds[i];

        put_name(w, suffix_of(w->family));
        put_extra(w, &(struct extra){"thread", k->thread, "creator", k->creator});
        end_labels(w);
        text_addf(w->out, "%" PRIu64, k->count);
        put_exemplar(w, k);
        text_add(w->out, "\n");
    }
}

static void
put_edges(struct writer *w, const struct metrics_service *s)
{
    for (size_t i = 0; i < s->n_edges; i++)
        put_sample(w, &(struct extra){.key = "caller", .value = s->edges[i].caller},
                   &s->edges[i].fault);
}

static void
put_each(struct writer *w)
{
    const struct family *f = w->family;

    for (unsigned i = 0; i < f->n; i++) {
        const char *name = f->name_of(i);

        if (name)
            put_sample(w, &(struct extra){.key = f->label, .value = name},
                       (const char *)w->item.of + f->at + i * sizeof(uint64_t));
    }
}

static void
put_item(struct writer *w)
{
    const struct family *f = w->family;
    const struct extra none = {0};

    if (f->has > 0 && !*((const bool *)w->item.of + f->has))
        return;
    if (f->rows == ROWS_KINDS)
        put_kinds(w, w->item.of);
    else if (f->rows == ROWS_EDGES)
        put_edges(w, w->item.of);
    else if (f->rows == ROWS_VERSION)
        put_sample(w, &(struct extra){.key = "version", .value = STINT_VERSION},
                   (const char *)w->item.of + f->at);
    else if (f->type == FAMILY_SUMMARY)
        put_summary(w);
    else if (f->n > 0)
        put_each(w);
    else
        put_sample(w, &none, (const char *)w->item.of + f->at);
}

/* ---- A family --------------------------------------------------------------------------------- */

static const char *
unit_of(const char *name)
{
    static const char *const units[] = {"seconds", "bytes"};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t k = strlen(units[i]);

        if (n > k && name[n - k - 1] == '_' && strcmp(name + n - k, units[i]) == 0)
            return units[i];
    }
    return NULL;
}

static void
put_head(struct writer *w)
{
    static const char *const types[] = {[FAMILY_GAUGE] = "gauge",
                                        [FAMILY_COUNTER] = "counter",
                                        [FAMILY_INFO] = "info",
                                        [FAMILY_SUMMARY] = "summary"};
    const struct family *f = w->family;
    const char *type = !w->open && f->type == FAMILY_INFO ? "gauge" : types[f->type];
    const char *suffix = w->open ? "" : suffix_of(f);

    text_addf(w->out, "# TYPE %s%s %s\n", f->name, suffix, type);
    if (w->open && unit_of(f->name))
        text_addf(w->out, "# UNIT %s %s\n", f->name, unit_of(f->name));
    text_addf(w->out, "# HELP %s%s %s\n", f->name, suffix, f->help);
}

static size_t
items_of(const struct metrics *m, const struct family *f)
{
    return f->scope == OF_STINT ? 1 : f->scope == OF_LANE ? m->n_lanes : m->n_services;
}

static struct item
item_of(const struct metrics *m, const struct family *f, size_t i)
{
    if (f->scope == OF_STINT)
        return (struct item){.of = m};
    if (f->scope == OF_LANE)
        return (struct item){
            .of = &m->lanes[i], .label = "signal", .value = otlp_signal_name((enum otlp_signal)i)};
    return (struct item){.of = &m->services[i],
                         .label = "service",
                         .value = m->services[i].name,
                         .began_wall_us = m->services[i].created_wall_us};
}

bool
metrics_render(const struct metrics *m, enum metrics_format format, struct metrics_cursor *at,
               struct text *out, size_t most)
{
    struct writer w = {.out = out, .m = m, .open = format == METRICS_OPENMETRICS};

    while (at->family < metrics_n_families && out->bytes < most) {
        w.family = &metrics_families[at->family];
        if (at->item >= items_of(m, w.family)) {
            *at = (struct metrics_cursor){.family = at->family + 1};
            continue;
        }
        if (!at->told)
            put_head(&w);
        at->told = true;
        w.item = item_of(m, w.family, at->item++);
        put_item(&w);
    }
    if (at->family < metrics_n_families)
        return true;
    if (w.open && !at->ended)
        text_add(out, "# EOF\n");
    at->ended = true;
    return false;
}
