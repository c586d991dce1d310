/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_PREFLIGHT_H
#define STINT_TESTS_SCENARIO_PREFLIGHT_H

/* `stint preflight` as a person runs it, and what it answered. */
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/scenario/harness.h"

/* preflight_start - with these arguments; standard output goes to @out, the progress to @err. */
static inline pid_t
preflight_start(int out, int err, const char *const *argv)
{
    const char *program = getenv("STINT_BINARY");
    pid_t pid = program ? fork() : -1;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)setenv("TMPDIR", scn_dir(), 1); /* so that the cage is in the stage */
        (void)dup2(out, STDOUT_FILENO);
        (void)dup2(err, STDERR_FILENO);
        (void)execv(program, (char *const *)(const void *)argv);
        _exit(127);
    }
    return pid;
}

/* preflight - `stint preflight SERVICE -c CONFIG ARGUMENT`. Return: its exit status; *ret its output. */
static inline int
preflight(const char *service, const char *config, const char *argument, char **ret)
{
    const char *const argv[] = {"stint", "preflight", service, "-c", config, argument, NULL};
    auto_text struct text out = TEXT_INIT;
    char buffer[4096];
    int ends[2], status, none;
    ssize_t got;
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    none = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid = preflight_start(ends[1], none, argv);
    fd_close(none);
    fd_close(ends[1]);
    while ((got = read(ends[0], buffer, sizeof(buffer))) > 0)
        text_addn(&out, buffer, (size_t)got);
    fd_close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    *ret = text_steal(&out);
    ck_assert_ptr_nonnull(*ret);
    ck_assert_msg(WIFEXITED(status), "it died by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* The names of the checks with this result, in order: "profiling lifecycle". */
static inline char *
preflight_checks(const json_t *report, const char *result)
{
    struct text names = TEXT_INIT;
    size_t i;
    json_t *c;

    json_array_foreach(json_object_get(report, "checks"), i, c)
    {
        if (strcmp(json_string_value(json_object_get(c, "result")), result) == 0)
            text_addf(&names, "%s%s", names.bytes ? " " : "",
                      json_string_value(json_object_get(c, "check")));
    }
    return text_steal(&names);
}

static inline const char *
preflight_evidence(const json_t *report, const char *check)
{
    size_t i;
    json_t *c;

    json_array_foreach(json_object_get(report, "checks"), i,
                       c) if (strcmp(json_string_value(json_object_get(c, "check")), check) ==
                              0) return json_string_value(json_object_get(c, "evidence"));
    return "";
}

/*
 * preflight_expect - run it with --json: these checks fail, and no others, and the exit status is that
 * of it. Return: the report.
 */
static inline json_t *
preflight_expect(const char *service, const char *config, const char *failed)
{
    auto_free char *out = NULL, *names = NULL;
    int status = preflight(service, config, "--json", &out);
    json_t *report = json_loads(out, 0, NULL);

    ck_assert_msg(json_is_object(report), "no JSON: %s", out);
    names = preflight_checks(report, "failed");
    ck_assert_msg(strcmp(names, failed) == 0, "%s: failed are '%s', not '%s':\n%s", service, names,
                  failed, out);
    ck_assert_int_eq(status, failed[0] ? 1 : 0);
    ck_assert_int_eq(json_is_true(json_object_get(report, "ok")), !failed[0]);
    return report;
}

/* preflight_nothing_left - no cage is in the stage, and nobody runs a program of it. */
static inline void
preflight_nothing_left(void)
{
    auto_text struct text command = TEXT_INIT;
    FILE *found;
    char line[512] = "";

    text_addf(&command, "ls -d %s/stint-preflight-* 2>/dev/null", scn_dir());
    found = popen(text_str(&command), "re");
    ck_assert_ptr_nonnull(found);
    ck_assert_msg(!fgets(line, sizeof(line), found), "a cage is left: %s", line);
    (void)pclose(found);
    scn_nobody_left();
}

#endif
