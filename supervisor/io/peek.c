/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

#define PEEK_PIPE_BYTES (1024 * 1024) /* a buffer for each page: short writes take one each */

/*
 * tee(2) shares a pipe's pages with another pipe without taking them out. That other one is ours,
 * empty between two calls, and lives as long as the process; so does the place where bytes go to vanish.
 */
static struct {
    int in, out; /* -1: not made yet */
    int null;
} scratch = {-1, -1, -1};

int
peek_init(void)
{
    int ends[2];

    if (scratch.in >= 0)
        return 0;
    if (scratch.null < 0)
        scratch.null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (scratch.null < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        return -errno;
    scratch.out = ends[0];
    scratch.in = ends[1];
    (void)fcntl(scratch.in, F_SETPIPE_SZ, PEEK_PIPE_BYTES); /* past our share: less at a time */
    return 0;
}

/* It holds something it should not: better a new one. */
static void
scratch_forget(void)
{
    scratch.in = fd_close(scratch.in);
    scratch.out = fd_close(scratch.out);
}

ssize_t
peek_pipe(int fd, void *bytes, size_t n)
{
    ssize_t seen, got = 0;
    int r = peek_init();

    if (r < 0)
        return r;
    do
        seen = tee(fd, scratch.in, n, SPLICE_F_NONBLOCK);
    while (seen == -1 && errno == EINTR);
    if (seen <= 0)
        return seen == 0 ? 0 : -errno;
    while (got < seen) {
        ssize_t part = read(scratch.out, (char *)bytes + got, (size_t)(seen - got));

        if (part == -1 && errno == EINTR)
            continue;
        if (part <= 0) {
            scratch_forget();
            return -EIO;
        }
        got += part;
    }
    return got;
}

int
peek_take(int fd, size_t n)
{
    int r = peek_init();

    while (r == 0 && n > 0) {
        ssize_t gone = splice(fd, NULL, scratch.null, NULL, n, SPLICE_F_NONBLOCK);

        if (gone > 0)
            n -= (size_t)gone;
        else if (gone == 0)
            return -EPIPE; /* somebody else read it */
        else if (errno != EINTR)
            r = -errno;
    }
    return r;
}

int
peek_skip(int fd, size_t n, struct digest front)
{
    char bytes[PEEK_MOST];
    ssize_t seen = n > 0 && n <= sizeof(bytes) ? peek_pipe(fd, bytes, n) : 0;
    int r;

    if (seen < 0)
        return seen == -EAGAIN ? 0 : (int)seen;
    if ((size_t)seen != n || n == 0 || !digest_equal(digest_of(bytes, n), front))
        return 0;
    r = peek_take(fd, n);
    return r < 0 ? r : 1;
}
