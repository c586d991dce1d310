/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_SPAWN_FIXTURE_H
#define STINT_TESTS_UNIT_IO_SPAWN_FIXTURE_H

/* Requests for a shell, and what a start that fails looks like. */
#include <sys/wait.h>

#include "tests/unit/io/process.h"

static char *plain_env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

#define SHELL(script) ((char *[]){(char[]){"sh"}, (char[]){"-c"}, (char[]){script}, NULL})

static inline struct spawn_request
shell(char *const *argv)
{
    struct spawn_request req = SPAWN_REQUEST_INIT;

    req.argv = argv;
    req.envp = plain_env;
    req.exe_path = "/bin/sh";
    return req;
}

/* The words for a failed exec, from the errno to the sentence. */
static inline void
expect_failure(struct spawn_request *req, enum spawn_step step, int error, const char *words)
{
    struct spawn_failure failure = {0};
    struct spawned child;
    char said[600];

    ck_assert_int_eq(spawn_start(req, &child, NULL), 0);
    ck_assert_int_eq(await_exec(&child, &failure), 1);
    ck_assert_int_eq(WEXITSTATUS(await_exit(&child)), 127);
    ck_assert_str_eq(spawn_step_name(failure.step), spawn_step_name(step));
    ck_assert_int_eq(failure.error, error);
    (void)spawn_explain(&failure, req->exe_path, req->directory, said, sizeof said);
    ck_assert_msg(strstr(said, words) != NULL, "said: %s", said);
    spawned_close(&child);
}

#endif
