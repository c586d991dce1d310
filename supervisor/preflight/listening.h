/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_LISTENING_H
#define STINT_PREFLIGHT_LISTENING_H

/* Private to preflight/: what of a process tree takes connections in, over TCP or a unix socket. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define LISTENING_MOST 64
#define PATH_ROOM      4096

/* Of a unix socket: who may connect. */
enum listening_reach {
    REACH_NOBODY, /* its file is gone */
    REACH_OWNER,
    REACH_GROUP,
    REACH_ANYBODY /* of this machine; an abstract one: of this network namespace */
};

struct listening {
    char address[192];          /* "tcp://127.0.0.1:6060", "unix:/run/x.sock", "unix:@x" */
    struct sockaddr_storage to; /* where it can be asked from here: loopback for a wildcard */
    uint64_t inode;
    socklen_t to_bytes;         /* 0: it cannot be asked from here */
    pid_t pid;                  /* who holds it; of several one */
    enum listening_reach reach; /* like the next three: of a unix socket */
    mode_t mode;                /* of its file */
    bool is_unix, is_abstract, is_stream;
    bool inherited; /* the supervisor has it, too: it is in `listen`, or the probe_listener */
    bool is_public; /* of TCP: not bound to a loopback address */
};

/**
 * listening_find - the sockets in state LISTEN that one of @tree holds.
 * @supervisor: whoever holds the sockets that the tree inherited; 0: nobody does
 * @cage:       the directory whose own mode says nothing of production; NULL: none
 *
 * Return: how many were written, at most LISTENING_MOST; or negative errno: it may not be seen.
 */
int listening_find(const pid_t *tree, size_t n, pid_t supervisor, const char *cage,
                   struct listening *ret);

/* listening_unix.c: a line of /proc/PID/net/unix. False: it listens nowhere. */
bool listening_unix_parse(const char *line, pid_t pid, const char *cage, struct listening *l);

/* listening_reach_of - of the socket at @path; the directories within its first @from bytes are open. */
enum listening_reach listening_reach_of(const char *path, size_t from, mode_t *ret_mode);

#endif
