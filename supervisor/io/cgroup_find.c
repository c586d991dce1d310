/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/cgroup_internal.h"
#include "supervisor/io/mountinfo.h"

#define SELF_CGROUP    "/proc/self/cgroup"
#define SELF_NAMESPACE "/proc/self/ns/cgroup"
#define SELF_MAX       (64U << 10)
#define INITIAL        "cgroup:[4026531835]" /* PROC_CGROUP_INIT_INO, the same on every kernel */

/* systemd sets them where it delegates; "user" since its 251, and it is the one an ordinary user sees. */
static const char *const delegated[] = {"user.delegate", "trusted.delegate"};
static const char *const marks[] = {"user.stint", "trusted.stint"}; /* the same for our own */

void
cgroup_place_finish(struct cgroup_place *place)
{
    strv_finish(&place->directories);
}

/* ---- pure ---------------------------------------------------------------------------------------- */

/* own_path - the line "0::PATH": that of version 2. */
static int
own_path(const char *self, char *buf, size_t room)
{
    for (const char *line = self; *line;) {
        size_t bytes = strcspn(line, "\n");

        if (strncmp(line, "0::/", 4) == 0 && bytes - 3 < room) {
            memcpy(buf, line + 3, bytes - 3);
            buf[bytes - 3] = '\0';
            return 0;
        }
        line += bytes + (line[bytes] == '\n');
    }
    return -ENOENT;
}

/*
 * below - what of @path is left below @root; NULL: it is not below. Both are seen from the root of our
 * cgroup namespace, so whatever is outside of it begins with "/..", and then names are missing.
 */
static const char *
below(const char *path, const char *root)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    path += n;
    if (strncmp(path, "/..", 3) == 0 && (path[3] == '/' || path[3] == '\0'))
        return NULL;
    return strcmp(path, "/") == 0 ? "" : path;
}

int
cgroup_place_parse(const char *mountinfo, const char *self, struct cgroup_place *ret,
                   struct error *reterr)
{
    struct cgroup_place place = {
        .directories = {NULL, 0}
    };
    struct mount_entry m;
    char blind[PATH_MAX] = "";
    int r = own_path(self, place.path, sizeof place.path);

    if (r < 0)
        return error_say(reterr, r, "this kernel runs without cgroup v2");
    for (const char *at = mountinfo; r == 0 && (at = mountinfo_next(at, &m));) {
        const char *rest = below(place.path, m.root);

        if (strcmp(m.type, "cgroup2") != 0)
            continue;
        if (!rest)
            (void)snprintf(blind, sizeof blind, "%s", m.point);
        else
            r = strv_addf(&place.directories, "%s%s", strcmp(m.point, "/") == 0 ? "" : m.point,
                          rest);
    }
    if (r == 0 && place.directories.n == 0)
        r = blind[0]
                ? error_say(reterr, -EXDEV, "the cgroup v2 at %s does not show our own cgroup, %s",
                            blind, place.path)
                : error_say(reterr, -ENOENT, "no cgroup v2 is mounted here");
    else if (r < 0)
        (void)error_set(reterr, r, "find our cgroup");
    if (r < 0)
        cgroup_place_finish(&place);
    else
        *ret = place;
    return r;
}

/* ---- seen ---------------------------------------------------------------------------------------- */

static int
cgroup_open(const char *directory)
{
    auto_fd int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct statfs fs;

    if (fd == -1 || fstatfs(fd, &fs) == -1)
        return -errno;
    return fs.f_type == CGROUP2_SUPER_MAGIC ? steal_fd(fd) : -ENOTDIR; /* mounted over */
}

static bool
marked(const char *directory, const char *const *names)
{
    char value[2];

    return (getxattr(directory, names[0], value, sizeof value) == 1 && value[0] == '1') ||
           (getxattr(directory, names[1], value, sizeof value) == 1 && value[0] == '1');
}

void
cgroup_mark(int fd)
{
    char path[64];

    /* Not all kernels have them all; without one, a container's root still tells. */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (setxattr(path, marks[i], "1", 1, 0) == 0)
            return;
}

static bool
namespace_of_our_own(void)
{
    char name[64];
    ssize_t n = readlink(SELF_NAMESPACE, name, sizeof name - 1);

    if (n == -1)
        return false;
    name[n] = '\0';
    return strcmp(name, INITIAL) != 0;
}

/* above - from the cgroup that we made for ourselves to its parent. Return: whether it is one. */
static bool
above(struct cgroup_top *top, const struct cgroup_place *place)
{
    char parent[PATH_MAX];
    char *slash;
    int fd;

    memcpy(parent, top->directory, sizeof parent);
    slash = strrchr(parent, '/');
    if (!slash || slash == parent || strcmp(slash + 1, CGROUP_OWN_NAME) != 0)
        return false;
    *slash = '\0';
    if (!marked(top->directory, marks) && !marked(parent, delegated) &&
        !(strcmp(place->path, "/" CGROUP_OWN_NAME) == 0 && namespace_of_our_own()))
        return false;
    fd = cgroup_open(parent);
    if (fd < 0)
        return false;
    (void)fd_close(top->fd);
    *top = (struct cgroup_top){.fd = fd};
    memcpy(top->directory, parent, sizeof parent);
    return true;
}

/* reach - the directory of our cgroup: the first that is real, better one that is not read-only. */
static int
reach(const struct cgroup_place *place, struct cgroup_top *ret, struct error *reterr)
{
    struct cgroup_top top = {.fd = -1};
    bool writable = false;
    int worst = -ENOENT;

    for (size_t i = 0; !writable && i < place->directories.n; i++) {
        const char *directory = place->directories.items[i];
        struct statfs fs;
        int fd = cgroup_open(directory);

        if (fd < 0) {
            worst = fd;
            continue;
        }
        writable = fstatfs(fd, &fs) == 0 && !(fs.f_flags & ST_RDONLY);
        if (strlen(directory) >= sizeof top.directory || (top.fd != -1 && !writable)) {
            (void)fd_close(fd);
            continue;
        }
        (void)fd_close(top.fd);
        top.fd = fd;
        (void)snprintf(top.directory, sizeof top.directory, "%s", directory);
    }
    if (top.fd == -1)
        return error_set(reterr, worst, "open our cgroup %s", place->path);
    *ret = top;
    if (!writable)
        return error_say(reterr, -EROFS, "cgroup v2 is mounted read-only at %s", top.directory);
    return 0;
}

/* look - with @place and @ret to be finished by the caller. */
static int
look(enum cgroup_mode mode, struct cgroup_place *place, struct cgroup_top *ret,
     struct error *reterr)
{
    auto_free char *mountinfo = NULL, *self = NULL;
    bool whole; /* of a cgroup namespace */
    int r = file_read(MOUNTINFO_PATH, MOUNTINFO_MAX, &mountinfo, NULL, reterr);

    if (r == 0)
        r = file_read(SELF_CGROUP, SELF_MAX, &self, NULL, reterr);
    if (r == 0)
        r = cgroup_place_parse(mountinfo, self, place, reterr);
    if (r == 0)
        r = reach(place, ret, reterr);
    if (r < 0)
        return r;
    whole = strcmp(place->path, above(ret, place) ? "/" CGROUP_OWN_NAME : "/") == 0;
    if (mode == CGROUP_ON || marked(ret->directory, delegated) || (whole && namespace_of_our_own()))
        return 0;
    return error_say(reterr, -EPERM,
                     "%s was not delegated to stint (systemd: Delegate=yes; or `cgroup: on`)",
                     ret->directory);
}

int
cgroup_top_find(enum cgroup_mode mode, struct cgroup_top *ret, struct error *reterr)
{
    struct cgroup_place place = {
        .directories = {NULL, 0}
    };
    struct cgroup_top top = {.fd = -1};
    int r = look(mode, &place, &top, reterr);

    cgroup_place_finish(&place);
    if (r < 0)
        (void)fd_close(top.fd);
    else
        *ret = top;
    return r;
}
