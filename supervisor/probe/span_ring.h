/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_SPAN_RING_H
#define STINT_PROBE_SPAN_RING_H

/*
 * The ring of finished spans behind a worker's registry, read from outside without its help, also when it is dead.
 * Its content is the worker's and may be anything: it is copied by pread(), never mapped. What is lost is counted
 * here: each ticket that was drawn is either read, or lost.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker-api/wire.h"

/* Where a reader is. */
struct span_ring_at {
    uint64_t next; /* ticket to be read next */
    uint64_t seen; /* tickets that were drawn by the last look that came to the end of them */
};

/* What a look found. */
struct span_ring_look {
    size_t n;       /* spans copied */
    uint64_t lost;  /* overwritten before they were read, or never finished */
    uint64_t drawn; /* tickets, since the look before */
    unsigned count; /* entries of the ring */
    bool more;      /* @room was too small: look again */
};

/* span_ring_want - tell the worker that spans are wanted, or not. Return: 0; -ENOENT: this registry has no room for
 * them; or another negative errno. */
int span_ring_want(int fd, bool wanted);

/* span_ring_fits - is there room for one? Of a registry that an older supervisor made there is none. */
bool span_ring_fits(int fd);

/* span_ring_resume - begin where span_ring_taken() said; what it cannot say is the beginning. */
void span_ring_resume(int fd, struct span_ring_at *at);
void span_ring_taken(int fd,
                     const struct span_ring_at *at); /* another reader need not begin before this */

/**
 * span_ring_look - the finished spans from @at on, which goes on.
 * @dead: nobody is at work on one any more
 * @ret, @room: receives so many at most; they are as the worker wrote them
 *
 * One that is being written ends a look; by the next one it is there or lost, so that a thread that
 * was stopped does not hold up the others. Bounded: a few reads for each @room.
 * Return: 0; -ENODATA: there is no ring (yet); -EPROTO: it makes no sense; or another negative errno; what
 * @look says holds in any case.
 */
int span_ring_look(int fd, struct span_ring_at *at, bool dead, struct stint_registry_span *ret,
                   size_t room, struct span_ring_look *look);

#endif
