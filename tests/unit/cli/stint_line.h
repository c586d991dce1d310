/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CLI_STINT_LINE_H
#define STINT_TESTS_CLI_STINT_LINE_H

#include <signal.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/cli/cli_internal.h"
#include "tests/unit/cli/canned.h"
#include "tests/unit/unit.h"

#define ARGS_MAX 16

static char *out, *err;
static size_t out_bytes, err_bytes;
static const char *ran_with;
static int64_t ran_watched_us;
static bool ran_exit_when_failed;

static inline int
fake_run(const struct cli_run *told, struct error *reterr)
{
    ran_with = told->config_path;
    ran_watched_us = told->watchdog_us;
    ran_exit_when_failed = told->exit_when_failed;
    return error_say(reterr, 78, "that file is wrong");
}

static bool warns; /* the next check has something to say */

static inline int
fake_warn(const struct spec *spec, struct strv *ret)
{
    ck_assert_ptr_nonnull(spec);
    return warns ? strv_add(ret, "too few descriptors") : 0;
}

/* Run a command line as main() would; the words are split at blanks. */
static inline int
stint(const char *line)
{
    static const struct cli_hooks hooks = {.run = fake_run, .warn = fake_warn};
    static char words[1024];
    char *argv[ARGS_MAX + 1] = {NULL};
    struct cli cli = {.hooks = &hooks};
    int argc = 0, r;

    free(out);
    free(err);
    cli.out = open_memstream(&out, &out_bytes);
    cli.err = open_memstream(&err, &err_bytes);
    (void)snprintf(words, sizeof(words), "stint %s", line);
    for (char *w = strtok(words, " "); w && argc < ARGS_MAX; w = strtok(NULL, " "))
        argv[argc++] = w;
    r = cli_dispatch(&cli, argc, argv);
    (void)fclose(cli.out);
    (void)fclose(cli.err);
    return r;
}

/* The same against a server that answers @status and @json. @ret: the request it got. */
static inline int
stint_asks(const char *line, const char *status, const char *json, const char **ret)
{
    struct canned server;
    char answer[16384], command[512];
    const char *request;
    int r;

    (void)snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                   strlen(json), json);
    canned_start(&server, answer, false);
    (void)snprintf(command, sizeof(command), "%s --socket %s", line, server.path);
    r = stint(command);
    request = canned_stop(&server);
    if (ret)
        *ret = request;
    return r;
}

static inline void
tear_down(void)
{
    free(out);
    free(err);
    out = err = NULL;
}

#endif
