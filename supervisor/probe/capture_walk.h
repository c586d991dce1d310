/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_WALK_H
#define STINT_PROBE_CAPTURE_WALK_H

/* The stacks of all threads, as addresses: see capture_stacks.c for their names. */
#include <stddef.h>
#include <stdint.h>

struct capture;
struct names;
struct names_frame;

/* The stack of one thread. */
struct walked {
    size_t first;   /* its innermost frame, among all */
    size_t like;    /* index of the thread whose frames these are: itself, or one with the same */
    uint64_t start; /* where it began, as it is known before there are names */
};

#define WALKS_KNOWN 1024

/* The frames of all threads, until they have names: there are few, and a place is large. */
struct walks {
    struct names *names;
    struct names_frame *frames;  /* owned */
    struct walked *of;           /* owned: by thread */
    size_t n, room;              /* of frames */
    uint32_t known[WALKS_KNOWN]; /* by the hash of a stack, the thread that had it last, + 1 */
};

/* walks_take - fills in sp, pc, n_frames and start.pc of the threads, too. 0 or -ENOMEM; either way the
 * caller gives them to walks_finish(). */
int walks_take(struct capture *c, struct walks *walks);
void walks_finish(struct walks *walks);

#endif
