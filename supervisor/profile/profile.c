/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/profile/internal.h"

#define TEXT_MAX 4096 /* of one string; names of C++ can be long, beyond that nobody reads them */

/* An array of @room things gets twice the room; false: no memory, and it is as it was. */
static bool
grow(void **items, uint32_t *room, size_t size)
{
    uint32_t more = *room ? *room * 2 : 32;
    void *p = more > *room ? reallocarray(*items, more, size) : NULL;

    if (!p)
        return false;
    *items = p;
    *room = more;
    return true;
}

bool
p_list_room(struct p_list *l)
{
    void *items = l->items;

    if (l->n < l->room)
        return true;
    if (!grow(&items, &l->room, sizeof(void *)))
        return false;
    l->items = items;
    return true;
}

/* ---- texts -------------------------------------------------------------------------------------- */

uint32_t
p_string_n(struct profile *p, const char *text, size_t n)
{
    char clean[TEXT_MAX];
    struct table_node *t;
    struct p_string *s;
    uint64_t key;

    n = n < sizeof(clean) ? n : sizeof(clean) - 1;
    memcpy(clean, text, n);
    clean[n] = '\0';
    plain_text(clean);
    key = table_key(clean);
    for (t = table_find(&p->by_text, key); t; t = table_next(t)) {
        s = container_of(t, struct p_string, node);
        if (strcmp(s->text, clean) == 0)
            return s->index;
    }
    n = strlen(clean) + 1;
    s = p_list_room(&p->strings) ? malloc(sizeof(*s) + n) : NULL;
    if (!s)
        return UINT32_MAX;
    memcpy(s->text, clean, n);
    s->index = p->strings.n;
    p->strings.items[p->strings.n++] = s;
    table_add(&p->by_text, &s->node, key);
    return s->index;
}

uint32_t
p_string(struct profile *p, const char *text)
{
    return text && text[0] ? p_string_n(p, text, strlen(text)) : 0;
}

const char *
p_text(const struct profile *p, uint32_t index)
{
    return ((const struct p_string *)p->strings.items[index])->text;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

int
profile_new(struct profile **ret, const struct profile_type *types, size_t n,
            const char *default_type)
{
    auto_profile struct profile *p = NULL;

    if (n == 0 || n > PROFILE_TYPES_MAX)
        return -EINVAL;
    p = calloc(1, sizeof(*p));
    if (!p || p_string_n(p, "", 0) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        p->types[i].type = p_string(p, types[i].type);
        p->types[i].unit = p_string(p, types[i].unit);
        if (p->types[i].type == UINT32_MAX || p->types[i].unit == UINT32_MAX)
            return -ENOMEM;
    }
    p->n_types = (uint32_t)n;
    p->default_type = p_string(p, default_type);
    if (p->default_type == UINT32_MAX)
        return -ENOMEM;
    *ret = steal(p);
    return 0;
}

static void
list_free(struct p_list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
}

void
profile_free(struct profile *p)
{
    if (!p)
        return;
    list_free(&p->strings);
    list_free(&p->functions);
    list_free(&p->locations);
    list_free(&p->samples);
    table_finish(&p->by_text);
    table_finish(&p->by_function);
    table_finish(&p->by_location);
    table_finish(&p->by_sample);
    free(p->mappings);
    free(p->comments);
    free(p);
}

void
profile_period(struct profile *p, struct profile_type type, int64_t period)
{
    uint32_t kind = p_string(p, type.type), unit = p_string(p, type.unit);

    if (kind == UINT32_MAX || unit == UINT32_MAX)
        return;
    p->period_type.type = kind;
    p->period_type.unit = unit;
    p->period = period;
}

void
profile_time(struct profile *p, int64_t wall_ns, int64_t duration_ns)
{
    p->wall_ns = wall_ns;
    p->duration_ns = duration_ns;
}

int
p_comment(struct profile *p, uint32_t text)
{
    void *items = p->comments;

    if (text == UINT32_MAX)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->n_comments; i++)
        if (p->comments[i] == text)
            return 0;
    if (p->n_comments == p->comments_room) {
        if (!grow(&items, &p->comments_room, sizeof(*p->comments)))
            return -ENOMEM;
        p->comments = items;
    }
    p->comments[p->n_comments++] = text;
    return 0;
}

int
profile_comment(struct profile *p, const char *format, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    return p_comment(p, p_string(p, line));
}

/* ---- mappings ----------------------------------------------------------------------------------- */

static bool
mapping_is(const struct p_mapping *a, const struct p_mapping *b)
{
    return a->start == b->start && a->limit == b->limit && a->offset == b->offset &&
           a->file == b->file && a->build_id == b->build_id;
}

uint32_t
p_mapping(struct profile *p, const struct p_mapping *m)
{
    void *items = p->mappings;
    struct p_mapping *have;
    uint32_t id = 0;

    if (p->last_mapping > 0 && mapping_is(&p->mappings[p->last_mapping - 1], m))
        id = p->last_mapping;
    for (uint32_t i = 0; id == 0 && i < p->n_mappings; i++)
        if (mapping_is(&p->mappings[i], m))
            id = i + 1;
    if (id > 0) {
        have = &p->mappings[id - 1];
        have->has_functions = have->has_functions && m->has_functions;
        have->has_files = have->has_files && m->has_files;
        have->has_lines = have->has_lines && m->has_lines;
        have->has_inlines = have->has_inlines && m->has_inlines;
        return p->last_mapping = id;
    }
    if (p->n_mappings == p->mappings_room) {
        if (!grow(&items, &p->mappings_room, sizeof(*p->mappings)))
            return UINT32_MAX;
        p->mappings = items;
    }
    p->mappings[p->n_mappings] = *m;
    return p->last_mapping = ++p->n_mappings;
}

int
profile_mapping(struct profile *p, const struct profile_mapping *m, uint64_t *ret_id)
{
    struct p_mapping mine = {.start = m->start,
                             .limit = m->limit,
                             .offset = m->offset,
                             .file = p_string(p, m->file),
                             .build_id = p_string(p, m->build_id),
                             .has_functions = m->has_functions,
                             .has_files = m->has_files,
                             .has_lines = m->has_lines};
    uint32_t id;

    if (mine.file == UINT32_MAX || mine.build_id == UINT32_MAX)
        return -ENOMEM;
    id = p_mapping(p, &mine);
    if (id == UINT32_MAX)
        return -ENOMEM;
    *ret_id = id;
    return 0;
}
