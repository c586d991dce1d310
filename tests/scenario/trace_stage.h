/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_TRACE_STAGE_H
#define STINT_TESTS_SCENARIO_TRACE_STAGE_H

/* Programs that print lines with and without trace context, and what was counted of these. */
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "harness.h"
#include "status.h"

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
    json_t *status = status_now();

    return status_part(
        status, json_object_get(json_array_get(json_object_get(status, "services"), 0), "trace"));
}

#endif
