/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_FORGET_H
#define STINT_IO_FORGET_H

#include <ev.h>

/*
 * libev does not take a descriptor out of its epoll set: the kernel does when the last copy is closed.
 * Ours often have copies, at the keeper and in children between their clone and their exec. What then
 * still comes from a closed one makes libev build its whole set anew: with thousands of workers, each
 * death and each start would cost thousands of system calls.
 */

/* forget_init - find the epoll descriptor of @loop, whose making returned just now. @first: a number that was free before. */
void forget_init(struct ev_loop *loop, int first);

/* forget_next - the lowest free descriptor number, for forget_init(); -1: none. */
int forget_next(void);

/* forget_io - stop @io, whose descriptor is about to be closed and has no other watcher. Stopped already is fine. */
void forget_io(struct ev_loop *loop, ev_io *io);

#endif
