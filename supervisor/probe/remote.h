/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_REMOTE_H
#define STINT_PROBE_REMOTE_H

/*
 * The memory of another process, read while it runs: what was read may be half of an old and half of
 * a new state, or nonsense. Nobody is stopped for it, and an address of any value can only fail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct remote {
    pid_t pid;
    int refused; /* negative errno once it was not permitted; nothing is tried after that */
};

/* remote_read - @bytes of them or nothing. Return: 0; -EFAULT: not all of it is mapped; -EPERM, -ESRCH. */
int remote_read(struct remote *remote, uint64_t address, void *buf, size_t bytes);

/**
 * remote_read_some - as many as are there, up to the first page that is not.
 *
 * @bytes: at most REMOTE_SOME_MAX
 * Return: how many, 0 = none; -EPERM, -ESRCH.
 */
#define REMOTE_SOME_MAX ((size_t)64 << 10)
ssize_t remote_read_some(struct remote *remote, uint64_t address, void *buf, size_t bytes);

struct remote_piece {
    uint64_t address;
    void *to; /* borrowed */
    size_t bytes;
    size_t done; /* out: how many were read; fewer than @bytes: what follows is not mapped */
};

/**
 * remote_read_pieces - several at once, by one call of the kernel where they are all there.
 * @n: at most REMOTE_PIECES_MAX
 */
#define REMOTE_PIECES_MAX 64
void remote_read_pieces(struct remote *remote, struct remote_piece *pieces, size_t n);

#endif
