/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/look_exe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/spec.h"
#include "supervisor/io/elf.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/spawn.h"

static int
missing(const char *path, int error, struct error *reterr)
{
    struct stat st;

    if (error == -ENOENT && lstat(path, &st) == 0)
        return error_say(reterr, error, "the program '%s' is a link to nothing", path);
    if (error == -ENOENT)
        return error_say(reterr, error, "the program '%s' does not exist", path);
    return error_set(reterr, error, "open the program '%s'", path);
}

int
exe_open(const char *path, struct look_answer *a, struct error *reterr)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char real[PATH_MAX];
    struct statvfs fs;

    if (fd == -1 || !realpath(path, real))
        return missing(path, -errno, reterr);
    if (fstat(fd, &a->exe_stat) == -1)
        return error_set(reterr, -errno, "look at the program '%s'", path);
    if (!S_ISREG(a->exe_stat.st_mode))
        return error_say(reterr, -EACCES, "the program '%s' is not a regular file", path);
    if (!(a->exe_stat.st_mode & 0111))
        return error_say(reterr, -EACCES, "the program '%s' is not executable (mode %04o)", path,
                         (unsigned)a->exe_stat.st_mode & 07777U);
    if (fstatvfs(fd, &fs) == 0 && fs.f_flag & ST_NOEXEC)
        return error_say(reterr, -EACCES, "the program '%s' lies on a file system mounted noexec",
                         path);
    memcpy(a->real_path, real, strlen(real) + 1);
    a->exe_fd = steal_fd(fd);
    return 0;
}

static int
interpreter_check(const char *path, const char *interpreter, struct error *reterr)
{
    struct stat st;

    if (stat(interpreter, &st) == -1)
        return error_set(reterr, -ENOENT, "the program '%s' needs the interpreter '%s'", path,
                         interpreter);
    if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        return error_say(reterr, -EACCES, "the program '%s' needs '%s', which is not executable",
                         path, interpreter);
    return 0;
}

/* "#! /path/to/interpreter argument": the kernel reads 255 bytes of it, so do we. */
static int
script_check(const char *path, const char *head, struct look_answer *a, struct error *reterr)
{
    const char *p = head + 2 + strspn(head + 2, " \t");
    size_t n = strcspn(p, " \t\n");

    if (n == 0)
        return error_say(reterr, -ENOEXEC, "the script '%s' names no interpreter after '#!'", path);
    if (p[n] == '\0' || n >= sizeof(a->interpreter))
        return error_say(reterr, -ENOEXEC, "the first line of the script '%s' is too long", path);
    if (memchr(p, '\r', strcspn(p, "\n")))
        return error_say(reterr, -ENOEXEC,
                         "the first line of the script '%s' ends with a carriage return; it was "
                         "saved with the line ends of another system",
                         path);
    memcpy(a->interpreter, p, n);
    a->interpreter[n] = '\0';
    a->is_script = true;
    return interpreter_check(path, a->interpreter, reterr);
}

int
exe_check(const char *path, struct look_answer *a, struct error *reterr)
{
    char head[256];
    ssize_t n = pread(a->exe_fd, head, sizeof(head) - 1, 0);
    struct elf_facts facts;
    int r;

    if (n == -1)
        return error_set(reterr, -errno, "read the program '%s'", path);
    if (n == 0)
        return error_say(reterr, -ENOEXEC, "the program '%s' is empty", path);
    head[n] = '\0';
    if (n >= 2 && head[0] == '#' && head[1] == '!')
        return script_check(path, head, a, reterr);
    if (!elf_magic(head, (size_t)n))
        return error_say(reterr, -ENOEXEC,
                         "'%s' is neither a program nor a script that begins with '#!'", path);
    r = elf_check_fd(a->exe_fd, (uint64_t)a->exe_stat.st_size, &facts, reterr);
    if (r < 0)
        return error_wrap(reterr, r, "the program '%s' cannot run", path);
    memcpy(a->interpreter, facts.interpreter, sizeof(a->interpreter));
    return a->interpreter[0] ? interpreter_check(path, a->interpreter, reterr) : 0;
}

/* NULL: the usual places. */
static const char *
search_path(const struct service_spec *spec)
{
    for (size_t i = 0; i < spec->n_environment; i++)
        if (strcmp(spec->environment[i].name, "PATH") == 0)
            return spec->environment[i].value;
    return spec->clean_environment ? NULL : environment_get(environ, "PATH");
}

int
look_resolve_command(const struct service_spec *spec, char **ret_path, struct error *reterr)
{
    const char *name = spec->command.n > 0 ? spec->command.items[0] : "";

    if (name[0] == '/' || (strchr(name, '/') && spec->directory)) {
        bool whole = name[0] == '/';
        char *full;

        if (asprintf(&full, "%s%s%s", whole ? "" : spec->directory, whole ? "" : "/", name) == -1)
            return error_set(reterr, -ENOMEM, "find the program '%s'", name);
        *ret_path = full;
        return 0;
    }
    return spawn_find_program(name, spec->directory, search_path(spec), ret_path, reterr);
}

int
look_find_program(const struct service_spec *spec, const char *name, char **ret_path)
{
    return spawn_find_program(name, spec->directory, search_path(spec), ret_path, NULL);
}

int
look_command_places(const struct service_spec *spec, struct strv *ret)
{
    const char *name = spec->command.n > 0 ? spec->command.items[0] : "";
    const char *path = search_path(spec);
    size_t n = 0;
    int r = 0;

    if (strchr(name, '/') || name[0] == '\0')
        return 0;
    for (path = path ? path : SPAWN_USUAL_PATH; r == 0 && *path && n < LOOK_PLACES_MAX;) {
        size_t bytes = strcspn(path, ":");

        if (path[0] == '/') {
            r = strv_addf(ret, "%.*s/%s", (int)bytes, path, name);
            n++;
        }
        path += bytes;
        path += *path == ':';
    }
    return r;
}
