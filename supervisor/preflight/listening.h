/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_LISTENING_H
#define STINT_PREFLIGHT_LISTENING_H

/* Private to preflight/: what of a process tree takes TCP connections in. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define LISTENING_MOST 64

struct listening {
    char address[80];           /* "tcp://127.0.0.1:6060" */
    struct sockaddr_storage to; /* where it can be asked from here: loopback for a wildcard */
    socklen_t to_bytes;
    pid_t pid;      /* who holds it; of several one */
    bool inherited; /* the supervisor has it, too: it is in `listen`, or the probe_listener */
    bool is_public; /* not bound to a loopback address */
    uint64_t inode;
};

/**
 * listening_find - the sockets in state LISTEN that one of @tree holds.
 * @supervisor: whoever holds the sockets that the tree inherited; 0: nobody does
 *
 * Return: how many were written, at most LISTENING_MOST; or negative errno: it may not be seen.
 */
int listening_find(const pid_t *tree, size_t n, pid_t supervisor, struct listening *ret);

#endif
