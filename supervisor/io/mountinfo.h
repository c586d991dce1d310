/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MOUNTINFO_H
#define STINT_IO_MOUNTINFO_H

/* The text of /proc/self/mountinfo. Pure. */
#include <limits.h>

#define MOUNTINFO_PATH "/proc/self/mountinfo"
#define MOUNTINFO_MAX  (8U << 20) /* bytes; a machine of many containers has some thousand lines */

struct mount_entry {
    char root[PATH_MAX];  /* what of the file system is mounted; "/" = all of it */
    char point[PATH_MAX]; /* where */
    char type[32];        /* "ext4", "cgroup2"; cut when longer */
};

/**
 * mountinfo_next - the first entry in @text; lines that are none are skipped.
 *
 * Return: the text behind it, to be asked for the next one; NULL: there is none, @ret is void.
 */
const char *mountinfo_next(const char *text, struct mount_entry *ret);

#endif
