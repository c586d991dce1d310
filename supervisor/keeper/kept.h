/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_KEPT_H
#define STINT_KEEPER_KEPT_H

/*
 * Descriptors by name, in memory that is there from the start. A look-up walks one array of hashes,
 * 64 KiB when it is full, which is cheaper to trust than a tree and fast enough by far.
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/keeper/wire.h"

#define KEPT_MAX 16384

enum kept_mirror {
    MIRROR_NONE, /* not for systemd's store, or no room for it there */
    MIRROR_WANTED,
    MIRROR_DONE
};

struct kept_entry {
    char name[KEEPER_NAME_MAX];
    int32_t fd;      /* owned, CLOEXEC */
    uint32_t given;  /* the last master that has it: stored it or got it */
    uint32_t mirror; /* enum kept_mirror */
};

struct kept {
    uint32_t n, room; /* room ≤ KEPT_MAX */
    uint32_t next;    /* kept_next_to_give() looks from here; all before it is given */
    uint32_t reserved;
    uint32_t hashes[KEPT_MAX];
    struct kept_entry entries[KEPT_MAX]; /* the first n; order means nothing */
};

/* kept_name_fits - [a-z0-9_.-], 1 to KEEPER_NAME_MAX - 1 bytes. */
bool kept_name_fits(const char *name);
bool kept_begins(const char *name, const char *prefix);

struct kept_entry *kept_find(struct kept *k, const char *name); /* NULL: not there */

/**
 * kept_put - keep @fd, which is owned from now on, as @name; who had the name before is closed.
 * @ret: the entry; its mirror is MIRROR_NONE
 *
 * Return: 0, -ENFILE: no room, then @fd is still the caller's.
 */
int kept_put(struct kept *k, const char *name, int fd, uint32_t given, struct kept_entry **ret);
void kept_drop(struct kept *k, struct kept_entry *e); /* closes; other entries may move */

/* kept_next_to_give - one whose `given` is not @master yet, or NULL. The caller sets it, when it has gone out. */
struct kept_entry *kept_next_to_give(struct kept *k, uint32_t master);
void kept_rewind(struct kept *k); /* another master: look from the first */

#endif
