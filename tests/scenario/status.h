/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_STATUS_H
#define STINT_TESTS_SCENARIO_STATUS_H

/* What `stint status --json` says, for tests that count by it. */
#include <jansson.h>

#include "base/mem.h"
#include "harness.h"

/* The whole of it; a new reference. */
static inline json_t *
status_now(void)
{
    auto_free char *out = NULL;
    json_t *status;

    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    status = json_loads(out, 0, NULL);
    ck_assert_msg(status != NULL, "%s", out);
    return status;
}

/* @part of @status, which is given back for it; it has to be there. */
static inline json_t *
status_part(json_t *status, json_t *part)
{
    ck_assert_ptr_nonnull(part);
    json_incref(part);
    json_decref(status);
    return part;
}

static inline json_int_t
number(const json_t *o, const char *key)
{
    ck_assert_msg(json_is_integer(json_object_get(o, key)), "no %s", key);
    return json_integer_value(json_object_get(o, key));
}

#endif
