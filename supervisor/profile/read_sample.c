/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "supervisor/profile/read.h"

/* The samples of a file. Their locations and labels are looked up; what they refer to has been read. */

/* Room for one more in an array; the array may move. */
static int
room_for(void **items, size_t *room, size_t n, size_t size)
{
    size_t more = *room ? *room * 2 : 64;
    void *grown;

    if (n < *room)
        return 0;
    grown = reallocarray(*items, more, size);
    if (!grown)
        return -ENOMEM;
    *items = grown;
    *room = more;
    return 0;
}

static int
push_location(struct reading *r, uint64_t id, size_t *n)
{
    const struct known_id *at = r->locations.items;
    size_t left = r->locations.n;
    void *items = r->stack;
    int e = room_for(&items, &r->stack_room, *n, sizeof(*r->stack));

    r->stack = items;
    if (e < 0)
        return e;
    while (left > 0) { /* the last one that is not beyond it */
        size_t half = left / 2;

        if (at[half].theirs == id) {
            r->stack[(*n)++] = at[half].mine;
            return 0;
        }
        if (at[half].theirs < id) {
            at += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return read_bad(r, "a sample is at a location that is not there");
}

static int
read_label(struct reading *r, struct cursor c, struct p_label *ret)
{
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        if (f.id == LABEL_KEY)
            e = read_text(r, f.number, &ret->key);
        else if (f.id == LABEL_TEXT)
            e = read_text(r, f.number, &ret->text);
        else if (f.id == LABEL_NUMBER)
            ret->number = (int64_t)f.number;
        else if (f.id == LABEL_UNIT)
            e = read_text(r, f.number, &ret->unit);
    }
    if (e == 0 && c.bad)
        e = read_bad(r, "a label is cut off");
    if (ret->text > 0) { /* a label is one of the two */
        ret->number = 0;
        ret->unit = 0;
    }
    return e;
}

static int
push_label(struct reading *r, struct cursor body, size_t *n)
{
    void *items = r->labels;
    int e = room_for(&items, &r->labels_room, *n, sizeof(*r->labels));

    r->labels = items;
    if (e < 0)
        return e;
    r->labels[*n] = (struct p_label){0};
    e = read_label(r, body, &r->labels[*n]);
    if (e == 0 && r->labels[*n].key > 0)
        ++*n;
    /* Each is put in its place among those before it: without a bound that would take a square of time. */
    return e == 0 && *n > PROFILE_LABELS_MAX ? read_bad(r, "a sample has too many labels") : e;
}

static int
push_value(const struct reading *r, uint64_t value, int64_t *values, size_t *n)
{
    if (*n == r->n_types)
        return read_bad(r, "a sample has more values than there are types");
    values[(*n)++] = (int64_t)value;
    return 0;
}

/* Numbers may come one by one or packed. */
static int
push_numbers(struct reading *r, const struct field *f, int64_t *values, size_t *n_values,
             size_t *n_locations)
{
    struct cursor c = f->body;
    uint64_t number = f->number;
    bool packed = f->kind == WIRE_BYTES;
    int e = 0;

    while (e == 0 && (!packed || cursor_number(&c, &number))) {
        e = f->id == SAMPLE_VALUE ? push_value(r, number, values, n_values)
                                  : push_location(r, number, n_locations);
        if (!packed)
            break;
    }
    return e == 0 && packed && c.bad ? read_bad(r, "a sample is cut off") : e;
}

static int
read_sample(struct reading *r, struct cursor c)
{
    int64_t values[PROFILE_TYPES_MAX] = {0};
    size_t n_values = 0, n_locations = 0, n_labels = 0;
    struct p_stack s;
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        if (f.id == SAMPLE_LOCATION || f.id == SAMPLE_VALUE)
            e = push_numbers(r, &f, values, &n_values, &n_locations);
        else if (f.id == SAMPLE_LABEL && f.kind == WIRE_BYTES)
            e = push_label(r, f.body, &n_labels);
    }
    if (e == 0 && c.bad)
        e = read_bad(r, "a sample is cut off");
    if (e == 0 && n_values != r->n_types)
        e = read_bad(r, "a sample has fewer values than there are types");
    if (e < 0)
        return e;
    s = (struct p_stack){.locations = r->stack,
                         .values = values,
                         .labels = r->labels,
                         .n_locations = (uint32_t)n_locations,
                         .n_labels = (uint32_t)n_labels};
    return p_sample_add(r->p, &s, 1);
}

int
read_samples(struct reading *r, struct cursor whole)
{
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&whole, &f))
        if (f.id == PROFILE_SAMPLE && f.kind == WIRE_BYTES)
            e = read_sample(r, f.body);
    return e;
}
