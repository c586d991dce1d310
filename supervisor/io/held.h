/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_HELD_H
#define STINT_IO_HELD_H

/* What workers were given of ours, and who still has it that should be on its way out. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/leftover.h"

struct hand;
struct listener;
struct snapshot;
struct text;

#define HELD_MAX       40
#define HELD_LISTENERS 16 /* of those */
#define HELD_PAST      16 /* pipes and channels of workers that ended, of one snapshot */

/* Of a snapshot: what workers had that have ended. The newest are kept. */
struct held_past {
    struct held of[HELD_PAST];
    size_t next;
};

/*
 * held_of - the listeners of what it was started from, then what is @h's own, then what was that of workers
 * before it. @snap and @h may be NULL. Ends with an inode of 0, unless it is full.
 */
void held_of(const struct snapshot *snap, const struct hand *h, struct held ret[HELD_MAX]);

/* held_gone - @h ends: what was its own and somebody has yet is remembered for as long as its snapshot. */
void held_gone(const struct hand *h);

bool held_has(const struct hand *h, const struct listener *l); /* was it given that? */

uint64_t held_inode(int fd); /* 0: it has none that would be known */

/**
 * held_tell - append "listener http still held by pid 12, fd 3" for each that @pid has.
 * @misses: so many numbers in a row that are no descriptors, and the last was before them
 *
 * Listeners only: what is its own a process may well have.
 */
void held_tell(const struct held held[HELD_MAX], pid_t pid, int misses, struct text *out);

#endif
