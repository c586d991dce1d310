/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_WATCH_PATHS_H
#define STINT_IO_WATCH_PATHS_H

/* Which directories have to be watched, so that no change of a path's meaning is missed? Pure. */
#include <stdbool.h>
#include <stddef.h>

#define WATCH_PLACES_MAX 8192 /* for one set of paths */

enum watch_kind { WATCH_MISSING, WATCH_FILE, WATCH_DIRECTORY, WATCH_LINK };

/* The file system, as far as it is needed; tests bring one of their own. */
struct watch_files {
    /* As lstat(2) and readlink(2); @target gets the text of a link. */
    enum watch_kind (*kind)(void *env, const char *path, char *target, size_t room);
    /* Calls @each for every entry of a directory but "." and "..", until it returns false. */
    void (*list)(void *env, const char *path, bool (*each)(void *ctx, const char *name), void *ctx);
    void *env;
};

extern const struct watch_files watch_files_real;

struct watch_place {
    char *directory; /* owned; absolute, exists, no link on the way */
    char *name;      /* owned; the entry that matters; NULL = see `self` */
    bool self;       /* name is NULL: true = only its own move or removal; false = every entry */
};

struct watch_places {
    struct watch_place *items; /* owned; sorted and without doubles after watch_places_sort() */
    size_t n, room;
    size_t trees; /* directories that are watched as a whole */
    bool crowded; /* more than WATCH_PLACES_MAX or WATCH_TREE_MAX: the rest is not in the list */
    bool failed;  /* out of memory: the list is not complete */
};

/**
 * watch_places_add - walk @path, link by link.
 *
 * An existing directory is taken with everything below; links below it are followed to files.
 */
void watch_places_add(struct watch_places *p, const struct watch_files *files, const char *path);
void watch_places_sort(struct watch_places *p);
bool watch_places_equal(const struct watch_places *a,
                        const struct watch_places *b); /* sorted ones */
void watch_places_finish(struct watch_places *p);

#endif
