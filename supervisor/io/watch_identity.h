/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_WATCH_IDENTITY_H
#define STINT_IO_WATCH_IDENTITY_H

#include <stddef.h>

#include "base/digest.h"

/**
 * watch_identity - device, inode, size, mtime and ctime of every path, of every link on the way to
 * its last component, and of what is below a directory: for where there are no events.
 *
 * Reads no file. Bounded: at most 16384 entries are looked at.
 */
struct digest watch_identity(char *const *paths, size_t n);

#endif
