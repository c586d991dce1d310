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

#define USUAL_PLACES "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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
    return asprintf(ret, "%.*s/%s", (int)bytes, directory, name) == -1 ? -ENOMEM : 0;
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

int
spawn_find_program(const char *name, const char *directory, const char *path, char **ret_path,
                   struct error *reterr)
{
    auto_free char *found = NULL;
    int r;

    if (name[0] == '\0')
        return error_say(reterr, -EINVAL, "the command is empty");
    if (!strchr(name, '/')) {
        r = search(name, path ? path : USUAL_PLACES, &found);
        if (r == -ENOENT)
            return error_say(reterr, r, "'%s' is in none of the directories of PATH (%s)", name,
                             path ? path : USUAL_PLACES);
        if (r == -EACCES)
            return error_say(reterr, r, "'%s' was found in PATH, but is not executable", name);
    } else {
        if (name[0] == '/' || !directory)
            found = strdup(name);
        else
            (void)join(directory, strlen(directory), name, &found); /* NULL then, as with strdup */
        r = found ? executable(found) : -ENOMEM;
    }
    if (r < 0) {
        struct spawn_failure failure = {.step = SPAWN_STEP_EXEC, .error = r};
        char words[400];

        return error_say(reterr, r, "%s",
                         spawn_explain(&failure, found ? found : name, NULL, words, sizeof words));
    }
    *ret_path = steal(found);
    return 0;
}
