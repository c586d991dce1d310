/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/text.h"
#include "supervisor/profile/draw.h"
#include "supervisor/profile/flamegraph.h"
#include "supervisor/profile/profile.h"

/* Stacks as a tree, and the tree as boxes. What a frame is called is somebody's text: it is escaped. */

#define WIDTH     1200.0
#define ROW       17
#define TOP_ROOM  48   /* for title and search */
#define DEEPEST   256  /* rows; what lies beyond is counted in the last one */
#define THINNEST  0.08 /* of a box; below that it is not drawn */
#define NODES_MAX 500000
#define LETTER    6.6 /* width of one */

struct frame {
    struct table_node node;     /* by parent and name */
    struct frame *parent;       /* NULL: the root */
    struct frame *first, *next; /* children; siblings by name */
    const char *name;           /* in the profile, or `unnamed` */
    char *unnamed;              /* owned; NULL when it has a name */
    uint64_t size;              /* sum of what its stacks have, without signs */
    int64_t net;                /* with them */
    size_t number;
};

struct drawing {
    struct table by_name;
    struct frame **all; /* owned, each; [0] is the root */
    size_t n, room, type;
    unsigned deepest; /* row that is used */
    bool difference;
    const char *unit;
    struct text *out;
};

static struct frame *
frame_new(struct drawing *d, struct frame *parent, const char *name, bool copy)
{
    struct frame **all, *f;

    if (d->n == d->room) {
        d->room = d->room ? d->room * 2 : 256;
        all = reallocarray(d->all, d->room, sizeof(struct frame *));
        if (!all)
            return NULL;
        d->all = all;
    }
    f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->unnamed = copy ? strdup(name) : NULL;
    f->name = copy ? f->unnamed : name;
    f->parent = parent;
    f->number = d->n;
    d->all[d->n++] = f;
    return f->name ? f : NULL; /* it is freed with the others */
}

static struct frame *
child_of(struct drawing *d, struct frame *parent, const struct profile_line *l)
{
    char unnamed[80];
    const char *name = l->function;
    struct table_node *t;
    struct frame *f;
    uint64_t key;

    if (name[0] == '\0') {
        (void)snprintf(unnamed, sizeof(unnamed), "%.40s 0x%" PRIx64, l->module, l->address);
        name = unnamed;
    }
    key = table_key(name) ^ (parent->number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (t = table_find(&d->by_name, key); t; t = table_next(t)) {
        f = container_of(t, struct frame, node);
        if (f->parent == parent && strcmp(f->name, name) == 0)
            return f;
    }
    f = d->n < NODES_MAX ? frame_new(d, parent, name, name == unnamed) : NULL;
    if (!f)
        return NULL;
    table_add(&d->by_name, &f->node, key);
    return f;
}

static void
add(struct frame *f, int64_t value)
{
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

    if (__builtin_add_overflow(f->size, size, &f->size))
        f->size = UINT64_MAX;
    if (__builtin_add_overflow(f->net, value, &f->net))
        f->net = value < 0 ? INT64_MIN : INT64_MAX;
}

static int
plant(void *env, const struct profile_view *v)
{
    struct drawing *d = env;
    struct frame *f = d->all[0];
    int64_t value = v->values[d->type];
    unsigned row = 0;

    if (value == 0)
        return 0;
    d->difference = d->difference || value < 0;
    add(f, value);
    for (size_t i = v->n_lines; i-- > 0 && row < DEEPEST;) {
        f = child_of(d, f, &v->lines[i]);
        if (!f)
            return d->n < NODES_MAX ? -ENOMEM : 0; /* the rest of it stays in its caller */
        add(f, value);
        if (++row > d->deepest)
            d->deepest = row;
    }
    return 0;
}

/* Parents come before their children, so going backwards each finds its list as it has to begin. */
static int
by_name_backwards(const void *a, const void *b)
{
    const struct frame *x = *(struct frame *const *)a, *y = *(struct frame *const *)b;

    return strcmp(y->name, x->name);
}

static int
link_children(const struct drawing *d)
{
    auto_free struct frame **sorted = calloc(d->n, sizeof(struct frame *));

    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, d->all, d->n * sizeof(struct frame *));
    qsort(sorted, d->n, sizeof(struct frame *), by_name_backwards);
    for (size_t i = 0; i < d->n; i++)
        if (sorted[i]->parent) {
            sorted[i]->next = sorted[i]->parent->first;
            sorted[i]->parent->first = sorted[i];
        }
    return 0;
}

/* ---- SVG ------------------------------------------------------------------------------------------ */

static void
escaped(struct text *out, const char *s, size_t n)
{
    for (; *s && n > 0; s++, n--) {
        switch (*s) {
        case '&':
            text_add(out, "&amp;");
            break;
        case '<':
            text_add(out, "&lt;");
            break;
        case '>':
            text_add(out, "&gt;");
            break;
        case '"':
            text_add(out, "&quot;");
            break;
        default:
            text_addn(out, s, 1);
        }
    }
}

/* How many bytes of @s are at most @letters letters, whole ones. */
static size_t
letters(const char *s, size_t letters)
{
    size_t n = 0;

    for (; s[n] && (letters > 0 || ((unsigned char)s[n] & 0xc0) == 0x80); n++)
        if (((unsigned char)s[n] & 0xc0) != 0x80)
            letters--;
    return n;
}

/* Warm, and the same for the same name; of a difference red is more and blue is less. */
static void
colour(const struct drawing *d, const struct frame *f, char to[24])
{
    uint64_t hash = table_key(f->name);
    unsigned vary = (unsigned)(hash >> 40 & 63);
    double part = f->size > 0 ? (double)f->net / (double)f->size : 0;

    if (!d->difference)
        (void)snprintf(to, 24, "rgb(%u,%u,%u)", 205 + vary % 50, 120 + vary * 2, 40 + vary);
    else if (part >= 0)
        (void)snprintf(to, 24, "rgb(255,%u,%u)", 220 - (unsigned)(part * 150),
                       220 - (unsigned)(part * 150));
    else
        (void)snprintf(to, 24, "rgb(%u,%u,255)", 220 - (unsigned)(-part * 150),
                       220 - (unsigned)(-part * 150));
}

static void
box(const struct drawing *d, const struct frame *f, double x, double w, unsigned row)
{
    unsigned y = TOP_ROOM + (d->deepest - row) * ROW;
    size_t fit = w > 3 * LETTER ? (size_t)((w - 6) / LETTER) : 0;
    size_t n = letters(f->name, fit);
    char amount[48], fill[24];

    colour(d, f, fill);
    text_addf(d->out, "<g class=\"f\" data-x=\"%.3f\" data-w=\"%.3f\" data-r=\"%u\"><title>", x, w,
              row);
    escaped(d->out, f->name, SIZE_MAX);
    text_addf(d->out, " (%s, %.2f %%)</title>",
              profile_amount(f->net, d->unit, amount, sizeof(amount)),
              d->all[0]->size > 0 ? 100.0 * (double)f->size / (double)d->all[0]->size : 0);
    text_addf(d->out, "<rect x=\"%.3f\" y=\"%u\" width=\"%.3f\" height=\"%d\" fill=\"%s\"/>", x, y,
              w, ROW - 1, fill);
    text_addf(d->out, "<text x=\"%.3f\" y=\"%u\">", x + 3, y + ROW - 5);
    if (f->name[n] == '\0') {
        escaped(d->out, f->name, n);
    } else if (fit > 2) {
        escaped(d->out, f->name, letters(f->name, fit - 2));
        text_add(d->out, "..");
    }
    text_add(d->out, "</text></g>\n");
}

/* Not by recursion: a stack is as deep as somebody's program made it. */
static void
draw(const struct drawing *d)
{
    struct {
        const struct frame *frame;
        double x; /* of what comes next in it */
    } path[DEEPEST + 2] = {
        {d->all[0]->first, 0}
    };
    double scale = d->all[0]->size > 0 ? WIDTH / (double)d->all[0]->size : 0;
    unsigned row = 0;

    box(d, d->all[0], 0, WIDTH, 0);
    for (;;) {
        const struct frame *f = path[row].frame;
        double x = path[row].x, w;

        if (!f) {
            if (row == 0)
                return;
            row--;
            continue;
        }
        w = (double)f->size * scale;
        path[row].frame = f->next;
        path[row].x = x + w;
        if (w < THINNEST)
            continue;
        box(d, f, x, w, row + 1);
        if (row + 1 <= DEEPEST) {
            row++;
            path[row].frame = f->first;
            path[row].x = x;
        }
    }
}

static void
page(const struct drawing *d, const char *title)
{
    unsigned height = TOP_ROOM + (d->deepest + 1) * ROW + 8;
    char amount[48];

    text_addf(
        d->out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
        "viewBox=\"0 0 %d %u\">\n%s<rect width=\"100%%\" height=\"100%%\" fill=\"#fdfdf8\"/>\n"
        "<text x=\"10\" y=\"20\" class=\"title\">",
        (int)WIDTH, height, (int)WIDTH, height, flamegraph_style);
    escaped(d->out, title, SIZE_MAX);
    text_addf(d->out, ": %s</text>\n%s",
              profile_amount(d->all[0]->net, d->unit, amount, sizeof(amount)), flamegraph_buttons);
    draw(d);
    text_add(d->out, flamegraph_script);
    text_add(d->out, "</svg>\n");
}

int
profile_flamegraph(const struct profile *p, size_t type, const char *title, struct text *out)
{
    struct drawing d = {.type = type, .unit = profile_type_at(p, type).unit, .out = out};
    int r = frame_new(&d, NULL, "all", false) ? 0 : -ENOMEM;

    r = r < 0 ? r : profile_each(p, plant, &d);
    r = r < 0 ? r : link_children(&d);
    if (r == 0)
        page(&d, title);
    for (size_t i = 0; i < d.n; i++) {
        free(d.all[i]->unnamed);
        free(d.all[i]);
    }
    free(d.all);
    table_finish(&d.by_name);
    return r == 0 && out->failed ? -ENOMEM : r;
}
