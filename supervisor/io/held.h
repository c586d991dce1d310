/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_HELD_H
#define STINT_IO_HELD_H

/* Sockets of ours that a process still has, which should be on its way out. */
#include <stdint.h>
#include <sys/types.h>

struct snapshot;
struct text;

#define HELD_MAX 8

struct held {
    uint64_t inode; /* 0: no more of them */
    char name[72];  /* "listener http" */
};

/* held_of - the listeners of what it was started from; @snap NULL: none. */
void held_of(const struct snapshot *snap, struct held ret[HELD_MAX]);

/**
 * held_tell - append "listener http still held by pid 12, fd 3" for each that @pid has.
 * @misses: so many numbers in a row that are no descriptors, and the last was before them
 */
void held_tell(const struct held held[HELD_MAX], pid_t pid, int misses, struct text *out);

#endif
