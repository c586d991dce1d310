/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/profile/read.h"

/* ---- what the file calls its things ------------------------------------------------------------ */

static int
by_theirs(const void *a, const void *b)
{
    const struct known_id *x = a, *y = b;

    return x->theirs < y->theirs ? -1 : x->theirs > y->theirs;
}

static int
ids_begin(struct id_map *ids, size_t n)
{
    ids->items = calloc(n + 1, sizeof(*ids->items));
    return ids->items ? 0 : -ENOMEM;
}

static int
ids_end(const struct reading *r, struct id_map *ids, const char *what)
{
    if (ids->n > 1)
        qsort(ids->items, ids->n, sizeof(*ids->items), by_theirs);
    for (size_t i = 1; i < ids->n; i++)
        if (ids->items[i].theirs == ids->items[i - 1].theirs)
            return read_bad(r, "two %ss have the number %" PRIu64, what, ids->items[i].theirs);
    return 0;
}

/* 0 is nothing, and is 0 here. */
static int
ids_find(const struct reading *r, const struct id_map *ids, const char *what, uint64_t theirs,
         uint32_t *ret)
{
    const struct known_id key = {.theirs = theirs};
    const struct known_id *found;

    if (theirs == 0) {
        *ret = 0;
        return 0;
    }
    found = ids->n == 0 ? NULL : bsearch(&key, ids->items, ids->n, sizeof(*ids->items), by_theirs);
    if (!found)
        return read_bad(r, "there is no %s %" PRIu64, what, theirs);
    *ret = found->mine;
    return 0;
}

static int
ids_add(const struct reading *r, struct id_map *ids, const char *what, uint64_t theirs,
        uint32_t mine)
{
    if (mine == UINT32_MAX)
        return -ENOMEM;
    if (theirs == 0)
        return read_bad(r, "a %s has no number", what);
    ids->items[ids->n++] = (struct known_id){theirs, mine};
    return 0;
}

/* ---- mappings, functions, locations ------------------------------------------------------------- */

static int
read_mapping(struct reading *r, struct cursor c)
{
    struct p_mapping m = {0};
    struct field f;
    uint64_t id = 0;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        switch (f.id) {
        case MAPPING_ID:
            id = f.number;
            break;
        case MAPPING_START:
            m.start = f.number;
            break;
        case MAPPING_LIMIT:
            m.limit = f.number;
            break;
        case MAPPING_OFFSET:
            m.offset = f.number;
            break;
        case MAPPING_FILE:
            e = read_text(r, f.number, &m.file);
            break;
        case MAPPING_BUILD_ID:
            e = read_text(r, f.number, &m.build_id);
            break;
        case MAPPING_HAS_FUNCTIONS:
            m.has_functions = f.number != 0;
            break;
        case MAPPING_HAS_FILES:
            m.has_files = f.number != 0;
            break;
        case MAPPING_HAS_LINES:
            m.has_lines = f.number != 0;
            break;
        case MAPPING_HAS_INLINES:
            m.has_inlines = f.number != 0;
            break;
        default:
            break; /* of a later version */
        }
    }
    if (e == 0 && c.bad)
        e = read_bad(r, "a mapping is cut off");
    return e < 0 ? e : ids_add(r, &r->mappings, "mapping", id, p_mapping(r->p, &m));
}

static int
read_function(struct reading *r, struct cursor c)
{
    uint32_t name = 0, system = 0, file = 0;
    uint64_t id = 0, start = 0;
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        switch (f.id) {
        case FUNCTION_ID:
            id = f.number;
            break;
        case FUNCTION_NAME:
            e = read_text(r, f.number, &name);
            break;
        case FUNCTION_SYSTEM_NAME:
            e = read_text(r, f.number, &system);
            break;
        case FUNCTION_FILE:
            e = read_text(r, f.number, &file);
            break;
        case FUNCTION_START_LINE:
            start = f.number;
            break;
        default:
            break;
        }
    }
    if (e == 0 && c.bad)
        e = read_bad(r, "a function is cut off");
    if (e < 0)
        return e;
    return ids_add(r, &r->functions, "function", id,
                   p_function(r->p, name > 0 ? name : system, file, (int64_t)start));
}

static int
read_line(struct reading *r, struct cursor c, struct p_line *ret)
{
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        if (f.id == LINE_FUNCTION)
            e = ids_find(r, &r->functions, "function", f.number, &ret->function);
        else if (f.id == LINE_LINE)
            ret->line = (int64_t)f.number;
    }
    return e == 0 && c.bad ? read_bad(r, "a line is cut off") : e;
}

static int
read_location(struct reading *r, struct cursor c)
{
    struct p_line lines[64]; /* inlined functions nest less deep than that */
    uint32_t mapping = 0, n = 0;
    uint64_t id = 0, address = 0;
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&c, &f)) {
        if (f.id == LOCATION_ID) {
            id = f.number;
        } else if (f.id == LOCATION_ADDRESS) {
            address = f.number;
        } else if (f.id == LOCATION_MAPPING) {
            e = ids_find(r, &r->mappings, "mapping", f.number, &mapping);
        } else if (f.id == LOCATION_LINE && f.kind == WIRE_BYTES && n < 64) {
            lines[n] = (struct p_line){0};
            e = read_line(r, f.body, &lines[n++]);
        }
    }
    if (e == 0 && c.bad)
        e = read_bad(r, "a location is cut off");
    if (e < 0)
        return e;
    return ids_add(r, &r->locations, "location", id, p_location(r->p, address, mapping, lines, n));
}

static int
read_each(struct reading *r, struct cursor whole, enum profile_field which,
          int (*read)(struct reading *r, struct cursor c))
{
    struct field f;
    int e = 0;

    while (e == 0 && cursor_next(&whole, &f))
        if (f.id == which && f.kind == WIRE_BYTES)
            e = read(r, f.body);
    return e;
}

static int
read_numbered(struct reading *r, struct cursor whole, size_t n, enum profile_field which)
{
    struct id_map *ids = which == PROFILE_MAPPING    ? &r->mappings
                         : which == PROFILE_FUNCTION ? &r->functions
                                                     : &r->locations;
    int e = ids_begin(ids, n);

    if (e < 0)
        return e;
    if (which == PROFILE_MAPPING) {
        e = read_each(r, whole, which, read_mapping);
        return e < 0 ? e : ids_end(r, ids, "mapping");
    }
    if (which == PROFILE_FUNCTION) {
        e = read_each(r, whole, which, read_function);
        return e < 0 ? e : ids_end(r, ids, "function");
    }
    e = read_each(r, whole, which, read_location);
    return e < 0 ? e : ids_end(r, ids, "location");
}

int
read_mappings(struct reading *r, struct cursor whole, size_t n)
{
    return read_numbered(r, whole, n, PROFILE_MAPPING);
}

int
read_functions(struct reading *r, struct cursor whole, size_t n)
{
    return read_numbered(r, whole, n, PROFILE_FUNCTION);
}

int
read_locations(struct reading *r, struct cursor whole, size_t n)
{
    return read_numbered(r, whole, n, PROFILE_LOCATION);
}
