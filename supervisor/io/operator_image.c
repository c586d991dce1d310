/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/operator_image.h"
#include "supervisor/io/operator_internal.h"
#include "supervisor/io/report_internal.h"

/*
 * What is remembered, as JSON: it is small, it is written by one program and perhaps read by the
 * next, and half of it (answers, leaks) is JSON anyway. Times are CLOCK_MONOTONIC of this boot.
 */

static void
add_u64(struct object *o, const char *key, uint64_t n)
{
    if (n > 0)
        object_number(o, key, (int64_t)n);
}

static void
add_flag(struct object *o, const char *key, bool flag)
{
    if (flag)
        object_bool(o, key, true);
}

static json_t *
relieved_image(const struct claim *c)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < c->n_relieved; i++)
        if (!array_add(array,
                       json_pack("{s:I, s:b, s:I}", "number", (json_int_t)c->relieved[i].number,
                                 "gone", c->relieved[i].gone, "leaks",
                                 (json_int_t)c->relieved[i].leaks))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *
claim_image(const struct claim *c)
{
    struct object o = object_new();

    object_number(&o, "id", c->service_id);
    object_text(&o, "service", c->service);
    add_u64(&o, "awaited", c->awaited);
    add_u64(&o, "last_before", c->last_before);
    add_u64(&o, "before", c->before);
    add_flag(&o, "was_up", c->was_up);
    add_flag(&o, "decided", c->decided);
    add_flag(&o, "good", c->good);
    object_text_unless_empty(&o, "outcome", c->outcome);
    add_u64(&o, "generation", c->generation);
    add_u64(&o, "duration_us", c->duration_us > 0 ? (uint64_t)c->duration_us : 0);
    object_text_unless_empty(&o, "cause", c->cause);
    object_text_unless_empty(&o, "reason", c->reason);
    object_text_unless_empty(&o, "trace", c->trace);
    object_text_unless_empty(&o, "evidence", c->evidence);
    object_text_unless_empty(&o, "last_lines", c->last_lines);
    if (c->n_relieved > 0)
        object_set(&o, "relieved", relieved_image(c));
    if (c->leaks)
        object_set(&o, "leaks", json_incref(c->leaks));
    return object_take(&o);
}

static json_t *
claims_image(const struct ticket *t)
{
    json_t *array = json_array();

    for (size_t i = 0; i < t->n_claims; i++)
        if (!array_add(array, claim_image(&t->claims[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *
ticket_image(const struct ticket *t)
{
    struct object o = object_new();

    object_text(&o, "id", t->id);
    object_number(&o, "uid", t->uid);
    object_number(&o, "pid", t->pid);
    object_text(&o, "kind", image_kinds[t->kind]);
    object_number(&o, "wait", t->wait);
    add_flag(&o, "all", t->all);
    add_flag(&o, "force", t->force);
    add_flag(&o, "reading", t->reading);
    add_flag(&o, "asked", t->asked);
    add_u64(&o, "n_asked", t->n_asked);
    object_number(&o, "started_us", t->started_us);
    object_number(&o, "deadline_us", t->deadline_us);
    if (t->answer) {
        object_number(&o, "status", t->status);
        object_set(&o, "answer", json_incref(t->answer));
    } else {
        object_set(&o, "claims", claims_image(t));
    }
    return object_take(&o);
}

void
operator_save(const struct desk *op, struct text *out)
{
    json_t *tickets = json_array();
    json_t *whole;
    char *text;

    list_for_each (pos, &op->tickets) {
        const struct ticket *t = container_of(pos, struct ticket, node);

        if (t->id[0] && !array_add(tickets, ticket_image(t))) {
            json_decref(tickets);
            tickets = NULL; /* and so is the whole */
            break;
        }
    }
    whole = json_pack("{s:i, s:o}", "desk", OPERATOR_IMAGE_VERSION, "tickets", tickets);
    text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
    if (text)
        text_add(out, text);
    else
        out->failed = true;
    free(text);
    json_decref(whole);
}
