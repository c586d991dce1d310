/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CONTROL_SOCKET_H
#define STINT_IO_CONTROL_SOCKET_H

/* The control socket in the file system, and the lock that keeps two masters apart. */
#include <stdbool.h>
#include <sys/types.h>

struct error;

#define CONTROL_EARLY_MAX 128

/* Where, and what a master before us left. Both descriptors are taken over, whatever comes of it. */
struct control_place {
    const char *runtime_dir;
    int listen_fd; /* listens there already; <= 0: bind anew */
    int lock_fd;   /* holds the lock already; <= 0: take it */
    pid_t pid;     /* to be named to whoever comes second; 0: our own */
};

struct control_socket {
    int lock_fd;                  /* owned; the lock lives as long as it does */
    int listen_fd;                /* owned; non-blocking */
    char *path;                   /* owned; unlinked by finish … */
    bool leave;                   /* … unless another master takes it over */
    int early[CONTROL_EARLY_MAX]; /* owned; n_early connections that were accepted on the way */
    int n_early;
};

/* Return: 0; -EADDRINUSE "stint already runs here with pid …"; or another negative errno. */
int control_socket_open(const struct control_place *at, struct control_socket *ret,
                        struct error *reterr);
void control_socket_close(struct control_socket *s);

/**
 * control_socket_still - do those who connect to @s->path still come to @listen_fd?
 *
 * The file may have been removed or replaced while no master lived. It is found out by connecting:
 * those who came before us are accepted on the way, into @s->early.
 */
bool control_socket_still(struct control_socket *s, int listen_fd);

#endif
