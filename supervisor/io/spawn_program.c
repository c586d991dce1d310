/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/spawn.h"

/*
 * The mode bits are asked, not access(2): the program may run as another user than we do, and root
 * may execute whatever has one x bit.
 */
static int
executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) == -1)
        return -errno;
    return S_ISREG(st.st_mode) && (st.st_mode & 0111) ? 0 : -EACCES;
}

static int
join(const char *directory, size_t bytes, const char *name, char **ret)
{
    if (asprintf(ret, "%.*s/%s", (int)bytes, directory, name) != -1)
        return 0;
    *ret = NULL; /* undefined after a failure */
    return -ENOMEM;
}

static int
search(const char *name, const char *path, char **ret_path)
{
    int worst = -ENOENT;

    for (;;) {
        size_t bytes = strcspn(path, ":");
        auto_free char *candidate = NULL;
        int r = bytes == 0 ? -ENOENT /* an empty entry would mean "here": not for a service */
                           : join(path, bytes, name, &candidate);

        if (r == -ENOMEM)
            return r;
        if (r == 0)
            r = executable(candidate);
        if (r == 0) {
            *ret_path = steal(candidate);
            return 0;
        }
        if (r == -EACCES)
            worst = r;
        if (path[bytes] == '\0')
            return worst;
        path += bytes + 1;
    }
}

/* in_path - the directories of @path, in order. */
static int
in_path(const char *name, const char *path, char **ret_path, struct error *reterr)
{
    int r = search(name, path, ret_path);

    if (r == -ENOENT)
        return error_say(reterr, r, "'%s' is in none of the directories of PATH (%s)", name, path);
    if (r == -EACCES)
        return error_say(reterr, r, "'%s' was found in PATH, but is not executable", name);
    return r < 0 ? error_set(reterr, r, "find '%s'", name) : 0;
}

int
spawn_find_program(const char *name, const char *directory, const char *path, char **ret_path,
                   struct error *reterr)
{
    struct spawn_failure failure = {.step = SPAWN_STEP_EXEC};
    auto_free char *found = NULL;
    char words[400];

    if (name[0] == '\0')
        return error_say(reterr, -EINVAL, "the command is empty");
    if (!strchr(name, '/'))
        return in_path(name, path ? path : SPAWN_USUAL_PATH, ret_path, reterr);
    if (name[0] == '/' || !directory)
        found = strdup(name);
    else
        (void)join(directory, strlen(directory), name, &found); /* NULL then, as with strdup */
    if (!found)
        return error_set(reterr, -ENOMEM, "find '%s'", name);
    failure.error = executable(found);
    if (failure.error < 0)
        return error_say(reterr, failure.error, "%s",
                         spawn_explain(&failure, found, NULL, words, sizeof words));
    *ret_path = steal(found);
    return 0;
}
