/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CONTROL_SOCKET_H
#define STINT_IO_CONTROL_SOCKET_H

/* The control socket in the file system, and the lock that keeps two masters apart. */
struct error;

struct control_socket {
    int lock_fd;   /* owned; the lock lives as long as it does */
    int listen_fd; /* owned; non-blocking */
    char *path;    /* owned; unlinked by finish */
};

/* Return: 0; -EADDRINUSE "stint already runs here with pid …"; or another negative errno. */
int control_socket_open(const char *runtime_dir, struct control_socket *ret, struct error *reterr);
void control_socket_close(struct control_socket *s);

#endif
