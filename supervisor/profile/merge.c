/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/profile/internal.h"

/* Adding one profile to another, and what is in one. */

/* Numbers of @from as numbers of the one that it is added to; index by id - 1, texts by their index. */
struct translation {
    uint32_t *strings, *mappings, *locations; /* owned */
    int64_t *moved; /* owned; of each mapping: how far it lies from the one it became */
};

static void
translation_finish(struct translation *t)
{
    free(t->strings);
    free(t->mappings);
    free(t->locations);
    free(t->moved);
}

static bool
translation_init(struct translation *t, const struct profile *from)
{
    t->strings = calloc(from->strings.n + 1U, sizeof(uint32_t));
    t->mappings = calloc(from->n_mappings + 1U, sizeof(uint32_t));
    t->moved = calloc(from->n_mappings + 1U, sizeof(int64_t));
    t->locations = calloc(from->locations.n + 1U, sizeof(uint32_t));
    return t->strings && t->mappings && t->moved && t->locations;
}

static bool
same_types(const struct profile *a, const struct profile *b)
{
    if (a->n_types != b->n_types)
        return false;
    for (uint32_t i = 0; i < a->n_types; i++)
        if (strcmp(p_text(a, a->types[i].type), p_text(b, b->types[i].type)) != 0 ||
            strcmp(p_text(a, a->types[i].unit), p_text(b, b->types[i].unit)) != 0)
            return false;
    return true;
}

/* Is @b, in words of the same profile, a mapping of the same code as @a? */
static bool
same_code(const struct p_mapping *a, const struct p_mapping *b)
{
    if (a->limit - a->start != b->limit - b->start || a->offset != b->offset)
        return false;
    if (a->build_id > 0 || b->build_id > 0)
        return a->build_id == b->build_id;
    return a->file > 0 && a->file == b->file;
}

static int
add_mappings(struct profile *into, const struct profile *from, struct translation *t)
{
    for (uint32_t i = 0; i < from->n_mappings; i++) {
        struct p_mapping m = from->mappings[i];

        m.file = t->strings[m.file];
        m.build_id = t->strings[m.build_id];
        for (uint32_t k = 0; k < into->n_mappings; k++)
            if (same_code(&into->mappings[k], &m)) {
                t->moved[i] = (int64_t)(into->mappings[k].start - m.start);
                m.start = into->mappings[k].start;
                m.limit = into->mappings[k].limit;
                m.file = into->mappings[k].file;
                break;
            }
        t->mappings[i] = p_mapping(into, &m);
        if (t->mappings[i] == UINT32_MAX)
            return -ENOMEM;
    }
    return 0;
}

static int
add_location(struct profile *into, const struct profile *from, struct translation *t, uint32_t id)
{
    const struct p_location *l = p_location_at(from, id);
    auto_free struct p_line *lines = calloc(l->n_lines + 1U, sizeof(*lines));
    uint32_t mapping = l->mapping;
    uint64_t address = l->address;

    if (!lines)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->n_lines; i++) {
        lines[i].line = l->lines[i].line;
        if (l->lines[i].function > 0) {
            const struct p_function *f = p_function_at(from, l->lines[i].function);

            lines[i].function =
                p_function(into, t->strings[f->name], t->strings[f->file], f->start_line);
            if (lines[i].function == UINT32_MAX)
                return -ENOMEM;
        }
    }
    if (mapping > 0) {
        address += (uint64_t)t->moved[mapping - 1];
        mapping = t->mappings[mapping - 1];
    }
    t->locations[id - 1] = p_location(into, address, mapping, lines, l->n_lines);
    return t->locations[id - 1] == UINT32_MAX ? -ENOMEM : 0;
}

static bool
forgotten(const char *key, const char *const *forget)
{
    for (; forget && *forget; forget++)
        if (strcmp(*forget, key) == 0)
            return true;
    return false;
}

static int
add_sample(struct profile *into, const struct profile *from, const struct translation *t,
           const struct p_sample *s, int64_t scale, const char *const *forget)
{
    auto_free uint32_t *locations = calloc(s->n_locations + 1U, sizeof(*locations));
    auto_free struct p_label *labels = calloc(s->n_labels + 1U, sizeof(*labels));
    struct p_stack stack = {.locations = locations, .labels = labels, .values = s->values};

    if (!locations || !labels)
        return -ENOMEM;
    for (; stack.n_locations < s->n_locations; stack.n_locations++)
        locations[stack.n_locations] = t->locations[s->locations[stack.n_locations] - 1];
    for (uint32_t i = 0; i < s->n_labels; i++) {
        const struct p_label *l = &s->labels[i];

        if (forgotten(p_text(from, l->key), forget))
            continue;
        labels[stack.n_labels++] = (struct p_label){.key = t->strings[l->key],
                                                    .text = t->strings[l->text],
                                                    .unit = t->strings[l->unit],
                                                    .number = l->number};
    }
    return p_sample_add(into, &stack, scale);
}

static int
add_head(struct profile *into, const struct profile *from, const struct translation *t)
{
    int r = 0;

    for (uint32_t i = 0; i < from->n_comments && r == 0; i++)
        r = p_comment(into, t->strings[from->comments[i]]);
    if (from->wall_ns > 0 && (into->wall_ns == 0 || from->wall_ns < into->wall_ns))
        into->wall_ns = from->wall_ns;
    if (from->duration_ns > into->duration_ns) /* they ran at the same time */
        into->duration_ns = from->duration_ns;
    if (into->period == 0) {
        into->period = from->period;
        into->period_type.type = t->strings[from->period_type.type];
        into->period_type.unit = t->strings[from->period_type.unit];
    }
    return r;
}

static int
add_all(struct profile *into, const struct profile *from, int64_t scale, const char *const *forget,
        struct translation *t)
{
    int r = translation_init(t, from) ? 0 : -ENOMEM;

    for (uint32_t i = 0; i < from->strings.n && r == 0; i++) {
        t->strings[i] = p_string(into, p_text(from, i));
        r = t->strings[i] == UINT32_MAX ? -ENOMEM : 0;
    }
    r = r < 0 ? r : add_mappings(into, from, t);
    for (uint32_t i = 0; i < from->locations.n && r == 0; i++)
        r = add_location(into, from, t, i + 1);
    for (uint32_t i = 0; i < from->samples.n && r == 0; i++)
        r = add_sample(into, from, t, p_sample_at(from, i), scale, forget);
    return r < 0 ? r : add_head(into, from, t);
}

static int
add_profile(struct profile *into, const struct profile *from, int64_t scale,
            const char *const *forget)
{
    struct translation t = {0};
    int r = same_types(into, from) ? add_all(into, from, scale, forget, &t) : -EINVAL;

    translation_finish(&t);
    return r;
}

int
profile_merge(struct profile *into, const struct profile *from, int64_t scale)
{
    return add_profile(into, from, scale, NULL);
}

int
profile_forget(struct profile *p, const char *const *keys)
{
    auto_profile struct profile *fresh = NULL;
    struct profile_type types[PROFILE_TYPES_MAX];
    struct profile old = *p;
    int r;

    for (uint32_t i = 0; i < p->n_types; i++)
        types[i] = profile_type_at(p, i);
    r = profile_new(&fresh, types, p->n_types, p_text(p, p->default_type));
    if (r < 0)
        return r;
    r = add_profile(fresh, p, 1, keys);
    if (r < 0)
        return r;
    *p = *fresh;
    *fresh = old;
    return 0;
}
