/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_WATCH_TAG_H
#define STINT_IO_WATCH_TAG_H

/* What one service (or stint's own configuration) wants to hear about. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/list.h"
#include "supervisor/io/watch_dirs.h"
#include "supervisor/io/watch_paths.h"

struct watch_tag {
    struct list node; /* in watch.tags */
    uint32_t id;
    char **paths; /* owned, n_paths of them */
    size_t n_paths;
    struct watch_places places; /* owned; what the needs are for */
    struct watch_need *needs;   /* owned; one for each place */
    bool again;                 /* what its paths mean may have changed: arm anew */
    bool hinted;                /* a hint is due, with `hint` */
    char *hint;                 /* owned; what was seen, or NULL */
    bool polled;
    struct digest identity; /* polled: of its files when last seen */
    char mode[256];         /* for watch_mode() */
};

/* tag_create - a tag that stands for copies of @paths. Return: 0 or -ENOMEM. */
int tag_create(uint32_t id, const char *const *paths, size_t n, struct watch_tag **ret);
int tag_set(struct watch_tag *t, const char *const *paths, size_t n); /* unchanged on -ENOMEM */
void tag_destroy(struct watch_tag *t);

/* tag_hint - remember that a hint is due. @dir: where, or NULL. */
void tag_hint(struct watch_tag *t, const struct watch_dir *dir, const char *name);

/**
 * tag_arm - watch what its paths mean now, or have it polled.
 * @broken: why nothing can be watched at all, or ""
 *
 * Return: false when the paths would not hold still meanwhile: `again` is set and a hint is due.
 */
bool tag_arm(struct watch_tag *t, struct watch_dirs *dirs, const char *broken);

/* tag_moved - polled: are its files others than last time? */
bool tag_moved(struct watch_tag *t);

#endif
