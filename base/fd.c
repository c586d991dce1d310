/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

int
fd_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        (void)close(fd); /* on Linux the fd is gone whatever close() says; retrying is wrong */
    errno = saved;
    return -1;
}

int
fd_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
        return -errno;
    return 0;
}

int
fd_cloexec(int fd, int on)
{
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == -1 ? -errno : 0;
}

int
file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_bytes,
          struct error *reterr)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    auto_free char *data = NULL;
    size_t used = 0, room = 0;

    if (fd == -1)
        return error_set(reterr, -errno, "open '%s'", path);
    for (;;) {
        if (used + 1 >= room) { /* /proc files have size 0, so the size is found by reading */
            size_t want = room ? room * 2 : 4096;
            char *bigger = realloc(data, want);

            if (!bigger)
                return error_set(reterr, -ENOMEM, "read '%s'", path);
            data = bigger;
            room = want;
        }
        ssize_t n = read(fd, data + used, room - used - 1);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return error_set(reterr, -errno, "read '%s'", path);
        if (n == 0)
            break;
        used += (size_t)n;
        if (used > max_bytes)
            return error_set(reterr, -EFBIG, "read '%s' (limit %zu bytes)", path, max_bytes);
    }
    data[used] = '\0';
    *ret_data = steal(data);
    if (ret_bytes)
        *ret_bytes = used;
    return 0;
}

static int
write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return -errno;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

struct content {
    const void *data;
    size_t bytes;
    mode_t mode;
    int durable; /* wait for the disk */
};

static int
file_put(const char *path, const struct content *c, struct error *reterr)
{
    char temporary[4096];
    int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    int r;

    if (n < 0 || (size_t)n >= sizeof(temporary))
        return error_set(reterr, -ENAMETOOLONG, "write '%s'", path);
    auto_fd int fd = mkostemp(temporary, O_CLOEXEC);

    if (fd == -1)
        return error_set(reterr, -errno, "create a file beside '%s'", path);
    r = write_all(fd, c->data, c->bytes);
    if (r == 0 && fchmod(fd, c->mode) == -1)
        r = -errno;
    if (r == 0 && c->durable && fsync(fd) == -1)
        r = -errno;
    /* closed before it has its name: whoever watches that hears of one change, and of a whole file */
    if (close(steal_fd(fd)) == -1 && r == 0 && errno != EINTR)
        r = -errno;
    if (r == 0 && rename(temporary, path) == -1)
        r = -errno;
    if (r < 0) {
        (void)unlink(temporary); /* best effort: the error that counts is the first one */
        return error_set(reterr, r, "write '%s'", path);
    }
    return 0;
}

int
file_replace(const char *path, const void *data, size_t bytes, mode_t mode, struct error *reterr)
{
    return file_put(path, &(struct content){data, bytes, mode, 1}, reterr);
}

int
file_swap(const char *path, const void *data, size_t bytes, mode_t mode, struct error *reterr)
{
    return file_put(path, &(struct content){data, bytes, mode, 0}, reterr);
}

int
dir_make(const char *path, mode_t mode, struct error *reterr)
{
    char part[4096];
    size_t len = strlen(path);
    struct stat st;

    if (len == 0 || len >= sizeof(part))
        return error_set(reterr, -ENAMETOOLONG, "make directory '%s'", path);
    memcpy(part, path, len + 1);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;

        *p = '\0';
        if (mkdir(part, mode) == -1 && errno != EEXIST)
            return error_set(reterr, -errno, "make directory '%s'", part);
        if (kept == '\0')
            break;
        *p = kept;
    }
    if (stat(path, &st) == -1)
        return error_set(reterr, -errno, "make directory '%s'", path);
    return S_ISDIR(st.st_mode) ? 0 : error_set(reterr, -ENOTDIR, "make directory '%s'", path);
}
