/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CGROUP_INTERNAL_H
#define STINT_IO_CGROUP_INTERNAL_H

/* What the files cgroup*.c share, and what their tests look into. */
#include <ev.h>
#include <limits.h>

#include "base/list.h"
#include "base/text.h"
#include "supervisor/io/cgroup.h"

/* ---- cgroup_find.c: where we are ----------------------------------------------------------------- */

struct cgroup_place {
    char path[PATH_MAX];     /* as /proc/self/cgroup says: "/system.slice/stint.service" */
    struct strv directories; /* where that may be, by mount; which one is real has to be seen */
};

void cgroup_place_finish(struct cgroup_place *place);

/**
 * cgroup_place_parse - from the texts of /proc/self/mountinfo and /proc/self/cgroup. Pure.
 *
 * Return: 0 with at least one directory; -ENOENT: there is no cgroup v2 here; -EXDEV: there is, but
 * its mount does not show our part of it; -ENOMEM. Each with the sentence.
 */
int cgroup_place_parse(const char *mountinfo, const char *self, struct cgroup_place *ret,
                       struct error *reterr);

/* What is ours. */
struct cgroup_top {
    char directory[PATH_MAX];
    int fd; /* owned; O_PATH */
};

/**
 * cgroup_top_find - the cgroup that gets the leaves, if it is ours.
 *
 * Whoever is in a cgroup that a master before us made for itself finds the one above.
 * Return: 0, or a negative errno with the sentence: why not.
 */
int cgroup_top_find(enum cgroup_mode mode, struct cgroup_top *ret, struct error *reterr);

/* cgroup_mark - that the cgroup behind @fd was made by us, for whoever is started in it. */
void cgroup_mark(int fd);

/* ---- cgroup_leaf.c ------------------------------------------------------------------------------- */

struct cgroup_tree {
    struct ev_loop *loop; /* borrowed */
    struct list leaves;   /* struct cgroup_leaf.node: those that are open */
    struct cgroup_top top;
    bool works;
    int epoll; /* owned; EPOLLPRI of each cgroup.events: libev cannot ask for that */
    ev_io changed;
    char words[PATH_MAX + 256];
};

/* A name that no file of the kernel has and that cgroup_leaf_parse() reads back. 0 or -ENAMETOOLONG. */
int cgroup_leaf_name(const char *service, uint64_t generation, char *buf, size_t room);
/* Return: 0, -EINVAL: it is not one of ours. */
int cgroup_leaf_parse(const char *name, char *ret_service, size_t room, uint64_t *ret_generation);

/* cgroup_leaf_changed - the epoll said so of @leaf. */
void cgroup_leaf_changed(struct cgroup_leaf *leaf);

/* cgroup_leaves_forsake - close those that are to be removed later: a sweep sees to them. */
void cgroup_leaves_forsake(struct cgroup_tree *tree);

/* cgroup_leaf_named - the one that is open under @name, or NULL. */
struct cgroup_leaf *cgroup_leaf_named(struct cgroup_tree *tree, const char *name);

/* ---- cgroup_file.c: what is done in a directory of cgroups --------------------------------------- */

int cgroup_file_read(int dir_fd, const char *name, char *buf, size_t room); /* bytes or negative */
int cgroup_file_write(int dir_fd, const char *name, const char *text);      /* 0 or negative */
int cgroup_populated(int events_fd);                                        /* 1, 0 or negative */
int cgroup_move(int dir_fd, pid_t pid);                                     /* 0 or negative */
int cgroup_pids(int dir_fd, pid_t *ret, size_t max); /* those below, too; how many, or negative */
int cgroup_kill_each(int dir_fd); /* without cgroup.kill; 0, -EAGAIN: perhaps not all */
/* cgroup_remove - @name and the empty ones below it. 0 (also when there is none), -EBUSY … */
int cgroup_remove(int dir_fd, const char *name);
/* cgroup_each - every cgroup in @dir_fd, not deeper. @on_child returns < 0 to stop with that. */
int cgroup_each(int dir_fd, int (*on_child)(void *env, int dir_fd, const char *name), void *env);

#endif
