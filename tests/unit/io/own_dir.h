/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_OWN_DIR_H
#define STINT_TESTS_UNIT_IO_OWN_DIR_H

/* A directory for one test, which works in it: tests speak in relative names. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char own_dir[] = "/tmp/stint-io.XXXXXX";

static inline void
own_dir_enter(void)
{
    memcpy(own_dir + sizeof(own_dir) - sizeof("XXXXXX"), "XXXXXX", sizeof("XXXXXX"));
    ck_assert_ptr_nonnull(mkdtemp(own_dir));
    ck_assert_int_eq(chdir(own_dir), 0);
}

static inline int
own_dir_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* remove_tree - a directory with all that is in it. */
static inline void
remove_tree(const char *path)
{
    ck_assert_int_eq(nftw(path, own_dir_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void
own_dir_leave(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    remove_tree(own_dir);
}

/* full - the absolute path, in one of a few turning buffers. */
static inline const char *
full(const char *name)
{
    static char path[8][4096];
    static unsigned i;

    i = (i + 1) % 8;
    (void)snprintf(path[i], sizeof(path[i]), "%s/%s", own_dir, name);
    return path[i];
}

/* put - write a file in place. A new one may be executed: a chmod() would be one change more. */
static inline void
put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(close(fd), 0);
}

#endif
