/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_FRAME_H
#define STINT_KEEPER_FRAME_H

/* Is a datagram what wire.h says? Pure. Nothing of it is trusted before. */
#include <stddef.h>

#include "supervisor/keeper/wire.h"

#define FRAME_MAX (sizeof(struct keeper_frame) + KEEPER_BODY_MAX)

/* A datagram as it came, and one byte so that a text in it can be ended. */
struct frame_in {
    _Alignas(8) char bytes[FRAME_MAX + 1];
    size_t n;
    int fd;            /* owned; -1: none came */
    int extra;         /* more came than one, or not all fitted; they are closed */
    const char *wrong; /* frame_check(): why it was refused; a literal */
};

/* One to be sent. */
struct frame_out {
    enum keeper_type type;
    uint32_t bytes;
    uint64_t answers; /* the number of what this answers; 0: a number of our own */
    const void *body; /* borrowed */
    int fd;           /* borrowed; if has_fd */
    int has_fd;
};

/**
 * frame_check - length, type, descriptor and name; ends a text with a NUL.
 *
 * Return: the type, 0: an unknown one, to be skipped; -EBADMSG with @in->wrong set.
 */
int frame_check(struct frame_in *in);

const struct keeper_frame *frame_head(const struct frame_in *in);
const void *frame_body(const struct frame_in *in); /* NUL-terminated when it is a text */

#endif
