/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_EXPORT_STAGE_H
#define STINT_TESTS_SCENARIO_EXPORT_STAGE_H

/* What the tests of the exporter share. */
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "collector.h"
#include "harness.h"
#include "status.h"

/* A service that prints @lines numbered lines and stays; what is sent, and how. */
static inline void
configure(unsigned lines, const char *more)
{
    scn_config("  web:\n    command: [/bin/sh, -c, 'i=0; while [ $i -lt %u ]; do i=$((i+1)); echo "
               "\"line $i of the service\"; done; exec sleep 1000']\n"
               "    ready: {assume_after: 50ms}\n    drain_timeout: 2s\n"
               "export: {endpoint: 'http://127.0.0.1:%d', every: 100ms, timeout: 1s%s}\n",
               lines, collector_port(), more);
}

static inline json_t *
status_of(const char *signal)
{
    json_t *status = status_now();

    return status_part(status, json_object_get(json_object_get(status, "export"), signal));
}

static inline json_int_t
dropped(const json_t *lane, const char *reason)
{
    return number(json_object_get(lane, "dropped"), reason);
}

static inline pid_t
sender(void)
{
    auto_free char *out = NULL;
    json_t *status;
    pid_t pid;

    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    status = json_loads(out, 0, NULL);
    pid = (pid_t)json_integer_value(json_object_get(json_object_get(status, "export"), "pid"));
    json_decref(status);
    return pid;
}

static inline void
reload(void)
{
    auto_free char *out = NULL;

    ck_assert_int_eq(scn_cli(&out, "reload", "web", "--force", NULL), 0);
}

/* A status is there when it is asked for, however it is with the collector. */
static inline void
answers_at_once(void)
{
    int64_t before_us = mono_now_us();
    auto_free char *out = NULL;

    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_int_lt(mono_now_us() - before_us, INT64_C(500000) * SCN_PATIENCE);
    scn_did_not_block();
}

#endif
