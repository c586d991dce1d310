/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/reader.h"

enum { NEAR_MAX = 40, EXCERPT_MAX = 160 };

static void
diagnostic_finish(struct diagnostic *d)
{
    free(d->file);
    free(d->text);
    free(d->excerpt);
}

void
diagnostics_finish(struct diagnostics *d)
{
    for (size_t i = 0; i < d->n; i++)
        diagnostic_finish(&d->items[i]);
    free(d->items);
    *d = (struct diagnostics){NULL, 0, 0};
}

/* Columns count characters, so the caret does too. */
static void
render_excerpt(const struct diagnostic *d, struct text *out)
{
    unsigned columns = 1;

    for (const char *p = d->excerpt; *p; p++)
        columns += ((unsigned char)*p & 0xc0) != 0x80;
    text_addf(out, "    %s\n", d->excerpt);
    if (d->column <= columns)
        text_addf(out, "    %*s\n", (int)d->column, "^");
}

void
diagnostics_render(const struct diagnostics *d, struct text *out)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct diagnostic *item = &d->items[i];

        if (item->line > 0)
            text_addf(out, "%s:%u:%u: %s\n", item->file, item->line, item->column, item->text);
        else
            text_addf(out, "%s: %s\n", item->file, item->text);
        if (item->excerpt)
            render_excerpt(item, out);
    }
    if (d->left_out > 0)
        text_addf(out, "… and %zu more\n", d->left_out);
}

bool
findings_full(const struct reader *r)
{
    return r->diags->n >= DIAGNOSTICS_MAX;
}

int
no_memory(struct reader *r)
{
    r->no_memory = true;
    return -ENOMEM;
}

/* Asked before the text around the place is looked up: a shared node may be wrong 20,000 times. */
static bool
known_already(const struct reader *r, const struct diagnostic *d, const char *what)
{
    for (size_t i = r->first; i < r->diags->n; i++) {
        const struct diagnostic *o = &r->diags->items[i];

        if (o->line == d->line && o->column == d->column && strcmp(o->file, d->file) == 0 &&
            strncmp(o->text, what, strlen(what)) == 0)
            return true;
    }
    return false;
}

/* Takes over what @d owns. */
static void
keep(struct reader *r, struct diagnostic *d)
{
    struct diagnostic *bigger = NULL;

    if (d->file && d->text)
        bigger = realloc(r->diags->items, (r->diags->n + 1) * sizeof(*bigger));
    if (!bigger) {
        r->no_memory = true;
        diagnostic_finish(d);
        return;
    }
    r->diags->items = bigger;
    bigger[r->diags->n++] = *d;
}

/* A terminal shows it: tabs become spaces (one column stays one), other control characters '?'. */
static void
add_visibly(struct text *t, const char *s, size_t n)
{
    for (size_t at = 0; at < n;) {
        unsigned code;
        size_t length = utf8_decode(s + at, n - at, &code);

        if (length == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0))
            text_add(t, length && code == '\t' ? " " : "?");
        else
            text_addn(t, s + at, length);
        at += length ? length : 1;
    }
}

static char *
excerpt_of(const struct source *source, unsigned line)
{
    struct text t = TEXT_INIT;
    size_t n;
    const char *s = source_line(source, line, &n);

    add_visibly(&t, s, utf8_cut(s, n, EXCERPT_MAX));
    if (t.bytes == 0)
        text_finish(&t);
    return t.data ? text_steal(&t) : NULL;
}

/* " near 'comand: [./web]'": from the place on, to the end of its line. */
static void
add_near(struct text *t, const struct node *n)
{
    auto_free char *line = excerpt_of(n->source, n->line);
    size_t bytes = line ? strlen(line) : 0, cut;
    size_t at = line ? utf8_skip(line, bytes, n->column - 1) : 0;

    while (bytes > at && line[bytes - 1] == ' ')
        bytes--;
    if (bytes == at || !line)
        return;
    cut = utf8_cut(line + at, bytes - at, NEAR_MAX);
    text_addf(t, " near '%.*s%s'", (int)cut, line + at, cut < bytes - at ? "…" : "");
}

int
finding(struct reader *r, const struct node *n, const char *meant, const char *fmt, ...)
{
    auto_free char *what = NULL;
    auto_text struct text t = TEXT_INIT;
    struct diagnostic d = {.line = n->line, .column = n->column};
    va_list ap;
    int length;

    r->failed = true;
    if (findings_full(r)) {
        r->diags->left_out++;
        return -EINVAL;
    }
    va_start(ap, fmt);
    length = vasprintf(&what, fmt, ap);
    va_end(ap);
    if (length < 0) {
        what = NULL;
        return no_memory(r);
    }
    add_visibly(&t, what, (size_t)length); /* keys and values may hold anything */
    d.file = strdup(n->source->name);
    if (d.file && known_already(r, &d, text_str(&t))) {
        diagnostic_finish(&d);
        return -EINVAL;
    }
    add_near(&t, n);
    if (meant && meant[0] != '\0') {
        text_add(&t, ", did you mean '");
        add_visibly(&t, meant, strlen(meant));
        text_add(&t, "'?");
    }
    d.text = text_steal(&t);
    d.excerpt = excerpt_of(n->source, n->line);
    keep(r, &d);
    return -EINVAL;
}

__attribute__((format(printf, 3, 0))) static int
finding_plain(struct reader *r, struct diagnostic *d, const char *fmt, va_list ap)
{
    auto_free char *what = NULL;
    struct text t = TEXT_INIT;
    int length;

    r->failed = true;
    if (findings_full(r)) {
        r->diags->left_out++;
        diagnostic_finish(d);
        return -EINVAL;
    }
    length = vasprintf(&what, fmt, ap);
    if (length < 0)
        what = NULL;
    else
        add_visibly(&t, what, (size_t)length);
    d->text = text_steal(&t);
    if (d->file && d->text && known_already(r, d, d->text))
        diagnostic_finish(d);
    else
        keep(r, d);
    return -EINVAL;
}

int
finding_at(struct reader *r, const struct source *source, unsigned line, unsigned column,
           const char *fmt, ...)
{
    struct diagnostic d = {.line = line, .column = column, .file = strdup(source->name)};
    va_list ap;
    int result;

    if (line > 0)
        d.excerpt = excerpt_of(source, line);
    va_start(ap, fmt);
    result = finding_plain(r, &d, fmt, ap);
    va_end(ap);
    return result;
}

int
finding_file(struct reader *r, const char *name, const char *fmt, ...)
{
    struct diagnostic d = {.file = strdup(name)};
    va_list ap;
    int result;

    va_start(ap, fmt);
    result = finding_plain(r, &d, fmt, ap);
    va_end(ap);
    return result;
}

static size_t
rank_of(struct source *const *sources, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(sources[i]->name, name) == 0)
            return i;
    return n;
}

void
findings_sort(struct reader *r, struct source *const *sources, size_t n)
{
    struct diagnostic *items = r->diags->items;

    /* Insertion keeps equals in order, and there are at most DIAGNOSTICS_MAX. */
    for (size_t i = r->first + 1; i < r->diags->n; i++) {
        struct diagnostic d = items[i];
        size_t rank = rank_of(sources, n, d.file), at = i;

        for (; at > r->first; at--) {
            const struct diagnostic *o = &items[at - 1];
            size_t other = rank_of(sources, n, o->file);

            if (other < rank || (other == rank && (o->line < d.line ||
                                                   (o->line == d.line && o->column <= d.column))))
                break;
            items[at] = items[at - 1];
        }
        items[at] = d;
    }
}

int
reader_result(struct reader *r, const char *name)
{
    if (r->no_memory) {
        (void)finding_file(r, name, "out of memory while reading it");
        return -ENOMEM;
    }
    return r->failed ? -EINVAL : 0;
}
