/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_FD_H
#define STINT_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

struct error;

/* fd_close - close @fd if it is one and return -1, to be assigned back. Keeps errno. */
int fd_close(int fd);

static inline void
fd_close_ptr(int *fd)
{
    *fd = fd_close(*fd);
}

#define auto_fd __attribute__((cleanup(fd_close_ptr)))

/* steal_fd - hand the descriptor over and forget it here. */
#define steal_fd(fd)        \
    __extension__({         \
        int stolen_ = (fd); \
        (fd) = -1;          \
        stolen_;            \
    })

/* fd_nonblock - set O_NONBLOCK. Return: 0 or negative errno. */
int fd_nonblock(int fd);

/* fd_cloexec - set (or clear) FD_CLOEXEC. Return: 0 or negative errno. */
int fd_cloexec(int fd, int on);

/**
 * file_read - the whole of a regular file or of a /proc text, NUL-terminated for convenience.
 * @max_bytes: larger files are refused with -EFBIG
 * @ret_data:  owned by the caller, free() it; untouched on failure
 * @ret_bytes: may be NULL
 *
 * Return: 0 or negative errno with the sentence in @reterr.
 */
int file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_bytes,
              struct error *reterr);

/**
 * file_replace - write a new file beside @path, fsync, and rename it over @path.
 *
 * Readers see the old or the new content, never half of it; on failure the old file stays and the
 * temporary one is removed. Return: 0 or negative errno with the sentence in @reterr.
 */
int file_replace(const char *path, const void *data, size_t bytes, mode_t mode,
                 struct error *reterr);

/* file_swap - the same without waiting for the disk: after a power cut the file may be the old or an empty one. */
int file_swap(const char *path, const void *data, size_t bytes, mode_t mode, struct error *reterr);

/* dir_make - mkdir -p. An existing directory is fine. Return: 0 or negative errno. */
int dir_make(const char *path, mode_t mode, struct error *reterr);

#endif
