/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_PROCESS_H
#define STINT_TESTS_UNIT_IO_PROCESS_H

/* Words for tests that start real processes: a folder of their own, and "start it, what did it say?" */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "supervisor/io/child.h"
#include "supervisor/io/spawn.h"

#define PATIENCE_MS 20000 /* how long any test waits for what must come */

static char test_folder[] = "/tmp/stint-test-XXXXXX";

/* folder - one per test program run, made at the first call; other users may enter it. */
static inline const char *
folder(void)
{
    static bool made;

    if (!made) {
        ck_assert_ptr_nonnull(mkdtemp(test_folder));
        ck_assert_int_eq(chmod(test_folder, 0755), 0);
        made = true;
    }
    return test_folder;
}

/* in_folder - a path in it, in one of a few turning buffers. */
static inline const char *
in_folder(const char *name)
{
    static char buffers[8][256];
    static unsigned next;
    char *path = buffers[next++ % 8];

    (void)snprintf(path, sizeof buffers[0], "%s/%s", folder(), name);
    return path;
}

static inline void
folder_remove(void)
{
    DIR *dir = opendir(test_folder);

    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        (void)unlinkat(dirfd(dir), e->d_name, e->d_type == DT_DIR ? AT_REMOVEDIR : 0);
    if (dir)
        (void)closedir(dir);
    (void)rmdir(test_folder);
}

static inline const char *
write_file(const char *name, const char *text, mode_t mode)
{
    const char *path = in_folder(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    (void)close(fd);
    return path;
}

static inline unsigned
count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    (void)closedir(dir);
    return n;
}

/* skipped - a test that cannot be run here says so by name; it is never silent about it. */
static inline void
skipped(const char *test, const char *why)
{
    printf("SKIP %s: %s\n", test, why);
    (void)fflush(stdout);
}

static inline void
await_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "nothing came in %d ms", PATIENCE_MS);
}

static inline int
await_exit(const struct spawned *child)
{
    int status = -1;

    await_readable(child->pidfd);
    ck_assert_int_eq(child_reap(child->pidfd, &status, NULL), 0);
    return status;
}

/* has_children - any at all, alive or zombies? Reaps nothing. */
static inline bool
has_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static inline void
spawned_close(struct spawned *child)
{
    child->pidfd = fd_close(child->pidfd);
    child->exec_fd = fd_close(child->exec_fd);
}

/* await_exec - Return: as spawn_exec_result(). */
static inline int
await_exec(const struct spawned *child, struct spawn_failure *ret)
{
    await_readable(child->exec_fd);
    return spawn_exec_result(child->exec_fd, ret);
}

/* spawn_and_read - start @req with its output in a pipe; what it said until EOF; it must exit 0. */
static inline const char *
spawn_and_read(struct spawn_request *req)
{
    static char said[65536];
    struct spawned child;
    struct error error = {0};
    size_t used = 0;
    ssize_t n;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req->stdout_fd = req->stderr_fd = ends[1];
    ck_assert_msg(spawn_start(req, &child, &error) == 0, "%s", error.text);
    (void)close(ends[1]);
    do {
        await_readable(ends[0]);
        n = read(ends[0], said + used, sizeof said - 1 - used);
        used += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    said[used] = '\0';
    (void)close(ends[0]);
    ck_assert_msg(await_exit(&child) == 0, "it failed and said: %s", said);
    spawned_close(&child);
    return said;
}

#endif
