/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/cgroup_internal.h"

#define CHANGES_MAX 64 /* leaves looked at in one turn of the loop */

static void
on_changed(EV_P_ ev_io *io, int revents)
{
    struct cgroup_tree *tree = container_of(io, struct cgroup_tree, changed);
    struct epoll_event event;

    (void)loop;
    (void)revents;
    /* One at a time: whoever is told may close others. */
    for (int i = 0; i < CHANGES_MAX && epoll_wait(tree->epoll, &event, 1, 0) == 1; i++)
        cgroup_leaf_changed(event.data.ptr);
}

static void
move_back(const struct cgroup_tree *tree, const pid_t *own, size_t n_own)
{
    for (size_t i = 0; i < n_own; i++)
        (void)cgroup_move(tree->top.fd, own[i]); /* then our cgroup is busy and stays */
    (void)unlinkat(tree->top.fd, CGROUP_OWN_NAME, AT_REMOVEDIR);
}

/* move_in - a cgroup with processes cannot give controllers to those below it, so ours go aside. */
static int
move_in(const struct cgroup_tree *tree, const pid_t *own, size_t n_own, struct error *reterr)
{
    const char *top = tree->top.directory;
    int r;

    if (mkdirat(tree->top.fd, CGROUP_OWN_NAME, 0755) == -1 && errno != EEXIST)
        return error_set(reterr, -errno, "make %s/" CGROUP_OWN_NAME, top);
    auto_fd int fd =
        openat(tree->top.fd, CGROUP_OWN_NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1)
        return error_set(reterr, -errno, "open %s/" CGROUP_OWN_NAME, top);
    cgroup_mark(fd);
    for (size_t i = 0; i < n_own; i++) {
        r = cgroup_move(fd, own[i]);
        if (r < 0) {
            move_back(tree, own, i);
            return error_set(reterr, r, "move process %d into %s/" CGROUP_OWN_NAME, (int)own[i],
                             top);
        }
    }
    return 0;
}

static int
settle_in(struct cgroup_tree *tree, const struct cgroup_request *req, struct error *reterr)
{
    int r = cgroup_top_find(req->mode, &tree->top, reterr);

    if (r < 0)
        return r;
    tree->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (tree->epoll == -1)
        return error_set(reterr, -errno, "create an epoll");
    return move_in(tree, req->own, req->n_own, reterr);
}

int
cgroup_tree_create(struct ev_loop *loop, const struct cgroup_request *req, struct cgroup_tree **ret,
                   struct error *reterr)
{
    struct cgroup_tree *tree = calloc(1, sizeof *tree);
    struct error why = {.text = "switched off by the configuration"};
    int r;

    if (!tree)
        return error_set(reterr, -ENOMEM, "use cgroups");
    tree->loop = loop;
    tree->epoll = tree->top.fd = -1;
    list_init(&tree->leaves);
    ev_io_init(&tree->changed, on_changed, -1, EV_READ);
    r = req->mode == CGROUP_OFF ? 0 : settle_in(tree, req, &why);
    if (r < 0 && req->mode == CGROUP_ON) {
        cgroup_tree_destroy(tree);
        return error_say(reterr, r, "use cgroups (`cgroup: on`): %s", why.text);
    }
    tree->works = r == 0 && req->mode != CGROUP_OFF;
    if (tree->works) {
        ev_io_set(&tree->changed, tree->epoll, EV_READ);
        ev_io_start(tree->loop, &tree->changed);
        (void)snprintf(tree->words, sizeof tree->words, "one for each generation, below %s",
                       tree->top.directory);
    } else {
        (void)snprintf(tree->words, sizeof tree->words, "none: %s", why.text);
    }
    *ret = tree;
    return 0;
}

void
cgroup_tree_destroy(struct cgroup_tree *tree)
{
    if (!tree)
        return;
    cgroup_leaves_forsake(tree);
    if (tree->works)
        ev_io_stop(tree->loop, &tree->changed);
    (void)fd_close(tree->epoll);
    (void)fd_close(tree->top.fd);
    free(tree);
}

bool
cgroup_tree_works(const struct cgroup_tree *tree)
{
    return tree->works;
}

const char *
cgroup_words(const struct cgroup_tree *tree)
{
    return tree->words;
}

void
cgroup_tree_leave(struct cgroup_tree *tree, const pid_t *own, size_t n_own)
{
    if (tree->works)
        move_back(tree, own, n_own);
}

/* ---- what an earlier run left behind ------------------------------------------------------------- */

struct sweep {
    struct cgroup_tree *tree;
    void (*on_populated)(void *env, const char *service, uint64_t generation);
    void *env;
    int removed;
};

/* populated_now - as cgroup_populated(), of a cgroup that is not open. */
static int
populated_now(int dir_fd, const char *name)
{
    auto_fd int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_fd int events = fd == -1 ? -1 : openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

    return events == -1 ? -errno : cgroup_populated(events);
}

static int
sweep_one(void *env, int dir_fd, const char *name)
{
    struct sweep *s = env;
    char service[256];
    uint64_t generation;
    int r;

    if (cgroup_leaf_parse(name, service, sizeof service, &generation) < 0 ||
        cgroup_leaf_named(s->tree, name))
        return 0;
    r = populated_now(dir_fd, name);
    if (r == 0 && cgroup_remove(dir_fd, name) == 0)
        s->removed++;
    else if (r == 1 && s->on_populated)
        s->on_populated(s->env, service, generation);
    return 0; /* what cannot be read or removed is in nobody's way */
}

int
cgroup_tree_sweep(struct cgroup_tree *tree,
                  void (*on_populated)(void *env, const char *service, uint64_t generation),
                  void *env)
{
    struct sweep s = {tree, on_populated, env, 0};
    int r;

    cgroup_leaves_forsake(tree);
    r = tree->works ? cgroup_each(tree->top.fd, sweep_one, &s) : 0;

    return r < 0 ? r : s.removed;
}
