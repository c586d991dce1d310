/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CGROUP_H
#define STINT_IO_CGROUP_H

/*
 * One cgroup (v2) for each generation, where we may have them:
 *
 *   …/stint.service      the top: delegated to us; no process in it
 *     ├─ stint           keeper and master
 *     ├─ web.7           a leaf: generation 7 of service web, with all its descendants
 *     └─ web.8
 *
 * Nothing can leave its leaf, whatever it forks and however often it calls setsid(): so it is known
 * who is left of a generation, all of it can be killed at once, and the kernel says when it is empty.
 *
 * Where we may not, the tree is one without leaves: everything succeeds and does nothing. No
 * controllers are switched on, no limits set. A master that dies leaves all as it is; the next one
 * opens the same leaves by their names. Nothing blocks. One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/spec.h"

struct cgroup_leaf;
struct cgroup_tree;
struct error;
struct ev_loop;

#define CGROUP_OWN_NAME "stint" /* of the cgroup for keeper and master */

/* Whom we look for and whom we move. All borrowed for the call. */
struct cgroup_request {
    enum cgroup_mode mode;
    const pid_t *own; /* keeper and master, to be moved out of the way of the leaves */
    size_t n_own;
};

/**
 * cgroup_tree_create - find our cgroup, see whether it is ours to use, and make room in it.
 * @loop: borrowed; outlives the tree
 *
 * With CGROUP_AUTO what does not work makes a tree without leaves and a reason in cgroup_words();
 * with CGROUP_ON it is an error. A kernel that is missing a piece is survived in both.
 * Return: 0, or a negative errno with the sentence.
 */
int cgroup_tree_create(struct ev_loop *loop, const struct cgroup_request *req,
                       struct cgroup_tree **ret, struct error *reterr);

/* cgroup_tree_destroy - forget it; every cgroup stays. All leaves are closed before. NULL is fine. */
void cgroup_tree_destroy(struct cgroup_tree *tree);

bool cgroup_tree_works(const struct cgroup_tree *tree); /* there are leaves */

/* cgroup_words - one sentence for people: where the leaves are, or why there are none. */
const char *cgroup_words(const struct cgroup_tree *tree);

/**
 * cgroup_tree_sweep - remove the leaves that nobody has open and in which nobody is.
 * @on_populated: for each that nobody has open, but in which somebody is; may be NULL. It may call
 *                cgroup_leaf_open().
 *
 * After the start, when the generations that go on have opened theirs.
 * Return: how many were removed, or a negative errno.
 */
int cgroup_tree_sweep(struct cgroup_tree *tree,
                      void (*on_populated)(void *env, const char *service, uint64_t generation),
                      void *env);

/**
 * cgroup_tree_leave - the last thing of all: @own go back to where they were, our cgroup goes.
 *
 * What fails stays; a service manager or the next start sweeps it.
 */
void cgroup_tree_leave(struct cgroup_tree *tree, const pid_t *own, size_t n_own);

/**
 * cgroup_leaf_open - the leaf of a generation: made, or opened when it is there already.
 * @ret: cgroup_leaf_close() it. NULL in a tree without leaves: every cgroup_leaf_…() takes that
 *
 * Costs two descriptors. Return: 0, or a negative errno with the sentence.
 */
int cgroup_leaf_open(struct cgroup_tree *tree, const char *service, uint64_t generation,
                     struct cgroup_leaf **ret, struct error *reterr);

/**
 * cgroup_leaf_watch - say when the last process in it is gone.
 * @on_empty: from the loop, each time the kernel says so, perhaps twice; it may close and remove the
 *            leaf. One that is empty already says nothing: see cgroup_leaf_populated().
 */
void cgroup_leaf_watch(struct cgroup_leaf *leaf, void (*on_empty)(void *env), void *env);

void cgroup_leaf_close(struct cgroup_leaf *leaf); /* the cgroup stays */

int cgroup_leaf_fd(const struct cgroup_leaf *leaf); /* borrowed, for spawn_request; NULL: -1 */

/* cgroup_leaf_path - its directory, borrowed until it is closed; NULL or no memory: NULL. */
const char *cgroup_leaf_path(const struct cgroup_leaf *leaf);

/* cgroup_leaf_has - is @pid in it, or in a cgroup that somebody made below? By /proc/PID/cgroup. */
bool cgroup_leaf_has(const struct cgroup_leaf *leaf, pid_t pid);

/* cgroup_leaf_populated - 1 somebody is in it or below, 0 nobody, negative errno. NULL: -ENOTSUP. */
int cgroup_leaf_populated(const struct cgroup_leaf *leaf);

/**
 * cgroup_leaf_pids - who is in it, or in a cgroup that somebody made below.
 * @ret_pids: room for @max; nobody is there twice
 *
 * A moment later they may be others: open the pidfd, then look whether the pid is still in the list.
 * Dead ones that nobody reaped are not in it.
 * Return: how many were written, or a negative errno. NULL: 0.
 */
int cgroup_leaf_pids(const struct cgroup_leaf *leaf, pid_t *ret_pids, size_t max);

/**
 * cgroup_leaf_kill - SIGKILL to all of it.
 *
 * With a kernel before 5.14 one by one, and then bounded: -EAGAIN says that some may be left.
 * Return: 0, or a negative errno with the sentence. NULL: 0.
 */
int cgroup_leaf_kill(struct cgroup_leaf *leaf, struct error *reterr);

/**
 * cgroup_leaf_remove - the cgroup goes, with the empty ones below it, and @leaf is closed.
 *
 * Return: 0, also when it was gone already; -EBUSY: somebody is in it, @leaf is as it was; another
 * negative errno. NULL: 0.
 */
int cgroup_leaf_remove(struct cgroup_leaf *leaf, struct error *reterr);

/* cgroup_leaf_remove_later - as soon as nobody is in it, or by a sweep. @leaf is the tree's from now on. */
void cgroup_leaf_remove_later(struct cgroup_leaf *leaf);

#endif
