/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/preload.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/elf.h"

#define OBJECT "libstint-preload.so"

static char *
if_there(const char *directory, const char *below)
{
    auto_text struct text path = TEXT_INIT;

    text_addf(&path, "%s/%s/" OBJECT, directory, below);
    return path.failed ? NULL : realpath(text_str(&path), NULL);
}

/* An upgrade may have put another file where ours was: then its name has a word too many. */
static char *
beside_us(void)
{
    char exe[PATH_MAX], *found;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    const char *directory;

    if (n <= 0)
        return NULL;
    exe[n] = '\0';
    directory = dirname(exe);
    found = if_there(directory, "../" STINT_LIBDIR_NAME "/stint");       /* as it is installed */
    return found ? found : if_there(directory, "../worker-api/preload"); /* as it is built */
}

char *
preload_find(struct error *reterr)
{
    char *path = beside_us();

    if (!path)
        path = if_there(STINT_LIBDIR, "stint");
    if (!path) {
        (void)error_say(reterr, -ENOENT,
                        "'preload' needs " OBJECT ", which is neither beside stint nor in %s/stint",
                        STINT_LIBDIR);
        return NULL;
    }
    if (strpbrk(path, ": \t\n")) {
        (void)error_say(
            reterr, -EINVAL,
            "'preload': $LD_PRELOAD cannot name '%s': colons and blanks divide its entries", path);
        free(path);
        return NULL;
    }
    return path;
}

const char *
preload_hindrance(int exe_fd, const struct stat *exe)
{
    struct elf_facts facts;
    struct error ignored = {0};

    if (exe->st_mode & (S_ISUID | S_ISGID))
        return "it is set-user-ID or set-group-ID";
    if (elf_check_fd(exe_fd, (uint64_t)exe->st_size, &facts, &ignored) == 0 &&
        facts.interpreter[0] == '\0')
        return "it is linked statically";
    return NULL;
}
