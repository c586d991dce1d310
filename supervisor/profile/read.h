/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_READ_H
#define STINT_PROFILE_READ_H

/* The inside of profile_read(): read.c opens the file and the profile, read_parts.c reads what is in it. */
#include "base/error.h"
#include "supervisor/profile/internal.h"
#include "supervisor/profile/wire_read.h"

/* A number that the file gave a thing, and the one it has here. */
struct known_id {
    uint64_t theirs;
    uint32_t mine;
};

struct id_map {
    struct known_id *items; /* owned; by `theirs` once they are sorted */
    size_t n;
};

/* What one string of the file is here; looked up when it is first wanted. */
struct read_string {
    const uint8_t *at;
    uint32_t n;
    uint32_t mine; /* UINT32_MAX: nobody wanted it yet */
};

struct reading {
    struct profile *p; /* owned until it is whole */
    struct error *err;
    struct read_string *strings; /* owned */
    size_t n_strings;
    struct id_map mappings, functions, locations;
    struct profile_type types[PROFILE_TYPES_MAX];
    uint32_t *stack; /* owned; location ids of the sample under way */
    size_t stack_room;
    struct p_label *labels; /* owned */
    size_t labels_room;
    size_t n_types;
};

/* read_bad - Return: -EBADMSG, with the sentence. */
__attribute__((format(printf, 2, 3))) int read_bad(const struct reading *r, const char *fmt, ...);
/* A string of the file as one of ours. */
int read_text(struct reading *r, uint64_t index, uint32_t *ret);

int read_mappings(struct reading *r, struct cursor whole, size_t n);
int read_functions(struct reading *r, struct cursor whole, size_t n);
int read_locations(struct reading *r, struct cursor whole, size_t n);
int read_samples(struct reading *r, struct cursor whole);

#endif
