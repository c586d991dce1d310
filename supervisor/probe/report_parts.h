/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_REPORT_PARTS_H
#define STINT_PROBE_REPORT_PARTS_H

/* JSON by the member, for report*.c and history_json.c: failures are remembered, not looked at. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/probe/judge.h"

struct json_made {
    json_t *object; /* owned */
    bool failed;
};

struct json_made json_begin(void);
json_t *json_end(struct json_made *o); /* the caller's; NULL: something failed */
void json_put(struct json_made *o, const char *key,
              json_t *value); /* takes it; NULL is a failure */
void json_put_text(struct json_made *o, const char *key,
                   const char *s); /* any bytes; "" is left out */
void json_put_number(struct json_made *o, const char *key, int64_t n);
void json_put_true(struct json_made *o, const char *key, bool value); /* false is left out */
void json_put_hex(struct json_made *o, const char *key, uint64_t n);  /* 0 is left out */
void json_put_span(struct json_made *o, const char *key, int64_t us); /* INT64_MAX is left out */
void json_append(struct json_made *o, json_t *array, json_t *value);

json_t *report_place(const struct place *p); /* NULL: no memory */
json_t *report_claim(const struct process_facts *facts, const struct claim *c);
json_t *report_judged(const struct process_facts *facts, const struct judgements *js, size_t of);

#endif
