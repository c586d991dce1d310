/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/look_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"

#define CHUNK (64 << 10)

static void scan_path(struct look_scan *s, const char *path, const char *what, bool top);

static void
fail(struct look_scan *s, int error, const char *what, const char *path)
{
    struct error err;

    if (s->error != 0)
        return;
    s->error = error_set(&err, error, "%s '%s'", what, path);
    memcpy(s->reason, err.text, sizeof(s->reason));
}

/* note - put a fact into the digest; the tag keeps "a file" and "a link" with equal bytes apart. */
static void
note(struct look_scan *s, const char *tag, const void *data, size_t bytes)
{
    if (!s->hash)
        return;
    s->digest = digest_mix(s->digest, digest_of(tag, strlen(tag)));
    s->digest = digest_mix(s->digest, digest_of(data, bytes));
}

bool
stat_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void
scan_age(struct look_scan *s, const struct stat *st, const char *what)
{
    int64_t us = (int64_t)st->st_ctim.tv_sec * 1000000 + st->st_ctim.tv_nsec / 1000;

    if (us > s->youngest_us) {
        s->youngest_us = us;
        s->youngest_what = what;
    }
}

bool
scan_unsettled(const struct look_scan *s, int64_t settle_us, int64_t now_us)
{
    int64_t age_us = now_us - s->youngest_us;

    /* far in the future is not young: the clock was set back, and waiting would take for ever */
    return s->changed || (age_us < settle_us && age_us > -settle_us);
}

static int
digest_fd(int fd, struct digest *ret, uint64_t *ret_bytes)
{
    auto_free char *chunk = malloc(CHUNK);
    struct digest_stream *stream = chunk ? digest_stream_create() : NULL;
    uint64_t done = 0;
    int r = 0;

    if (!stream)
        return -ENOMEM;
    for (;;) {
        ssize_t n = pread(fd, chunk, CHUNK, (off_t)done);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            r = -errno;
        if (n <= 0)
            break;
        digest_stream_update(stream, chunk, (size_t)n);
        done += (uint64_t)n;
    }
    *ret = digest_stream_finish(stream);
    *ret_bytes = done;
    return r;
}

void
scan_fd(struct look_scan *s, int fd, const char *name)
{
    struct stat before, after;
    struct digest d;
    uint64_t read_bytes = 0;
    int r;

    if (fstat(fd, &before) == -1) {
        fail(s, -errno, "look at", name);
        return;
    }
    s->bytes += (uint64_t)before.st_size;
    if (!s->hash)
        return;
    r = digest_fd(fd, &d, &read_bytes);
    if (r < 0) {
        fail(s, r, "read", name);
        return;
    }
    if (fstat(fd, &after) == -1 || !stat_same(&before, &after) ||
        read_bytes != (uint64_t)before.st_size)
        s->changed = true;
    note(s, "file", &d, sizeof(d));
}

static void
scan_file(struct look_scan *s, const char *path, const struct stat *st)
{
    struct stat now;

    if (!s->hash) { /* measuring opens nothing */
        s->bytes += (uint64_t)st->st_size;
        return;
    }
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd == -1 && errno == ENOENT) {
        s->changed = true;
        return;
    }
    if (fd == -1) {
        fail(s, -errno, "open", path);
        return;
    }
    if (fstat(fd, &now) == -1 || !stat_same(st, &now))
        s->changed = true; /* another file by now */
    else
        scan_fd(s, fd, path);
}

bool
scan_stopped(const struct look_scan *s)
{
    return s->enough > 0 && s->entries > s->enough;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
names_of(struct look_scan *s, const char *path, struct strv *ret)
{
    DIR *d = opendir(path);
    int r = 0;

    if (!d)
        return -errno;
    for (struct dirent *e; r == 0 && !scan_stopped(s) &&
                           (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): our DIR */
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        r = ++s->entries > LOOK_TREE_ENTRIES ? -E2BIG : strv_add(ret, e->d_name);
    }
    (void)closedir(d); /* only reads were done */
    if (r == 0 && ret->n > 0)
        qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
    return r;
}

static void
scan_directory(struct look_scan *s, const char *path, const char *what)
{
    struct strv names = {NULL, 0};
    int r = ++s->directories > LOOK_TREE_DIRS ? -E2BIG : names_of(s, path, &names);

    if (r == -ENOENT)
        s->changed = true;
    else if (r == -E2BIG)
        fail(s, r, "too many files and directories to watch in", what);
    else if (r < 0)
        fail(s, r, "list", path);
    for (size_t i = 0; r == 0 && i < names.n && s->error == 0 && !scan_stopped(s); i++) {
        auto_free char *full = NULL;

        if (asprintf(&full, "%s/%s", path, names.items[i]) == -1) {
            full = NULL;
            fail(s, -ENOMEM, "look at", path);
            break;
        }
        note(s, "name", names.items[i], strlen(names.items[i]));
        scan_path(s, full, what, false);
    }
    note(s, "end", "", 0);
    strv_finish(&names);
}

/* scan_path - @top: links are followed; below a directory a link to a directory is just its text. */
static void
scan_path(struct look_scan *s, const char *path, const char *what, bool top)
{
    struct stat st;
    bool entered = top;

    if (!top && lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof(target));

        scan_age(s, &st, what);
        note(s, "link", target, n > 0 ? (size_t)n : 0);
    } else {
        entered = true;
    }
    if (stat(path, &st) == -1) {
        if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
            fail(s, -errno, "look at", path);
        note(s, "absent", "", 0);
        return;
    }
    scan_age(s, &st, what);
    if (S_ISREG(st.st_mode))
        scan_file(s, path, &st);
    else if (S_ISDIR(st.st_mode) && entered)
        scan_directory(s, path, what);
    else
        note(s, "special", &st.st_rdev, sizeof(st.st_rdev));
}

void
scan_input(struct look_scan *s, const char *path)
{
    scan_path(s, path, path, true);
}
