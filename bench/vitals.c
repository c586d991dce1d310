// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/vitals.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

#define PROC_TEXT_MAX ((size_t)1 << 20)

static unsigned
count_lines(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    unsigned lines = 0;

    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        lines += strncmp(at, prefix, n) == 0;
    }
    return lines;
}

/* Descriptors, and the watches of those that are inotify's. */
static int
read_fds(pid_t pid, struct vitals *v)
{
    char path[320];
    struct dirent *entry;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
    dir = opendir(path);
    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        auto_free char *info = NULL;

        if (entry->d_name[0] == '.')
            continue;
        v->fds++;
        (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, entry->d_name);
        if (file_read(path, PROC_TEXT_MAX, &info, NULL, NULL) == 0)
            v->watches += count_lines(info, "inotify wd:");
    }
    (void)closedir(dir);
    return 0;
}

/* The number behind "NAME:" in a text of such lines; -1: there is none. */
static long
number_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static unsigned
count_words(const char *text)
{
    unsigned words = 0;

    for (; *text; text++)
        words += *text == ' ';
    return words;
}

/* "12 345 6": 345. */
static double
second_number(const char *text)
{
    const char *space = strchr(text, ' ');

    return space ? strtod(space, NULL) : 0;
}

int
vitals_read(pid_t pid, struct vitals *ret, struct error *reterr)
{
    auto_free char *status = NULL;
    auto_free char *maps = NULL;
    auto_free char *children = NULL;
    auto_free char *sched = NULL;
    struct vitals v = {0};
    char path[96];
    int r = read_fds(pid, &v);

    if (r < 0)
        return error_set(reterr, r, "count the descriptors of %d", pid);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
    r = file_read(path, PROC_TEXT_MAX, &status, NULL, reterr);
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    if (r == 0)
        r = file_read(path, PROC_TEXT_MAX, &maps, NULL, reterr);
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    if (r == 0)
        r = file_read(path, PROC_TEXT_MAX, &children, NULL, reterr);
    (void)snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
    if (r == 0)
        r = file_read(path, PROC_TEXT_MAX, &sched, NULL, reterr);
    if (r < 0)
        return r;
    if (!status || !maps || !children || !sched)
        return error_set(reterr, -EIO, "look at %d", pid);
    v.threads = (unsigned)number_of(status, "Threads:");
    v.rss_kib = number_of(maps, "Rss:");
    v.children = count_words(children);
    v.waited_ms = second_number(sched) / 1e6;
    if (v.rss_kib < 0)
        return error_say(reterr, -EBADMSG, "no Rss of %d", pid);
    *ret = v;
    return 0;
}
