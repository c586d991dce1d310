/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOOK_SCAN_H
#define STINT_IO_LOOK_SCAN_H

/* Reading inputs: first how much and how young, then the digest. Blocks on disks; bounded by a budget. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "supervisor/core/event.h"
#include "supervisor/io/look.h"

struct look_scan {
    bool hash; /* read and digest; else only measure */
    struct digest digest;
    uint64_t bytes; /* of the files seen */
    unsigned directories, entries;
    unsigned enough;           /* stop after that many entries; 0 = go through all of them */
    int64_t youngest_us;       /* wall clock; the latest ctime seen */
    const char *youngest_what; /* borrowed: the input it belongs to */
    bool changed;              /* a file changed while it was read */
    int error;                 /* negative errno, then `reason` */
    char reason[480];
};

/* scan_input - one file or directory; what is missing has a digest too. */
void scan_input(struct look_scan *s, const char *path);

/* scan_fd - the bytes of an open regular file, from the start; leaves the file's offset alone. */
void scan_fd(struct look_scan *s, int fd, const char *name);

/* scan_age - note how young a file is, by its ctime: the one time nobody can set. */
void scan_age(struct look_scan *s, const struct stat *st, const char *what);

/* Does anything in it look as if it were still being written, at wall time @now_us? */
bool scan_unsettled(const struct look_scan *s, int64_t settle_us, int64_t now_us);

/* Did it stop because it had seen enough? Then nothing is known about the rest. */
bool scan_stopped(const struct look_scan *s);

bool stat_same(const struct stat *a, const struct stat *b); /* device, inode, size, mtime, ctime */

#endif
