/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_REPORT_INTERNAL_H
#define STINT_IO_REPORT_INTERNAL_H

/* Shared by the files of the report: how a JSON object is filled without a check after each step. */
#include "supervisor/io/report.h"

/* An object being filled; when memory runs out `failed` is set, looked at once, at the end. */
struct object {
    json_t *json; /* owned until object_take() */
    bool failed;
};

struct object object_new(void);
json_t *object_take(struct object *o); /* NULL when anything failed */

void object_set(struct object *o, const char *key, json_t *value); /* takes @value; NULL = failed */
void object_text(struct object *o, const char *key, const char *s);
void object_text_unless_empty(struct object *o, const char *key, const char *s);
void object_number(struct object *o, const char *key, int64_t n);
void object_bool(struct object *o, const char *key, bool b);
/* Milliseconds from now to a deadline; left out for TIME_NEVER and 0. Negative: it is past. */
void object_left_ms(struct object *o, const char *key, int64_t deadline_us, int64_t now_us);
/* Milliseconds since; left out for 0 (has not happened). */
void object_ago_ms(struct object *o, const char *key, int64_t at_us, int64_t now_us);
/* What a callback of the rim gave: left out when it had nothing to say. */
void object_optional(struct object *o, const char *key, json_t *value);

/* takes @value; false: no memory, the array is incomplete */
bool array_add(json_t *array, json_t *value);

/* The last of each of its hooks; @reload: only those that belong to that run. NULL: there are none. */
json_t *report_hooks(const struct service *s, uint64_t reload, int64_t now_us);
json_t *report_hook_under_way(const struct generation *g, int64_t now_us); /* NULL: none is */

json_t *report_generation(const struct report_sources *from, const struct generation *g,
                          int64_t now_us);

#endif
