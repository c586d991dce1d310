/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_WATCH_H
#define STINT_IO_WATCH_H

/*
 * A wake-up source for changed files, nothing more: it says "look again", never what changed. What
 * is true is found by look.h. The sole user of libinotifytools, whose state is global: one struct
 * watch per process, used by the thread of the loop alone.
 *
 * Directories are watched, never files: editors rename, Kubernetes swaps `..data`, deploys swap
 * `current`. For each path that is the directory of the path, of every symbolic link on the way and
 * of every target, with the names in them that matter; every ancestor, for its own move or removal
 * only (that costs no wake-up); and for what is missing the nearest ancestor that exists. A path
 * that is a directory is watched with its sub-directories.
 */
#include <stddef.h>
#include <stdint.h>

struct error;
struct ev_loop;
struct watch;

/* More directories than this below one watched directory are not watched (look.h refuses them). */
#define WATCH_TREE_MAX 1024

struct watch_stats {
    unsigned watches;   /* directories in the kernel now */
    unsigned tags;      /* that have paths */
    unsigned polled;    /* tags that are polled now */
    uint64_t events;    /* taken from the kernel since the start */
    uint64_t hints;     /* given */
    uint64_t overflows; /* IN_Q_OVERFLOW: every tag was hinted */
    uint64_t renewals;  /* the whole watch was built anew (overflow, or to drop dead entries) */
};

/**
 * watch_create - open the one inotify descriptor and start listening on @loop.
 * @on_hint: @tag may have changed; @path is the directory entry seen, or NULL, valid for the call.
 *           May call watch_set() and watch_clear(). At most once per tag and turn of the loop.
 *
 * To be called before the process has opened many files: the library uses select(), so its
 * descriptor has to be below FD_SETSIZE. The descriptor is CLOEXEC and non-blocking.
 *
 * Return: 0; -EBUSY for a second one; -EMFILE when the descriptor would be too high, or another
 * negative errno. Without inotify (no instance left) it succeeds and polls everything: watch_mode().
 */
int watch_create(struct ev_loop *loop, void (*on_hint)(void *env, uint32_t tag, const char *path),
                 void *env, struct watch **ret, struct error *reterr);
void watch_destroy(struct watch *w); /* NULL is fine; not from on_hint */

/**
 * watch_set - from now on @tag stands for exactly these @n absolute paths; missing ones are legal.
 * @tag: a service id; 0 is stint's own configuration
 *
 * Look at the files after this call, not before: what changed earlier gives no hint.
 * What cannot be watched is polled, which is no error: see watch_mode().
 *
 * Return: 0, -EINVAL (a path is not absolute), -ENOMEM (the set is unchanged).
 */
int watch_set(struct watch *w, uint32_t tag, const char *const *paths, size_t n,
              struct error *reterr);
void watch_clear(struct watch *w, uint32_t tag);

/* "inotify", or "polling: REASON"; "none" for a tag without paths. Valid until the next call on @w. */
const char *watch_mode(const struct watch *w, uint32_t tag);

struct watch_stats watch_stats(const struct watch *w);

/* The inotify descriptor, for tests and for the account of descriptors; -1: everything is polled. */
int watch_fd(const struct watch *w);

#endif
