/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_WATCH_DIRS_H
#define STINT_IO_WATCH_DIRS_H

/*
 * The watched directories, each once whatever the number of paths and tags that need it. A
 * directory is its device and inode: the kernel has one watch for that, under any name.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "supervisor/io/watch_paths.h"
#include "supervisor/io/watch_source.h"

#define WATCH_BUCKETS 256

struct watch_tag;

struct watch_dir {
    struct list by_wd, by_identity; /* in watch_dirs */
    struct list needs;              /* struct watch_need.in_dir */
    dev_t dev;
    ino_t ino;
    int wd;
    bool full;  /* entries too; else its own move and removal only */
    char *path; /* owned; as it was named first, for people */
};

/* One tag needs one directory: for one name, for every entry, or for itself. */
struct watch_need {
    struct list in_dir;    /* in watch_dir.needs; empty when the directory is gone */
    struct watch_tag *tag; /* borrowed: the tag owns the need */
    const char *name;      /* borrowed from the tag's places */
    bool self;
};

struct watch_dirs {
    struct watch_source source;
    struct list by_wd[WATCH_BUCKETS], by_identity[WATCH_BUCKETS];
    unsigned n;
    bool doubt; /* an event of a directory may have been lost: set here, read by the owner */
};

void dirs_init(struct watch_dirs *d);
void dirs_finish(struct watch_dirs *d); /* every directory; needs are unlinked, not freed */

/**
 * dirs_need - link @need to the directory of @place, watching it from now on if nobody did.
 * @ret_remote: set when the file system may change without telling inotify (NFS, FUSE …)
 *
 * Return: 0, or a negative errno: not watched, @need is not linked.
 */
int dirs_need(struct watch_dirs *d, const struct watch_place *place, struct watch_need *need,
              bool *ret_remote);

struct watch_dir *dirs_find(struct watch_dirs *d, int wd);
void dirs_forget(struct watch_dirs *d, struct watch_dir *dir); /* the kernel dropped it already */
void dirs_sweep(struct watch_dirs *d);                         /* those nobody needs */

#endif
