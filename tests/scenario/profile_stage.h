/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_PROFILE_STAGE_H
#define STINT_TESTS_SCENARIO_PROFILE_STAGE_H

/* A service whose workers have threads, and tools that others made. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "harness.h"
#include "shell.h"

#define has_not(text, what) ck_assert_msg(strstr(text, what) == NULL, "'%s' in:\n%s", what, text)

static inline void
configure(int deaf, const char *more)
{
    scn_file("web.conf", "%d\n", deaf);
    scn_config("  web:\n    command: [./leaker, web.conf]\n    directory: %s\n    libstint: true\n"
               "    watch: {settle: 50ms}\n    drain_timeout: 300ms\n    leak_grace: 100ms\n"
               "    leak_look: 0\n    workers: 2\n%s",
               scn_dir(), more);
}

static inline unsigned
leaker(int deaf, const char *more)
{
    scn_copy("leaker", getenv("LEAKER_BINARY"), "");
    configure(deaf, more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

/* A profile of @whom in the file @name of the stage. */
static inline void
threads_of(const char *whom, const char *name)
{
    auto_free char *out = NULL, *path = strdup(scn_path("%s", name));

    ck_assert_msg(scn_cli(&out, "profile", whom, "--threads", "-o", path, NULL) == 0, "%s", out);
}

#endif
