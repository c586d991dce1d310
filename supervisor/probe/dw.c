/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/dw.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plain.h"

#define LIBRARY "libdw.so.1"

#define CALLS(X)            \
    X(dwarf_begin)          \
    X(dwarf_end)            \
    X(dwarf_addrdie)        \
    X(dwarf_nextcu)         \
    X(dwarf_offdie)         \
    X(dwarf_haspc)          \
    X(dwarf_getsrc_die)     \
    X(dwarf_lineno)         \
    X(dwarf_linesrc)        \
    X(dwarf_getsrcfiles)    \
    X(dwarf_filesrc)        \
    X(dwarf_getscopes)      \
    X(dwarf_tag)            \
    X(dwarf_diename)        \
    X(dwarf_attr)           \
    X(dwarf_attr_integrate) \
    X(dwarf_formstring)     \
    X(dwarf_formudata)

struct dw {
#define MEMBER(name) __typeof__(name) *(name);
    CALLS(MEMBER)
#undef MEMBER
};

struct dw_file {
    const struct dw *dw; /* borrowed */
    Dwarf *dwarf;        /* owned */
};

int
dw_load(struct dw **ret)
{
    static const char *const names[] = {
#define NAME(name) #name,
        CALLS(NAME)
#undef NAME
    };
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    struct dw *dw;
    char *member;

    if (!library)
        return -ELIBACC;
    dw = calloc(1, sizeof(*dw));
    if (!dw)
        return -ENOMEM;
    member = (char *)dw;
    for (size_t i = 0; i < ARRAY_LEN(names); i++, member += sizeof(void *)) {
        void *call = dlsym(library, names[i]);

        _Static_assert(sizeof(*dw) == ARRAY_LEN(names) * sizeof(void *), "one pointer for each");
        if (!call) {
            free(dw);
            return -ELIBACC;
        }
        memcpy(member, &call, sizeof(call));
    }
    *ret = dw;
    return 0;
}

int
dw_file_open(const struct dw *dw, int fd, struct dw_file **ret)
{
    struct dw_file *file = calloc(1, sizeof(*file));

    if (!file)
        return -ENOMEM;
    file->dw = dw;
    file->dwarf = dw->dwarf_begin(fd, DWARF_C_READ);
    if (!file->dwarf) {
        free(file);
        return -ENODATA;
    }
    *ret = file;
    return 0;
}

void
dw_file_close(struct dw_file *file)
{
    if (!file)
        return;
    (void)file->dw->dwarf_end(file->dwarf);
    free(file);
}

/* unit_of - the compilation unit that has @address; not every compiler writes a table of them. */
static bool
unit_of(struct dw_file *file, uint64_t address, Dwarf_Die *ret)
{
    const struct dw *dw = file->dw;
    Dwarf_Off at = 0, next;
    size_t header;

    if (dw->dwarf_addrdie(file->dwarf, address, ret))
        return true;
    while (dw->dwarf_nextcu(file->dwarf, at, &next, &header, NULL, NULL, NULL) == 0) {
        if (dw->dwarf_offdie(file->dwarf, at + header, ret) && dw->dwarf_haspc(ret, address) == 1)
            return true;
        if (next <= at)
            break;
        at = next;
    }
    return false;
}

static const char *
string_of(const struct dw *dw, Dwarf_Die *die, unsigned attribute)
{
    Dwarf_Attribute attr;

    if (!dw->dwarf_attr_integrate(die, attribute, &attr))
        return NULL;
    return dw->dwarf_formstring(&attr);
}

static const char *
name_of(const struct dw *dw, Dwarf_Die *die)
{
    const char *name = string_of(dw, die, DW_AT_linkage_name);

    return name ? name : dw->dwarf_diename(die);
}

static bool
is_system_header(const char *path)
{
    return strstr(path, "/usr/include/") || strstr(path, "/include/c++/") ||
           strstr(path, "/lib/gcc/");
}

static void
copy(char *to, size_t room, const char *from)
{
    (void)snprintf(to, room, "%s", from ? from : "");
    plain_text(to);
}

/* path_set - as the compiler was told it; the end of a long one says more than its beginning. */
static void
path_set(const struct dw *dw, Dwarf_Die *unit, const char *path, struct dw_line *ret)
{
    const char *dir = string_of(dw, unit, DW_AT_comp_dir);
    size_t n = dir ? strlen(dir) : 0;

    if (n > 1 && !strncmp(path, dir, n) && path[n] == '/')
        path += n + 1;
    while (!strncmp(path, "./", 2))
        path += 2;
    n = strlen(path);
    if (n >= sizeof(ret->file)) {
        const char *tail = path + n - (sizeof(ret->file) - 1);
        const char *slash = strchr(tail, '/');

        path = slash ? slash + 1 : tail;
    }
    copy(ret->file, sizeof(ret->file), path);
}

/* called_at - where an inlined function was called: the line that its caller is at. */
static const char *
called_at(const struct dw *dw, Dwarf_Die *unit, Dwarf_Die *die, unsigned *ret_line)
{
    Dwarf_Attribute attr;
    Dwarf_Word file, line;
    Dwarf_Files *files;
    size_t n;

    if (!dw->dwarf_attr(die, DW_AT_call_line, &attr) || dw->dwarf_formudata(&attr, &line) != 0 ||
        !dw->dwarf_attr(die, DW_AT_call_file, &attr) || dw->dwarf_formudata(&attr, &file) != 0 ||
        dw->dwarf_getsrcfiles(unit, &files, &n) != 0 || file >= n)
        return NULL;
    *ret_line = (unsigned)line;
    return dw->dwarf_filesrc(files, (size_t)file, NULL, NULL);
}

/* outward - from the innermost function at an address to the first that is in no system header. */
static void
outward(const struct dw *dw, Dwarf_Die *unit, uint64_t address, const char **path,
        struct dw_line *ret)
{
    Dwarf_Die *scopes = NULL;
    int n = dw->dwarf_getscopes(unit, address, &scopes);

    for (int i = 0; i < n; i++) {
        int tag = dw->dwarf_tag(&scopes[i]);
        bool done = tag == DW_TAG_subprogram;

        if (done) {
            copy(ret->enclosing, sizeof(ret->enclosing), name_of(dw, &scopes[i]));
        } else if (tag == DW_TAG_inlined_subroutine && !ret->function[0]) {
            Dwarf_Attribute attr;
            const char *caller;

            /* __attribute__((artificial)) asks for the location of the caller */
            if (!is_system_header(*path) &&
                !dw->dwarf_attr_integrate(&scopes[i], DW_AT_artificial, &attr)) {
                copy(ret->function, sizeof(ret->function), name_of(dw, &scopes[i]));
            } else {
                caller = called_at(dw, unit, &scopes[i], &ret->line);
                *path = caller ? caller : *path;
            }
        }
        if (done)
            break;
    }
    free(scopes);
}

int
dw_line(struct dw_file *file, uint64_t address, struct dw_line *ret)
{
    const struct dw *dw = file->dw;
    struct dw_line found = {.line = 0};
    const char *path;
    Dwarf_Line *line;
    Dwarf_Die unit;
    int number;

    if (!unit_of(file, address, &unit))
        return -ENODATA;
    line = dw->dwarf_getsrc_die(&unit, address);
    path = line ? dw->dwarf_linesrc(line, NULL, NULL) : NULL;
    if (!path || dw->dwarf_lineno(line, &number) != 0 || number < 0)
        return -ENODATA;
    found.line = (unsigned)number;
    outward(dw, &unit, address, &path, &found);
    path_set(dw, &unit, path, &found);
    *ret = found;
    return 0;
}
