/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_LOG_FILES_H
#define STINT_TESTS_SCENARIO_LOG_FILES_H

/* A service `web` that prints into files below log/. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "harness.h"

/* @script for sh(1), which then sleeps; @log is the map of `log`. */
static inline void
service(const char *script, const char *log)
{
    scn_config("  web:\n    command: [sh, -c, '%s']\n    directory: %s\n"
               "    ready: {assume_after: 10ms}\n    log: %s\n",
               script, scn_dir(), log);
}

/* log/web.log and what was rotated, in order of time. */
static inline void
read_all(struct text *out)
{
    struct strv names = {NULL, 0};
    struct dirent **found = NULL;
    int n = scandir(scn_path("log"), &found, NULL, alphasort);

    ck_assert_int_ge(n, 0);
    for (int i = 0; i < n; i++) {
        if (strncmp(found[i]->d_name, "web.log.", 8) == 0)
            ck_assert_int_eq(strv_add(&names, found[i]->d_name), 0);
        free(found[i]);
    }
    free(found);
    ck_assert_int_eq(strv_add(&names, "web.log"), 0);
    for (size_t i = 0; i < names.n; i++) {
        auto_free char *data = NULL;
        struct error why = {0};
        size_t bytes;

        ck_assert_msg(file_read(scn_path("log/%s", names.items[i]), 1 << 30, &data, &bytes, &why) ==
                          0,
                      "%s", why.text);
        ck_assert_msg(bytes == 0 || data[bytes - 1] == '\n', "%s ends within a line",
                      names.items[i]);
        text_addn(out, data, bytes);
    }
    strv_finish(&names);
}

static inline void
make_log_directory(void)
{
    ck_assert_int_eq(mkdir(scn_path("log"), 0755), 0);
}

#endif
