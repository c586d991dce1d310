/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/cgroup_internal.h"

#define NAME_ROOM (NAME_MAX + 1)

struct cgroup_leaf {
    struct list node;         /* in tree->leaves */
    struct cgroup_tree *tree; /* borrowed */
    int fd;                   /* owned; the directory, O_PATH */
    int events_fd;            /* owned; its cgroup.events, in tree->epoll */
    void (*on_empty)(void *env);
    void *env;  /* borrowed */
    bool later; /* nobody has it; it goes when it is empty */
    char *path; /* owned; NULL: no memory */
    char name[NAME_ROOM];
};

/* ---- names --------------------------------------------------------------------------------------- */

static bool
plain(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

int
cgroup_leaf_name(const char *service, uint64_t generation, char *buf, size_t room)
{
    char *at = buf, *end = buf + room;

    for (const char *s = service; *s; s++) {
        if (end - at < 5) /* "\x2f" and a NUL */
            return -ENAMETOOLONG;
        /* A configuration has none of these; whatever gets here stays one file name all the same. */
        if (!plain(*s) || (s == service && *s == '.'))
            at += snprintf(at, 5, "\\x%02x", (unsigned char)*s);
        else
            *at++ = *s;
    }
    if (snprintf(at, (size_t)(end - at), ".%" PRIu64, generation) >= end - at)
        return -ENAMETOOLONG;
    return 0;
}

static int
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
cgroup_leaf_parse(const char *name, char *ret_service, size_t room, uint64_t *ret_generation)
{
    const char *dot = strrchr(name, '.');
    char again[NAME_ROOM];
    size_t n = 0;
    uint64_t generation;

    if (!dot || dot == name || !isdigit((unsigned char)dot[1]) || strlen(dot + 1) > 20)
        return -EINVAL;
    for (const char *s = name; s < dot; s++) {
        char c = *s;

        if (c == '\\') {
            if (dot - s < 4 || s[1] != 'x' || hex(s[2]) < 0 || hex(s[3]) < 0)
                return -EINVAL;
            c = (char)(hex(s[2]) << 4 | hex(s[3]));
            s += 3;
        }
        if (n + 1 >= room)
            return -EINVAL;
        ret_service[n++] = c;
    }
    ret_service[n] = '\0';
    errno = 0;
    generation = strtoull(dot + 1, NULL, 10);
    /* Whatever we would not have written so is somebody else's. */
    if (errno != 0 || cgroup_leaf_name(ret_service, generation, again, sizeof again) < 0 ||
        strcmp(again, name) != 0)
        return -EINVAL;
    *ret_generation = generation;
    return 0;
}

struct cgroup_leaf *
cgroup_leaf_named(struct cgroup_tree *tree, const char *name)
{
    list_for_each (pos, &tree->leaves) {
        struct cgroup_leaf *leaf = container_of(pos, struct cgroup_leaf, node);

        if (strcmp(leaf->name, name) == 0)
            return leaf;
    }
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------------- */

void
cgroup_leaf_close(struct cgroup_leaf *leaf)
{
    if (!leaf)
        return;
    list_del(&leaf->node);
    if (leaf->events_fd !=
        -1) /* a copy of it in a child that has not reached exec would keep it there */
        (void)epoll_ctl(leaf->tree->epoll, EPOLL_CTL_DEL, leaf->events_fd, NULL);
    (void)fd_close(leaf->events_fd);
    (void)fd_close(leaf->fd);
    free(leaf->path);
    free(leaf);
}

static int
leaf_open(struct cgroup_leaf *leaf, struct error *reterr)
{
    struct epoll_event event = {.events = EPOLLPRI, .data.ptr = leaf};
    struct cgroup_tree *tree = leaf->tree;
    const char *top = tree->top.directory;

    if (mkdirat(tree->top.fd, leaf->name, 0755) == -1 && errno != EEXIST)
        return error_set(reterr, -errno, "make the cgroup %s/%s", top, leaf->name);
    leaf->fd = openat(tree->top.fd, leaf->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (leaf->fd != -1)
        leaf->events_fd = openat(leaf->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (leaf->fd == -1 || leaf->events_fd == -1)
        return error_set(reterr, -errno, "open the cgroup %s/%s", top, leaf->name);
    (void)cgroup_populated(leaf->events_fd); /* what was before the first read counts as a change */
    if (epoll_ctl(tree->epoll, EPOLL_CTL_ADD, leaf->events_fd, &event) == -1)
        return error_set(reterr, -errno, "watch the cgroup %s/%s", top, leaf->name);
    return 0;
}

int
cgroup_leaf_open(struct cgroup_tree *tree, const char *service, uint64_t generation,
                 struct cgroup_leaf **ret, struct error *reterr)
{
    struct cgroup_leaf *leaf = NULL;
    char name[NAME_ROOM];
    int r;

    if (!tree->works) {
        *ret = NULL;
        return 0;
    }
    r = cgroup_leaf_name(service, generation, name, sizeof name);
    if (r == 0 && cgroup_leaf_named(tree, name))
        r = -EALREADY;
    if (r == 0)
        leaf = calloc(1, sizeof *leaf);
    if (!leaf)
        return error_set(reterr, r < 0 ? r : -ENOMEM,
                         "open a cgroup for generation %" PRIu64 " of %s", generation, service);
    memcpy(leaf->name, name, sizeof name);
    leaf->tree = tree;
    if (asprintf(&leaf->path, "%s/%s", tree->top.directory, name) == -1)
        leaf->path = NULL;
    leaf->fd = leaf->events_fd = -1;
    list_add(&tree->leaves, &leaf->node);
    r = leaf_open(leaf, reterr);
    if (r < 0)
        cgroup_leaf_close(leaf);
    else
        *ret = leaf;
    return r;
}

void
cgroup_leaf_watch(struct cgroup_leaf *leaf, void (*on_empty)(void *env), void *env)
{
    if (!leaf)
        return;
    leaf->on_empty = on_empty;
    leaf->env = env;
}

void
cgroup_leaf_changed(struct cgroup_leaf *leaf)
{
    int r = cgroup_populated(leaf->events_fd); /* reading it takes the event back */

    if (r < 0) /* removed by somebody else, so it is empty, and readable for ever */
        (void)epoll_ctl(leaf->tree->epoll, EPOLL_CTL_DEL, leaf->events_fd, NULL);
    if (r <= 0 && leaf->on_empty)  /* and not: frozen or thawed, which is an event, too */
        leaf->on_empty(leaf->env); /* it may be gone now */
}

int
cgroup_leaf_fd(const struct cgroup_leaf *leaf)
{
    return leaf ? leaf->fd : -1;
}

const char *
cgroup_leaf_path(const struct cgroup_leaf *leaf)
{
    return leaf ? leaf->path : NULL;
}

/* Its name is a whole component of the path: no other cgroup of ours has it. */
bool
cgroup_leaf_has(const struct cgroup_leaf *leaf, pid_t pid)
{
    char path[48], text[PATH_MAX], want[NAME_ROOM + 2];
    const char *at;
    size_t n;

    if (!leaf)
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if (cgroup_file_read(AT_FDCWD, path, text, sizeof text) < 0)
        return false;
    at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    n = (size_t)snprintf(want, sizeof want, "/%s", leaf->name);
    for (at = at ? strstr(at, want) : NULL; at; at = strstr(at + 1, want))
        if (at[n] == '/' || at[n] == '\n' || at[n] == '\0')
            return true;
    return false;
}

int
cgroup_leaf_populated(const struct cgroup_leaf *leaf)
{
    auto_fd int events = leaf ? openat(leaf->fd, "cgroup.events", O_RDONLY | O_CLOEXEC) : -1;

    /* Not events_fd: a read of that one would swallow an event. */
    if (!leaf)
        return -ENOTSUP;
    return events == -1 ? -errno : cgroup_populated(events);
}

int
cgroup_leaf_pids(const struct cgroup_leaf *leaf, pid_t *ret_pids, size_t max)
{
    return leaf ? cgroup_pids(leaf->fd, ret_pids, max) : 0;
}

int
cgroup_leaf_kill(struct cgroup_leaf *leaf, struct error *reterr)
{
    int r = leaf ? cgroup_file_write(leaf->fd, "cgroup.kill", "1") : 0;

    if (r == -ENOENT)
        r = cgroup_kill_each(leaf->fd);
    return r < 0 ? error_set(reterr, r, "kill the cgroup %s", leaf->name) : 0;
}

int
cgroup_leaf_remove(struct cgroup_leaf *leaf, struct error *reterr)
{
    int r = leaf ? cgroup_leaf_populated(leaf) : 0;

    if (!leaf)
        return 0;
    if (r == 1)
        r = -EBUSY;
    else /* the cgroup itself may be gone, and then its files, too */
        r = cgroup_remove(leaf->tree->top.fd, leaf->name);
    if (r < 0)
        return error_set(reterr, r, "remove the cgroup %s", leaf->name);
    cgroup_leaf_close(leaf);
    return 0;
}

static void
remove_now(void *env)
{
    (void)cgroup_leaf_remove(env, NULL); /* -EBUSY: somebody is in it, and his end is told */
}

void
cgroup_leaf_remove_later(struct cgroup_leaf *leaf)
{
    if (!leaf)
        return;
    leaf->later = true;
    cgroup_leaf_watch(leaf, remove_now, leaf);
    remove_now(leaf); /* it may have become empty before that */
}

void
cgroup_leaves_forsake(struct cgroup_tree *tree)
{
    list_for_each_safe (pos, &tree->leaves) {
        struct cgroup_leaf *leaf = container_of(pos, struct cgroup_leaf, node);

        if (leaf->later)
            cgroup_leaf_close(leaf);
    }
}
