/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_INTERNAL_H
#define STINT_PROFILE_INTERNAL_H

/* The inside of a profile, for this room: everything is known by a number, and is there once. */
#include "base/table.h"
#include "supervisor/profile/profile.h"

struct p_string {
    struct table_node node;
    uint32_t index; /* in the string table; 0 is "" */
    char text[];
};

struct p_mapping {
    uint64_t start, limit, offset;
    uint32_t file, build_id;
    bool has_functions, has_files, has_lines, has_inlines;
};

struct p_function {
    struct table_node node;
    int64_t start_line;
    uint32_t id, name, file;
};

struct p_line {
    int64_t line;
    uint32_t function; /* id; 0 = not known */
};

struct p_location {
    struct table_node node;
    uint64_t address;
    uint32_t id, mapping; /* 0 = none */
    uint32_t n_lines;
    struct p_line lines[]; /* innermost first */
};

struct p_label {
    int64_t number;
    uint32_t key, text, unit; /* text 0: it is the number */
};

/* One allocation with what its pointers show. */
struct p_sample {
    struct table_node node;
    int64_t *values; /* one for each type */
    struct p_label *labels;
    uint32_t *locations; /* ids, leaf first */
    uint32_t n_locations, n_labels;
};

/* A growing array of owned pointers; the number of a thing is its index + 1. */
struct p_list {
    void **items;
    uint32_t n, room;
};

struct profile {
    struct p_list strings, functions, locations, samples;
    struct table by_text, by_function, by_location, by_sample;
    struct p_mapping *mappings;
    uint32_t n_mappings, mappings_room;
    uint32_t last_mapping; /* id of the one that was asked for last: usually it is again */
    struct {
        uint32_t type, unit;
    } types[PROFILE_TYPES_MAX], period_type;
    uint32_t n_types, default_type;
    uint32_t *comments;
    uint32_t n_comments, comments_room;
    int64_t period, wall_ns, duration_ns;
};

/* Numbers of things, made when there is none like it; UINT32_MAX: no memory. @text NULL is "". */
uint32_t p_string(struct profile *p, const char *text);
uint32_t p_string_n(struct profile *p, const char *text, size_t n);
const char *p_text(const struct profile *p, uint32_t index);
uint32_t p_function(struct profile *p, uint32_t name, uint32_t file, int64_t start_line);
uint32_t p_location(struct profile *p, uint64_t address, uint32_t mapping,
                    const struct p_line *lines, uint32_t n_lines);
/* The first @m is told @id of an equal one, or becomes one. */
uint32_t p_mapping(struct profile *p, const struct p_mapping *m);
int p_comment(struct profile *p, uint32_t text);

/* What a sample is made of; all borrowed. Labels are sorted by this, and doubles taken out. */
struct p_stack {
    const uint32_t *locations;
    const int64_t *values;
    struct p_label *labels;
    uint32_t n_locations, n_labels;
};
int p_sample_add(struct profile *p, struct p_stack *s, int64_t scale);

static inline const struct p_sample *
p_sample_at(const struct profile *p, uint32_t i)
{
    return p->samples.items[i];
}

static inline const struct p_location *
p_location_at(const struct profile *p, uint32_t id)
{
    return p->locations.items[id - 1];
}

static inline const struct p_function *
p_function_at(const struct profile *p, uint32_t id)
{
    return p->functions.items[id - 1];
}

bool p_list_room(struct p_list *l); /* for one more; false: no memory */

#endif
