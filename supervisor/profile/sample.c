/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "supervisor/profile/internal.h"

/* Functions, locations and samples: each is there once, and is found by what it is made of. */

uint32_t
p_function(struct profile *p, uint32_t name, uint32_t file, int64_t start_line)
{
    uint64_t key = ((uint64_t)name << 32 | file) * UINT64_C(0x9e3779b97f4a7c15);
    struct table_node *t;
    struct p_function *f;

    for (t = table_find(&p->by_function, key); t; t = table_next(t)) {
        f = container_of(t, struct p_function, node);
        if (f->name == name && f->file == file && f->start_line == start_line)
            return f->id;
    }
    f = p_list_room(&p->functions) ? calloc(1, sizeof(*f)) : NULL;
    if (!f)
        return UINT32_MAX;
    f->name = name;
    f->file = file;
    f->start_line = start_line;
    p->functions.items[p->functions.n] = f;
    f->id = ++p->functions.n;
    table_add(&p->by_function, &f->node, key);
    return f->id;
}

static bool
location_is(const struct p_location *l, uint64_t address, uint32_t mapping,
            const struct p_line *lines, uint32_t n_lines)
{
    if (l->address != address || l->mapping != mapping || l->n_lines != n_lines)
        return false;
    for (uint32_t i = 0; i < n_lines; i++)
        if (l->lines[i].function != lines[i].function || l->lines[i].line != lines[i].line)
            return false;
    return true;
}

uint32_t
p_location(struct profile *p, uint64_t address, uint32_t mapping, const struct p_line *lines,
           uint32_t n_lines)
{
    uint64_t first = n_lines > 0 ? (uint64_t)lines[0].function << 32 ^ (uint64_t)lines[0].line : 0;
    uint64_t key = (address ^ first * UINT64_C(0x9e3779b97f4a7c15)) * 31 + mapping;
    struct table_node *t;
    struct p_location *l;

    for (t = table_find(&p->by_location, key); t; t = table_next(t)) {
        l = container_of(t, struct p_location, node);
        if (location_is(l, address, mapping, lines, n_lines))
            return l->id;
    }
    l = p_list_room(&p->locations) ? calloc(1, sizeof(*l) + n_lines * sizeof(*lines)) : NULL;
    if (!l)
        return UINT32_MAX;
    l->address = address;
    l->mapping = mapping;
    l->n_lines = n_lines;
    if (n_lines > 0)
        memcpy(l->lines, lines, n_lines * sizeof(*lines));
    p->locations.items[p->locations.n] = l;
    l->id = ++p->locations.n;
    table_add(&p->by_location, &l->node, key);
    return l->id;
}

/* ---- samples ------------------------------------------------------------------------------------ */

/* By key, stable: insertion into a list of a few. Of one key the first stays. */
static void
sort_labels(struct p_stack *s)
{
    uint32_t n = 0, k;

    for (uint32_t i = 0; i < s->n_labels; i++) {
        const struct p_label l = s->labels[i];

        for (k = n; k > 0 && s->labels[k - 1].key > l.key;)
            k--;
        if (k > 0 && s->labels[k - 1].key == l.key)
            continue;
        memmove(&s->labels[k + 1], &s->labels[k], (n - k) * sizeof(l));
        s->labels[k] = l;
        n++;
    }
    s->n_labels = n;
}

static bool
label_is(const struct p_label *a, const struct p_label *b)
{
    return a->key == b->key && a->text == b->text && a->unit == b->unit && a->number == b->number;
}

static bool
sample_is(const struct p_sample *have, const struct p_stack *s)
{
    if (have->n_locations != s->n_locations || have->n_labels != s->n_labels)
        return false;
    for (uint32_t i = 0; i < s->n_locations; i++)
        if (have->locations[i] != s->locations[i])
            return false;
    for (uint32_t i = 0; i < s->n_labels; i++)
        if (!label_is(&have->labels[i], &s->labels[i]))
            return false;
    return true;
}

static uint64_t
sample_key(const struct p_stack *s)
{
    struct digest d = digest_of(s->locations, s->n_locations * sizeof(*s->locations));

    for (uint32_t i = 0; i < s->n_labels; i++) {
        const struct p_label *l = &s->labels[i];
        const uint64_t words[] = {l->key, l->text, l->unit, (uint64_t)l->number};

        d = digest_mix(d, digest_of(words, sizeof(words)));
    }
    return d.low;
}

/* @to + @value * @scale, kept within its bounds. */
static void
add_value(int64_t *to, int64_t value, int64_t scale)
{
    int64_t times, sum;

    if (__builtin_mul_overflow(value, scale, &times))
        times = (value < 0) == (scale < 0) ? INT64_MAX : INT64_MIN;
    if (__builtin_add_overflow(*to, times, &sum))
        sum = times > 0 ? INT64_MAX : INT64_MIN;
    *to = sum;
}

static struct p_sample *
sample_make(const struct profile *p, const struct p_stack *s)
{
    size_t values = p->n_types * sizeof(int64_t), labels = s->n_labels * sizeof(struct p_label);
    size_t locations = s->n_locations * sizeof(uint32_t);
    struct p_sample *made = calloc(1, sizeof(*made) + values + labels + locations);

    if (!made)
        return NULL;
    made->values = (int64_t *)(void *)(made + 1);
    made->labels = (struct p_label *)(void *)(made->values + p->n_types);
    made->locations = (uint32_t *)(void *)(made->labels + s->n_labels);
    made->n_labels = s->n_labels;
    made->n_locations = s->n_locations;
    if (labels > 0)
        memcpy(made->labels, s->labels, labels);
    if (locations > 0)
        memcpy(made->locations, s->locations, locations);
    return made;
}

int
p_sample_add(struct profile *p, struct p_stack *s, int64_t scale)
{
    struct p_sample *found = NULL;
    struct table_node *t;
    uint64_t key;

    sort_labels(s);
    key = sample_key(s);
    for (t = table_find(&p->by_sample, key); t && !found; t = table_next(t)) {
        struct p_sample *have = container_of(t, struct p_sample, node);

        if (sample_is(have, s))
            found = have;
    }
    if (!found) {
        found = p_list_room(&p->samples) ? sample_make(p, s) : NULL;
        if (!found)
            return -ENOMEM;
        p->samples.items[p->samples.n++] = found;
        table_add(&p->by_sample, &found->node, key);
    }
    for (uint32_t i = 0; i < p->n_types; i++)
        add_value(&found->values[i], s->values[i], scale);
    return 0;
}

static uint32_t
frame_location(struct profile *p, const struct profile_frame *f)
{
    struct p_line line = {.line = f->line};
    uint32_t name = p_string(p, f->function), file = p_string(p, f->file);
    uint32_t mapping = f->mapping <= p->n_mappings ? (uint32_t)f->mapping : 0;

    if (name == UINT32_MAX || file == UINT32_MAX)
        return UINT32_MAX;
    if (name == 0) /* a line without a function would keep pprof from looking for one */
        return p_location(p, f->address, mapping, NULL, 0);
    line.function = p_function(p, name, file, 0);
    if (line.function == UINT32_MAX)
        return UINT32_MAX;
    return p_location(p, f->address, mapping, &line, 1);
}

int
profile_sample(struct profile *p, const struct profile_frame *frames, size_t n_frames,
               const int64_t *values, const struct profile_label *labels, size_t n_labels)
{
    uint32_t locations[PROFILE_FRAMES_MAX];
    struct p_label mine[PROFILE_LABELS_MAX];
    struct p_stack s = {.locations = locations, .labels = mine, .values = values};

    if (n_labels > PROFILE_LABELS_MAX)
        return -EINVAL;
    n_frames = n_frames < PROFILE_FRAMES_MAX ? n_frames : PROFILE_FRAMES_MAX;
    for (; s.n_locations < n_frames; s.n_locations++) {
        locations[s.n_locations] = frame_location(p, &frames[s.n_locations]);
        if (locations[s.n_locations] == UINT32_MAX)
            return -ENOMEM;
    }
    for (size_t i = 0; i < n_labels; i++) {
        const struct profile_label *l = &labels[i];
        struct p_label *to = &mine[s.n_labels];

        if (!l->key || !l->key[0] || (l->text && !l->text[0]))
            continue;
        *to = (struct p_label){.key = p_string(p, l->key),
                               .text = p_string(p, l->text),
                               .unit = l->text ? 0 : p_string(p, l->unit),
                               .number = l->text ? 0 : l->number};
        if (to->key == UINT32_MAX || to->text == UINT32_MAX || to->unit == UINT32_MAX)
            return -ENOMEM;
        s.n_labels++;
    }
    return p_sample_add(p, &s, 1);
}
