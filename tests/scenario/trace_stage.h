/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_TRACE_STAGE_H
#define STINT_TESTS_SCENARIO_TRACE_STAGE_H

/* Programs that print lines with and without trace context, and what was counted of these. */
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "harness.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static inline void
service(const char *name, const char *acts, const char *more)
{
    scn_copy(name, getenv("TRACER_BINARY"), "");
    scn_config("  %s:\n    command: [./%s%s%s]\n    directory: %s\n    libstint: true\n%s", name,
               name, *acts ? ", " : "", acts, scn_dir(), more);
}

/* services[0].trace of the status. */
static inline json_t *
counts(void)
{
    auto_free char *out = NULL;
    json_t *status, *trace;

    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    status = json_loads(out, 0, NULL);
    trace = json_object_get(json_array_get(json_object_get(status, "services"), 0), "trace");
    ck_assert_msg(trace != NULL, "%s", out);
    json_incref(trace);
    json_decref(status);
    return trace;
}

static inline json_int_t
number(const json_t *o, const char *key)
{
    ck_assert_msg(json_is_integer(json_object_get(o, key)), "no %s", key);
    return json_integer_value(json_object_get(o, key));
}

#endif
