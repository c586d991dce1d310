/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/names_internal.h"

#define MAPS_BYTES_MAX (64 << 20)
#define DELETED        " (deleted)"

/* A line of /proc/PID/maps. */
struct line {
    uint64_t start, end, offset, ino;
    bool read, exec;
    char *path; /* in the text; "" = none */
};

static uint64_t
number(char **at, unsigned base)
{
    char *end = *at;
    uint64_t v = strtoull(*at, &end, (int)base);

    *at = *end ? end + 1 : end; /* and the '-' or blank behind it */
    return v;
}

static void
parse(char *text, struct line *ret)
{
    char *at = text;

    ret->start = number(&at, 16);
    ret->end = number(&at, 16);
    ret->read = *at == 'r';
    ret->exec = strnlen(at, 6) > 5 && at[2] == 'x';
    at += strcspn(at, " ");
    at += *at == ' ';
    ret->offset = number(&at, 16);
    at += strcspn(at, " "); /* device */
    at += *at == ' ';
    ret->ino = number(&at, 10);
    ret->path = at + strspn(at, " ");
}

/* The kernel writes a newline in a name as \012; that is the only escape. */
static char *
path_of(const char *text, bool *deleted)
{
    size_t n = strlen(text), tail = sizeof(DELETED) - 1;
    char *path = strdup(text), *to = path;

    *deleted = n > tail && !strcmp(text + n - tail, DELETED);
    if (!path)
        return NULL;
    if (*deleted)
        path[n - tail] = '\0';
    for (const char *from = path; *from; to++) {
        bool escape = !strncmp(from, "\\012", 4);

        if (escape)
            *to = '\n';
        else
            *to = *from;
        from += escape ? 4 : 1;
    }
    *to = '\0';
    return path;
}

/* grow - room for one more of @bytes each. Return: the array, moved or not; NULL: no memory. */
static void *
grow(void *array, size_t n, size_t bytes)
{
    if (n & (n - 1)) /* room is always a power of two */
        return array;
    return reallocarray(array, n ? n * 2 : 1, bytes);
}

static int
module_add(struct names *names, const struct line *line)
{
    struct module *grown = grow(names->modules, names->n_modules, sizeof(*grown));
    bool deleted;
    char *path;

    if (!grown)
        return -ENOMEM;
    names->modules = grown;
    path = path_of(line->path, &deleted);
    if (!path)
        return -ENOMEM;
    grown[names->n_modules++] = (struct module){.start = line->start,
                                                .end = line->end,
                                                .ino = line->ino,
                                                .map_start = line->start,
                                                .map_end = line->end,
                                                .last_offset = line->offset,
                                                .path = path,
                                                .base = path,
                                                .headed = line->offset == 0,
                                                .exec = line->exec};
    if (strrchr(path, '/'))
        grown[names->n_modules - 1].base = strrchr(path, '/') + 1;
    grown[names->n_modules - 1].runtime = kind_module(grown[names->n_modules - 1].base);
    grown[names->n_modules - 1].library = kind_library(path);
    return 0;
}

/* A mapping that follows in address and offset belongs to what was loaded before it. */
static int
module_of(struct names *names, const struct line *line)
{
    struct module *last = names->n_modules ? &names->modules[names->n_modules - 1] : NULL;
    int r;

    if (last && last->ino == line->ino && line->ino != 0 && line->offset >= last->last_offset &&
        !strncmp(last->path, line->path, strlen(last->path))) {
        last->end = line->end;
        last->last_offset = line->offset;
        last->exec |= line->exec;
        return 0;
    }
    if (names->n_modules >= NAMES_MODULES_MAX)
        return -E2BIG;
    r = module_add(names, line);
    return r;
}

static int
area_add(struct names *names, const struct line *line)
{
    struct area *grown = grow(names->areas, names->n_areas, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    names->areas = grown;
    grown[names->n_areas++] = (struct area){line->start, line->end};
    return 0;
}

static int
mapping_add(struct names *names, const struct line *line)
{
    bool file = line->ino != 0 || !strcmp(line->path, "[vdso]");
    int r = file ? module_of(names, line) : 0;
    struct mapping *grown;

    if (!file && line->read)
        r = area_add(names, line);
    if (r == 0 && !file && !line->exec) /* stacks and heaps: there are thousands */
        return 0;
    if (r == -E2BIG)
        return 0;
    if (r < 0)
        return r;
    grown = grow(names->maps, names->n_maps, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    names->maps = grown;
    grown[names->n_maps++] = (struct mapping){.start = line->start,
                                              .end = line->end,
                                              .offset = line->offset,
                                              .module = file ? (int)names->n_modules - 1 : -1,
                                              .exec = line->exec};
    return 0;
}

/* maps_text - of @pid as thread @tid has them. A thread that ended has none: "". */
static int
maps_text(pid_t pid, pid_t tid, char **ret)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/maps", (int)pid, (int)tid);
    return file_read(path, MAPS_BYTES_MAX, ret, NULL, NULL);
}

/* of_anybody - the maps as any thread that lives has them. */
static int
of_anybody(struct names *names, char **ret)
{
    char path[48];
    struct dirent *e;
    int r = -ESRCH;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)names->pid);
    dir = opendir(path);
    if (!dir)
        return -errno;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the directory is ours */
    while (r < 0 && (e = readdir(dir))) {
        pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
        char *text = NULL;

        if (tid <= 0 || maps_text(names->pid, tid, &text) < 0)
            continue;
        if (text[0]) {
            names->memory.tid = tid;
            *ret = steal(text);
            r = 0;
        }
        free(text);
    }
    (void)closedir(dir);
    return r;
}

static int
read_all(struct names *names, char **ret)
{
    int r = maps_text(names->pid, names->pid, ret);

    if (r == -ENOENT)
        return -ESRCH;
    if (r < 0 || (*ret)[0])
        return r;
    free(steal(*ret)); /* the first thread ended: a zombie, while others live */
    return of_anybody(names, ret);
}

int
modules_read(struct names *names, struct error *reterr)
{
    auto_free char *text = NULL;
    char *rest;
    int r = read_all(names, &text);

    if (r < 0)
        return error_set(reterr, r, "read the maps of process %d", (int)names->pid);
    rest = text;
    names->is_static = true;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        struct line parsed;

        if (!line[0])
            continue;
        parse(line, &parsed);
        if (parsed.end > parsed.start)
            r = mapping_add(names, &parsed);
        if (r < 0)
            return error_set(reterr, r, "list the modules of process %d", (int)names->pid);
    }
    for (size_t i = 0; i < names->n_modules; i++)
        names->is_static &= !names->modules[i].runtime || names->modules[i].path[0] == '[';
    return 0;
}

void
modules_finish(struct names *names)
{
    for (size_t i = 0; i < names->n_modules; i++) {
        free(names->modules[i].path);
        free(names->modules[i].ranges);
    }
    free(names->modules);
    free(names->maps);
    free(names->areas);
}

struct mapping *
mapping_at(const struct names *names, uint64_t address)
{
    size_t low = 0, high = names->n_maps;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (names->maps[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < names->n_maps && names->maps[low].start <= address ? &names->maps[low] : NULL;
}

uint64_t
names_area(const struct names *names, uint64_t address)
{
    size_t low = 0, high = names->n_areas;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (names->areas[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < names->n_areas && names->areas[low].start <= address ? names->areas[low].end : 0;
}

bool
names_libc(const struct names *names, uint64_t *ret_begin, uint64_t *ret_end)
{
    for (size_t i = 0; i < names->n_maps; i++) {
        const struct mapping *m = &names->maps[i];
        const char *base = m->module >= 0 ? names->modules[m->module].base : "";

        if (!m->exec || (strncmp(base, "libc.so.6", 9) != 0 && strncmp(base, "libc-2.", 7) != 0))
            continue;
        *ret_begin = m->start;
        *ret_end = m->end;
        return true;
    }
    return false;
}

bool
code_at(const struct names *names, uint64_t address)
{
    const struct mapping *m = mapping_at(names, address);

    return m && m->exec;
}

/* What lies behind the file's bytes in a module, its .bss, is in no mapping of the file. */
static int
bss_at(struct names *names, uint64_t address)
{
    for (size_t i = 0; i < names->n_modules; i++) {
        struct module *m = &names->modules[i];

        if (!m->exec || address < m->start || address - m->start > UINT64_C(1) << 32)
            continue;
        module_look(names, m);
        for (unsigned l = 0; l < m->n_loads; l++) {
            if (address >= m->loads[l].start && address < m->loads[l].end)
                return (int)i;
        }
    }
    return -1;
}

int
module_at(struct names *names, uint64_t address)
{
    const struct mapping *m = mapping_at(names, address);

    if (!m)
        return bss_at(names, address);
    if (m->module >= 0)
        module_look(names, &names->modules[m->module]);
    return m->module;
}
