/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch_identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/io/look.h"

#define DEPTH_MAX 64

struct walk {
    struct digest sum;
    unsigned entries; /* still allowed */
};

static void
mix_stat(struct walk *w, const struct stat *st)
{
    int64_t facts[] = {(int64_t)st->st_dev, (int64_t)st->st_ino, (int64_t)st->st_mode,
                       st->st_size,         st->st_mtim.tv_sec,  st->st_mtim.tv_nsec,
                       st->st_ctim.tv_sec,  st->st_ctim.tv_nsec};

    w->sum = digest_mix(w->sum, digest_of(facts, sizeof(facts)));
}

static void mix_tree(struct walk *w, int at, const char *name, int depth);

static void
mix_entry(struct walk *w, int at, const char *name, int depth)
{
    struct stat st, target;

    w->sum = digest_mix(w->sum, digest_of(name, strlen(name)));
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
        int why = errno;

        w->sum = digest_mix(w->sum, digest_of(&why, sizeof(why)));
        return;
    }
    mix_stat(w, &st);
    if (S_ISLNK(st.st_mode) && fstatat(at, name, &target, 0) == 0)
        mix_stat(w, &target);
    if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
        mix_tree(w, at, name, depth + 1);
}

/*
 * The order of a directory's entries is the file system's: the same as long as nothing changes, and
 * that is all we ask.
 */
static void
mix_tree(struct walk *w, int at, const char *name, int depth)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    DIR *d = fd == -1 ? NULL : fdopendir(fd);

    if (!d) {
        if (fd != -1)
            (void)close(fd); /* only opened */
        return;
    }
    for (struct dirent *e;
         w->entries > 0 && (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe) */
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        w->entries--;
        mix_entry(w, fd, e->d_name, depth);
    }
    (void)closedir(d); /* only reads were done */
}

struct digest
watch_identity(char *const *paths, size_t n)
{
    struct walk w = {.entries = LOOK_TREE_ENTRIES};

    for (size_t i = 0; i < n; i++) {
        struct stat st;

        mix_entry(&w, AT_FDCWD, paths[i], 0);
        /* a link to a directory stands for the directory */
        if (lstat(paths[i], &st) == 0 && S_ISLNK(st.st_mode))
            mix_tree(&w, AT_FDCWD, paths[i], 1);
    }
    return w.sum;
}
