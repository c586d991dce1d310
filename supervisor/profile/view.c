/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/profile/internal.h"

/* What is in a profile, for whoever draws or checks it. */

size_t
profile_samples(const struct profile *p)
{
    return p->samples.n;
}

size_t
profile_types(const struct profile *p)
{
    return p->n_types;
}

struct profile_type
profile_type_at(const struct profile *p, size_t i)
{
    return (struct profile_type){p_text(p, p->types[i].type), p_text(p, p->types[i].unit)};
}

size_t
profile_type_find(const struct profile *p, const char *type)
{
    const char *wanted = type ? type : p_text(p, p->default_type);

    for (uint32_t i = 0; i < p->n_types; i++)
        if (strcmp(p_text(p, p->types[i].type), wanted) == 0)
            return i;
    return type ? SIZE_MAX : p->n_types - 1U;
}

int64_t
profile_total(const struct profile *p, size_t type)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < p->samples.n; i++)
        if (__builtin_add_overflow(sum, p_sample_at(p, i)->values[type], &sum))
            return INT64_MAX;
    return sum;
}

size_t
profile_comments(const struct profile *p)
{
    return p->n_comments;
}

const char *
profile_comment_at(const struct profile *p, size_t i)
{
    return p_text(p, p->comments[i]);
}

int64_t
profile_duration_ns(const struct profile *p)
{
    return p->duration_ns;
}

static const char *
last_component(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Return: how many lines it became; of an address without a function one. */
static size_t
location_lines(const struct profile *p, const struct p_location *l, struct profile_line *to,
               size_t room)
{
    struct profile_line line = {.address = l->address, .function = "", .file = "", .module = ""};
    size_t n = 0;

    if (l->mapping > 0)
        line.module = last_component(p_text(p, p->mappings[l->mapping - 1].file));
    for (uint32_t i = 0; i < l->n_lines && n < room; i++) {
        const struct p_function *f =
            l->lines[i].function > 0 ? p_function_at(p, l->lines[i].function) : NULL;

        to[n] = line;
        to[n].function = f ? p_text(p, f->name) : "";
        to[n].file = f ? p_text(p, f->file) : "";
        to[n++].line = l->lines[i].line;
    }
    if (l->n_lines == 0 && room > 0)
        to[n++] = line;
    return n;
}

int
profile_each(const struct profile *p, int (*see)(void *env, const struct profile_view *v),
             void *env)
{
    struct profile_line lines[PROFILE_FRAMES_MAX];
    int r = 0;

    for (uint32_t i = 0; i < p->samples.n && r == 0; i++) {
        const struct p_sample *s = p_sample_at(p, i);
        struct profile_view v = {.sample = i, .lines = lines, .values = s->values};

        for (uint32_t k = 0; k < s->n_locations; k++)
            v.n_lines += location_lines(p, p_location_at(p, s->locations[k]), lines + v.n_lines,
                                        PROFILE_FRAMES_MAX - v.n_lines);
        r = see(env, &v);
    }
    return r;
}

bool
profile_label_of(const struct profile *p, size_t i, const char *key, struct profile_label *ret)
{
    const struct p_sample *s = p_sample_at(p, (uint32_t)i);

    for (uint32_t k = 0; k < s->n_labels; k++) {
        const struct p_label *l = &s->labels[k];

        if (strcmp(p_text(p, l->key), key) != 0)
            continue;
        *ret = (struct profile_label){.key = p_text(p, l->key),
                                      .text = l->text > 0 ? p_text(p, l->text) : NULL,
                                      .number = l->number,
                                      .unit = p_text(p, l->unit)};
        return true;
    }
    return false;
}
