/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_TYPES_H
#define STINT_CONFIG_TYPES_H

/* Private to config/: what the handlers of several types share. */
#include "config/schema.h"

/* decimal_parse - 0, -EINVAL (not a plain decimal number), -ERANGE (more than 18 digits). */
int decimal_parse(const char *text, int64_t *ret);

/* out_of_range - a finding with the range of @k. Return: -EINVAL. */
int out_of_range(struct reader *r, const struct key *k, const struct node *n);

/* For members that are one owned string, NULL when unset. string_set() takes over @s. */
int string_set(struct reader *r, const struct key *k, void *base, char *s);
void string_write(const struct key *k, const void *base, struct text *out);
bool string_equal(const struct key *k, const void *a, const void *b);
void string_clear(const struct key *k, void *base);
bool string_absent(const struct key *k, const void *base);
#define STRING_TYPE(about_, parse_, schema_)                                                \
    {                                                                                       \
        .about = (about_), .parse = (parse_), .write = string_write, .equal = string_equal, \
        .clear = string_clear, .absent = string_absent, .schema = (schema_)                 \
    }

/* object_schema_ref - the member that refers to the definition of @o. */
void object_schema_ref(enum object o, struct text *out);

#endif
