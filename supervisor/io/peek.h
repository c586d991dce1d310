/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_PEEK_H
#define STINT_IO_PEEK_H

/*
 * Reading a pipe in two steps: look at what is in it, and take it out when it has been dealt with.
 * A master that is killed between the two leaves it to the next one, so nothing is lost. One thread.
 */
#include <stddef.h>
#include <sys/types.h>

/* peek_init - make what it needs now, so that the number of descriptors does not grow later. */
int peek_init(void);

/*
 * peek_pipe - what is at the front of the pipe @fd, and stays there.
 * @bytes: room for at most @n; where pipes are kept small it may be that less of it is seen
 *
 * Return: how many; 0: the end (empty, and nobody can write any more); -EAGAIN: empty for now; or
 * another negative errno. Never waits.
 */
ssize_t peek_pipe(int fd, void *bytes, size_t n);

/* peek_take - take @n bytes that were seen out of the pipe. Return: 0 or negative errno. */
int peek_take(int fd, size_t n);

#endif
