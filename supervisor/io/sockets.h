/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SOCKETS_H
#define STINT_IO_SOCKETS_H

/*
 * Listening sockets. The master binds each once and all generations share it; only the master
 * unlinks a unix socket's path. A socket's identity is its canonical address: names are labels, and
 * moving an address from one service to another keeps the socket and its queue.
 *
 * A new one blocks, as one of systemd does: PHP-FPM, or a plain accept() in a loop, takes EAGAIN for the end, and who wants
 * it otherwise says so. That flag belongs to the socket and not to a process: it is never taken back here, where
 * the generation that serves may rely on it.
 *
 * tcp: SO_REUSEADDR; an IPv6 socket takes IPv6 only (V6ONLY=1), so [::]:80 and 0.0.0.0:80 may both
 * be asked for and mean what they say.
 * unix: a socket file that nobody answers on is stale and is replaced; one that is answered is an
 * error. Mode, owner and group are set before listen().
 */
#include <stdbool.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/text.h"
#include "config/spec.h"
#include "supervisor/io/endpoint.h"

struct error;

/* Whose a socket file is to be. What its spec names has been looked up by then. */
struct listener_owner {
    uid_t uid; /* -1 = as it comes */
    gid_t gid; /* -1 = as it comes */
};

#define LISTENER_OWNER_ANY     \
    (struct listener_owner)    \
    {                          \
        (uid_t) - 1, (gid_t)-1 \
    }

struct listener {
    struct list node;      /* in its set; empty for a probe listener */
    unsigned references;   /* listener_ref/unref only */
    int fd;                /* owned; CLOEXEC, listening; blocks unless somebody has changed that */
    int guard;             /* borrowed: an epoll that `fd` is in, and has to leave; -1 = none */
    int backlog;           /* as asked for */
    char *address;         /* owned; canonical, as the spec has it: the identity */
    struct endpoint bound; /* what the kernel made of it (port 0 resolved) */
    bool is_unix;          /* then the four below are valid */
    dev_t device;          /* of the socket file we made … */
    ino_t inode;           /* … so that at the end only our own is unlinked */
    mode_t mode;           /* of the socket file */
    struct listener_owner owner;
    bool foreign;    /* systemd made its file: mode, owner and name are not ours to touch */
    uint64_t number; /* what the keeper and the state call it; 0 = not kept */
    bool alone;      /* while it is restored: it belongs to no set */
    void (*on_close)(void *env, struct listener *l); /* NULL; before it is closed */
    void *env;
};

/* All sockets the master has open. */
struct listeners {
    struct list all;
};

void listeners_init(struct listeners *set);
void listeners_finish(struct listeners *set); /* closes all, whatever is still referenced */

/**
 * listeners_acquire - the open socket of that address, or a new one.
 * @ret: one reference for the caller; untouched on failure
 *
 * For a transaction: acquire all of the new configuration first, then listener_adjust() each, and
 * only then unref the old. A socket that is open already is left as it is until then.
 *
 * Return: 0 or negative errno with the sentence.
 */
int listeners_acquire(struct listeners *set, const struct listener_spec *spec,
                      struct listener_owner owner, struct listener **ret, struct error *reterr);

/**
 * listener_adopt - a socket that somebody else opened: a master before us, or systemd.
 * @fd: taken over when this succeeds
 * @address: its identity; NULL: as it is bound
 * @ret: one reference for the caller; in no set
 *
 * Return: 0; -EINVAL: it is no listening stream socket, or not that of @address (which one of ours
 * is also when a worker shut it down); or another negative errno.
 */
int listener_adopt(int fd, const char *address, struct listener **ret, struct error *reterr);

/* listener_adjust - bring mode, owner, group and backlog of an open socket to what is wanted. */
int listener_adjust(struct listener *l, const struct listener_spec *spec,
                    struct listener_owner owner, struct error *reterr);

/* listeners_find - borrowed; NULL when no such socket is open. */
struct listener *listeners_find(const struct listeners *set, const char *address);

struct listener *listener_ref(struct listener *l);
void listener_unref(struct listener *l); /* the last one closes (and unlinks); NULL is fine */

/**
 * listener_guard - put it into the epoll set @epoll for EPOLLRDHUP, under its descriptor's number.
 *
 * It leaves the set before its descriptor is closed or replaced: whoever else holds the socket
 * would keep an entry alive that reports for ever and that nobody could take out any more.
 */
int listener_guard(struct listener *l, int epoll);
void listener_unguard(struct listener *l); /* not in any: nothing happens */

/**
 * listeners_probe - a socket that one generation at a time serves (`probe_listener`).
 * @address: "tcp://127.0.0.1:0": port 0 gives each generation a socket of its own, in no set. A
 *           fixed port is for `handoff: replace`, where one generation has left before the next
 *           starts: it is handed from one to the next, being in the set.
 *
 * Return: 0 or negative errno with the sentence; @ret: one reference for the caller.
 */
int listeners_probe(struct listeners *set, const char *address, struct listener **ret,
                    struct error *reterr);

/* listener_is_listening - false after a worker called shutdown() on it. */
bool listener_is_listening(const struct listener *l);

/**
 * listener_relisten - undo that. Queued clients were reset by the shutdown, new ones queue again.
 *
 * Return: 0: the socket is whole again, for all who share it; 1: it is a unix socket, which the
 * kernel cannot bring back: a new one took its place and its path, and workers started from now on
 * get that; negative errno with the sentence.
 *
 * With 1 the number in l->fd is another one. It is in no epoll set any more.
 */
int listener_relisten(struct listener *l, struct error *reterr);

/* listener_address - the address really bound (port 0 resolved), appended to @out. */
void listener_address(const struct listener *l, struct text *out);

#endif
