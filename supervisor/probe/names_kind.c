/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "supervisor/probe/names_internal.h"

#define MODULE(prefix)
#define FUNCTION(prefix)
#define LIBC(name)
#define WAIT(name, class)
#define INNER(name)

static const char *const modules[] = {
#undef MODULE
#define MODULE(prefix) prefix,
#include "supervisor/probe/kinds.def"
#undef MODULE
#define MODULE(prefix)
};

static const char *const functions[] = {
#undef FUNCTION
#define FUNCTION(prefix) prefix,
#include "supervisor/probe/kinds.def"
#undef FUNCTION
#define FUNCTION(prefix)
};

static const char *const libc[] = {
#undef LIBC
#define LIBC(name) name,
#include "supervisor/probe/kinds.def"
#undef LIBC
#define LIBC(name)
};

static const char *const inner[] = {
#undef INNER
#define INNER(name) name,
#include "supervisor/probe/kinds.def"
#undef INNER
#define INNER(name)
};

static const struct {
    const char *name;
    enum wait_class class;
} waits[] = {
#undef WAIT
#define WAIT(name, class) {name, WAIT_##class},
#include "supervisor/probe/kinds.def"
#undef WAIT
};

static bool
begins(const char *s, const char *const *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[0] == prefixes[i][0] && !strncmp(s, prefixes[i], strlen(prefixes[i])))
            return true;
    }
    return false;
}

bool
kind_module(const char *base)
{
    return begins(base, modules, ARRAY_LEN(modules));
}

/*
 * kind_library - is it a file that the linker finds by its name alone? What lies elsewhere, or in folders
 * below (plugins), somebody brought with the program.
 */
bool
kind_library(const char *path)
{
    const char *at = path, *base = strrchr(path, '/');

    if (!base || strncmp(base, "/lib", 4) != 0 || !strstr(base, ".so"))
        return false;
    at += strncmp(at, "/usr/", 5) == 0 ? strlen("/usr") : 0;
    if (strncmp(at, "/lib", 4) != 0)
        return false;
    at += strlen("/lib");
    at += strncmp(at, "64/", 3) == 0 || strncmp(at, "32/", 3) == 0 ? 2 : 0;
    if (at == base)
        return true;
    /* /usr/lib/x86_64-linux-gnu/libfoo.so.1 */
    return at[0] == '/' && strcspn(at + 1, "/") == (size_t)(base - at) - 1 &&
           memmem(at, (size_t)(base - at), "-linux-", strlen("-linux-")) != NULL;
}

/* bare - the name as people write it: __GI___pthread_mutex_lock is pthread_mutex_lock. */
static const char *
bare(const char *function)
{
    if (!strncmp(function, "__GI_", 5))
        function += 5;
    if (!strncmp(function, "__libc_", 7) && strncmp(function, "__libc_start", 12) != 0)
        function += 7;
    return function + strspn(function, "_");
}

bool
kind_waits(const char *function)
{
    for (size_t i = 0; i < ARRAY_LEN(inner); i++) {
        size_t n = strlen(inner[i]);

        if (!strncmp(function, inner[i], n) && strchr("@.", function[n]))
            return true;
    }
    return false;
}

bool
kind_sanitizer(const char *function)
{
    return strstr(function, "__tsan") || strstr(function, "__asan") ||
           strstr(function, "asan_thread_start") || strstr(function, "__interceptor_");
}

bool
kind_function(const char *function, const struct names *names)
{
    const char *name;

    if (begins(function, functions, ARRAY_LEN(functions)))
        return true;
    if (names->sanitized && function[0] != '_' && names_wait_class(function) != WAIT_UNKNOWN)
        return true; /* what it put in front of libc's */
    if (!names->is_static || !function[0])
        return false;
    name = bare(function);
    if (names_wait_class(function) != WAIT_UNKNOWN || !strncmp(function, "__", 2) ||
        !strncmp(function, "_IO_", 4) || !strncmp(function, "runtime.", 8))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(libc); i++) {
        if (!strcmp(name, libc[i]))
            return true;
    }
    return false;
}

enum wait_class
names_wait_class(const char *function)
{
    const char *name = bare(function);

    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        size_t n;

        if (name[0] != waits[i].name[0])
            continue;
        n = strlen(waits[i].name);
        if (!strncmp(name, waits[i].name, n) && strchr("@.", name[n]))
            return waits[i].class;
    }
    return WAIT_UNKNOWN;
}
