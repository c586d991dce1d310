/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_CGROUP_FIXTURE_H
#define STINT_TESTS_UNIT_IO_CGROUP_FIXTURE_H

/* A cgroup of the test's own, in which it may do as it likes, and which is gone afterwards. */
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <signal.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "supervisor/io/cgroup_internal.h"
#include "supervisor/io/mountinfo.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/spawn_fixture.h"
#include "tests/unit/unit.h"

static char arena[PATH_MAX];  /* of this program: below the cgroup that it was started in */
static char home[PATH_MAX];   /* where that is */
static char ground[PATH_MAX]; /* of one test */
static struct ev_loop *loop;
static unsigned n_empty;

/* arena_begin - Return: false, and why on stdout, where no cgroup can be made. */
static inline bool
arena_begin(void)
{
    struct cgroup_place place = {
        .directories = {NULL, 0}
    };
    auto_free char *mountinfo = NULL, *self = NULL;
    struct error error = {0};
    int r = file_read(MOUNTINFO_PATH, MOUNTINFO_MAX, &mountinfo, NULL, &error);

    if (r == 0)
        r = file_read("/proc/self/cgroup", 1U << 16, &self, NULL, &error);
    if (r == 0)
        r = cgroup_place_parse(mountinfo, self, &place, &error);
    for (size_t i = 0; r == 0 && i < place.directories.n && !arena[0]; i++) {
        (void)snprintf(home, sizeof home, "%s", place.directories.items[i]);
        (void)snprintf(arena, sizeof arena, "%s/stint-test-%d", home, (int)getpid());
        if (mkdir(arena, 0755) == -1) {
            (void)error_set(&error, -errno, "make %s", arena);
            arena[0] = '\0';
        }
    }
    cgroup_place_finish(&place);
    if (!arena[0])
        skipped("cgroup_root", error.text);
    return arena[0] != '\0';
}

static inline int
directory_of(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    ck_assert_msg(fd != -1, "open %s: %s", path, strerror(errno));
    return fd;
}

static inline void
enter(const char *path)
{
    auto_fd int fd = directory_of(path);

    ck_assert_int_eq(cgroup_move(fd, getpid()), 0);
}

/* arena_end - whatever is left there is killed, then it goes. */
static inline void
arena_end(void)
{
    auto_fd int fd = open(arena, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_fd int top = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_fd int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

    if (cgroup_file_write(fd, "cgroup.kill", "1") < 0)
        (void)cgroup_kill_each(fd);
    while (cgroup_populated(events) == 1) {
        struct pollfd p = {.fd = events, .events = POLLPRI};

        if (poll(&p, 1, PATIENCE_MS) != 1)
            break;
    }
    if (cgroup_remove(top, strrchr(arena, '/') + 1) < 0)
        printf("%s is still there\n", arena);
}

static inline void
delegate(const char *path)
{
    ck_assert(setxattr(path, "user.delegate", "1", 1, 0) == 0 ||
              setxattr(path, "trusted.delegate", "1", 1, 0) == 0);
}

static inline void
ground_begin(void)
{
    static unsigned n;

    (void)snprintf(ground, sizeof ground, "%.*s/%d-%u", PATH_MAX - 64, arena, (int)getpid(), n++);
    ck_assert_int_eq(mkdir(ground, 0755), 0);
    enter(ground);
    loop = ev_loop_new(EVFLAG_AUTO);
    n_empty = 0;
}

static inline void
ground_end(void)
{
    enter(home);
    ev_loop_destroy(loop);
}

static inline const char *
below(const char *directory, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned i;
    char *path = paths[i++ % 4], made[PATH_MAX]; /* @directory may be one of them */

    (void)snprintf(made, sizeof(made), "%.*s/%s", PATH_MAX - 128, directory, name);
    memcpy(path, made, sizeof(made));
    return path;
}

static inline bool
there(const char *path)
{
    return access(path, F_OK) == 0;
}

static inline struct cgroup_tree *
tree_of(enum cgroup_mode mode)
{
    pid_t me = getpid();
    struct cgroup_request req = {.mode = mode, .own = &me, .n_own = 1};
    struct cgroup_tree *tree = NULL;
    struct error error = {0};

    ck_assert_msg(cgroup_tree_create(loop, &req, &tree, &error) == 0, "%s", error.text);
    return tree;
}

static inline struct cgroup_tree *
working_tree(void)
{
    struct cgroup_tree *tree = tree_of(CGROUP_AUTO);

    ck_assert_msg(cgroup_tree_works(tree), "%s", cgroup_words(tree));
    return tree;
}

static inline void
on_empty(void *env)
{
    (void)env;
    n_empty++;
}

static inline struct cgroup_leaf *
leaf_of(struct cgroup_tree *tree, const char *service, uint64_t generation)
{
    struct cgroup_leaf *leaf = NULL;
    struct error error = {0};

    ck_assert_msg(cgroup_leaf_open(tree, service, generation, &leaf, &error) == 0, "%s",
                  error.text);
    ck_assert_ptr_nonnull(leaf);
    cgroup_leaf_watch(leaf, on_empty, NULL);
    return leaf;
}

static inline bool
was_told(void *env)
{
    (void)env;
    return n_empty > 0;
}

static inline void
await_empty(void)
{
    ck_assert(loop_until(loop, was_told, NULL, (int64_t)PATIENCE_MS * 1000));
}

/*
 * escapee_in - somebody who forked twice and left session and process group, as a daemon does; the
 * one who started it is gone when this returns. Return: its pid.
 */
static inline pid_t
escapee_in(const struct cgroup_leaf *leaf)
{
    struct spawn_request req =
        shell(SHELL("(exec setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' &)"));
    int pid = 0;

    req.cgroup_fd = cgroup_leaf_fd(leaf);
    ck_assert_int_eq(sscanf(spawn_and_read(&req), "%d", &pid), 1);
    ck_assert_int_gt(pid, 1);
    return pid;
}

#endif
