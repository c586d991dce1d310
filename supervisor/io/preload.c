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
#include "config/spec.h"
#include "supervisor/io/elf.h"

/* Who asks for it, its file, and where that is in a build. */
struct object {
    const char *key, *file, *built;
};

static const struct object threads = {"preload", "libstint-preload.so", "../worker-api/preload"};
static const struct object heap = {"profiling.heap", "libstint-heap.so", "../worker-api/heap"};

static char *
if_there(const char *directory, const char *below, const char *file)
{
    auto_text struct text path = TEXT_INIT;

    text_addf(&path, "%s/%s/%s", directory, below, file);
    return path.failed ? NULL : realpath(text_str(&path), NULL);
}

/* An upgrade may have put another file where ours was: then its name has a word too many. */
static char *
beside_us(const struct object *o)
{
    char exe[PATH_MAX], *found;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    const char *directory;

    if (n <= 0)
        return NULL;
    exe[n] = '\0';
    directory = dirname(exe);
    found = if_there(directory, "../" STINT_LIBDIR_NAME "/stint", o->file); /* as it is installed */
    return found ? found : if_there(directory, o->built, o->file);          /* as it is built */
}

static int
add(struct text *list, const struct object *o, struct error *reterr)
{
    auto_free char *path = beside_us(o);

    if (!path)
        path = if_there(STINT_LIBDIR, "stint", o->file);
    if (!path)
        return error_say(reterr, -ENOENT,
                         "'%s' needs %s, which is neither beside stint nor in %s/stint", o->key,
                         o->file, STINT_LIBDIR);
    if (strpbrk(path, ": \t\n"))
        return error_say(reterr, -EINVAL,
                         "'%s': $LD_PRELOAD cannot name '%s': colons and blanks divide its entries",
                         o->key, path);
    text_addf(list, "%s%s", text_str(list)[0] != '\0' ? ":" : "", path);
    return 0;
}

int
preload_find(const struct service_spec *spec, char **ret, struct error *reterr)
{
    auto_text struct text list = TEXT_INIT;
    int r = 0;

    *ret = NULL;
    if (spec->preload)
        r = add(&list, &threads, reterr);
    if (r == 0 && spec->profiling.heap)
        r = add(&list, &heap, reterr);
    if (r < 0 || (!spec->preload && !spec->profiling.heap))
        return r;
    if (!list.failed)
        *ret = strdup(text_str(&list));
    return *ret ? 0 : error_set(reterr, -ENOMEM, "name what is loaded into '%s'", spec->name);
}

/* Its loader would end the program over what glibc alone has, before main(). */
static bool
is_musl(const struct elf_facts *facts)
{
    const char *slash = strrchr(facts->interpreter, '/');

    return slash && strncmp(slash, "/ld-musl-", strlen("/ld-musl-")) == 0;
}

char *
preload_for(const struct service_spec *spec, int exe_fd, const struct stat *exe)
{
    struct elf_facts facts;
    struct error ignored = {0};
    char *objects = NULL;

    (void)preload_find(spec, &objects, &ignored);
    if (!objects || exe_fd < 0 ||
        elf_check_fd(exe_fd, (uint64_t)exe->st_size, &facts, &ignored) < 0 || !is_musl(&facts))
        return objects;
    free(objects);
    return NULL;
}

const char *
preload_hindrance(int exe_fd, const struct stat *exe)
{
    struct elf_facts facts;
    struct error ignored = {0};

    if (exe->st_mode & (S_ISUID | S_ISGID))
        return "it is set-user-ID or set-group-ID";
    if (elf_check_fd(exe_fd, (uint64_t)exe->st_size, &facts, &ignored) < 0)
        return NULL;
    if (facts.interpreter[0] == '\0')
        return "it is linked statically";
    if (is_musl(&facts))
        return "its C library is musl, and what would be loaded is glibc's; it is left out";
    return NULL;
}
