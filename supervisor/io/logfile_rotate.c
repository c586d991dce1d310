/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/logfile.h"

#define TRIES 1000 /* microseconds in a row that are all taken: somebody means it */

char *
logfile_stamp(int64_t wall_us, char buf[LOGFILE_STAMP + 1])
{
    time_t seconds = (time_t)(wall_us / US_PER_S);
    struct tm tm = {0};
    char day[32] = "";

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(day, sizeof(day), "%Y%m%dT%H%M%S", &tm);
    (void)snprintf(buf, LOGFILE_STAMP + 1, "%.15s.%06dZ", day, (int)(wall_us % US_PER_S));
    return buf;
}

bool
logfile_is_stamp(const char *s)
{
    static const char shape[] = "00000000T000000.000000Z";

    for (size_t i = 0; i < LOGFILE_STAMP; i++)
        if (shape[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
            return false;
    return s[LOGFILE_STAMP] == '\0';
}

/* Never over a file that is there. Where the file system cannot promise that, look first. */
static int
rename_to(const char *from, const char *to)
{
    struct stat st;

    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (lstat(to, &st) == 0)
        return -EEXIST;
    return rename(from, to) == -1 ? -errno : 0;
}

int
logfile_rotate(struct logfile *f)
{
    int64_t at_us = wall_now_us();
    int r = -EEXIST;

    for (int i = 0; i < TRIES && r == -EEXIST; i++) {
        auto_text struct text to = TEXT_INIT;
        char stamp[LOGFILE_STAMP + 1];

        text_addf(&to, "%s.%s", f->config.path, logfile_stamp(at_us + i, stamp));
        r = to.failed ? -ENOMEM : rename_to(f->config.path, text_str(&to));
        if (r == 0 && f->say)
            f->say(f->env, LOGFILE_ROTATED, 0, text_str(&to));
    }
    if (r < 0)
        return r;
    f->fd = fd_close(f->fd);
    atomic_fetch_add(&f->memory->shared->rotations, 1);
    return 0;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in @dir that are @base, a dot and a stamp. */
static int
find_old(DIR *dir, const char *base, struct strv *ret)
{
    size_t n = strlen(base);
    const struct dirent *e;

    while ((e = readdir(dir)) != NULL)
        if (strncmp(e->d_name, base, n) == 0 && e->d_name[n] == '.' &&
            logfile_is_stamp(e->d_name + n + 1) && strv_add(ret, e->d_name) < 0)
            return -ENOMEM;
    if (ret->n > 1)
        qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
    return 0;
}

int
logfile_prune(const char *path, unsigned keep)
{
    const char *slash = strrchr(path, '/');
    auto_free char *directory =
        slash && slash != path ? strndup(path, (size_t)(slash - path)) : strdup(slash ? "/" : ".");
    struct strv old = {NULL, 0};
    int removed = 0, r = -ENOMEM;
    DIR *dir = directory ? opendir(directory) : NULL;

    if (!dir)
        return directory ? -errno : -ENOMEM;
    r = find_old(dir, slash ? slash + 1 : path, &old);
    for (size_t i = 0; r == 0 && i + keep < old.n; i++) {
        if (unlinkat(dirfd(dir), old.items[i], 0) == 0)
            removed++;
        else if (errno != ENOENT)
            r = -errno;
    }
    strv_finish(&old);
    (void)closedir(dir);
    return r < 0 ? r : removed;
}
