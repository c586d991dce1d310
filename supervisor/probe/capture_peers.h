/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_PEERS_H
#define STINT_PROBE_CAPTURE_PEERS_H

/* The pipes and sockets that a process has, and who has the other ends. */
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct capture;

/* A pipe or socket among the descriptors. */
struct end {
    uint64_t inode;
    int fd;
    bool socket, reads, writes;
};

/* A socket. Addresses as the kernel's tables have them: families do not mix within one. */
#define SOCKET_SERVER ", a server" /* at the other end somebody listens: judge_serves.c reads it */

struct socket_end {
    uint64_t inode;
    uint64_t peer; /* inode of the other end on this machine; 0 = none, or not known */
    char key[100], peer_key[100]; /* of TCP: "local remote", and the other way round */
    char text[96];                /* "tcp 127.0.0.1:80 ← 10.0.0.7:4711", "unix /run/x.sock" */
    uint16_t port, peer_port;     /* local, remote; 0 = none */
    bool tcp, listening, established;
};

struct ends {
    struct end *of;    /* owned; by inode */
    struct end *by_fd; /* owned; the same */
    size_t n;
    struct socket_end *sockets; /* owned; by inode */
    size_t n_sockets;
    bool cut; /* there are more */
};

/* inode_first - where @inode is, or would be, among @n sorted structs of @stride bytes that begin with theirs. */
size_t inode_first(const void *of, size_t n, size_t stride, uint64_t inode);

/* ends_find - the first descriptor with that inode, or NULL. */
const struct end *ends_find(const struct ends *ends, uint64_t inode);
struct socket_end *ends_socket(const struct ends *ends, uint64_t inode);

/* end_read - entry @name of a directory of descriptors: is it a pipe or a socket, and which? */
bool end_read(int dir, const char *name, struct end *ret);
/* end_mode - may one read or write there? The link's own mode tells. */
void end_mode(int dir, const char *name, struct end *end);
DIR *fds_open(const char *pid); /* of that process; NULL with errno */

static inline void
close_dir(DIR **d)
{
    if (*d)
        (void)closedir(*d); /* only reads were done */
}

#define auto_dir __attribute__((cleanup(close_dir)))

/* capture_holders.c: an end that others may hold, and who does. */
struct wanted {
    uint64_t inode;
    bool readers, writers; /* of a pipe: those are looked for; of a socket: both */
    unsigned holders;
    char text[112]; /* the first of them */
};

struct holders {
    struct wanted *of; /* owned */
    size_t n, room;
    size_t left;  /* descriptors of others that may still be looked at */
    bool refused; /* of some processes they may not */
};

int holders_init(struct holders *holders, size_t most); /* 0 or -ENOMEM */
void holders_want(struct holders *holders, const struct wanted *wanted);
void holders_find(struct capture *c, const struct ends *ends, struct holders *holders);
void holders_tell(const struct capture *c, const struct holders *holders,
                  const struct wanted *wanted, char *buf, size_t room);

/* capture_sockets.c: fill in `sockets` from the kernel's tables. */
int ends_sockets_read(struct capture *c, struct ends *ends);

#endif
