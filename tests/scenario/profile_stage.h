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

#define has(text, what)     ck_assert_msg(strstr(text, what) != NULL, "no '%s' in:\n%s", what, text)
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

/* Output of a shell command. It has to succeed. */
static char *shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *
shell(const char *fmt, ...)
{
    auto_text struct text out = TEXT_INIT;
    char command[1024], buffer[4096];
    va_list ap;
    FILE *said;
    size_t n;

    va_start(ap, fmt);
    (void)vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    said = popen(command, "r");
    ck_assert_ptr_nonnull(said);
    while ((n = fread(buffer, 1, sizeof(buffer), said)) > 0)
        text_addn(&out, buffer, n);
    ck_assert_msg(pclose(said) == 0, "%s: %s", command, text_str(&out));
    return text_steal(&out);
}

/* A profile of @whom in the file @name of the stage. */
static inline void
threads_of(const char *whom, const char *name)
{
    auto_free char *out = NULL, *path = strdup(scn_path("%s", name));

    ck_assert_msg(scn_cli(&out, "profile", whom, "--threads", "-o", path, NULL) == 0, "%s", out);
}

#endif
