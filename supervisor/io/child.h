/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CHILD_H
#define STINT_IO_CHILD_H

#include <sys/resource.h>
#include <sys/types.h>

/* What can be done with a child that spawn_start() made. */

/**
 * child_reap - collect a child that has exited, without waiting for it.
 * @ret_status: as waitpid(2) writes it
 * @ret_usage:  may be NULL
 *
 * Return: 0; -EAGAIN: it still lives; -ECHILD: not ours or reaped before. After 0 its pid may
 * belong to somebody else: no signal by number any more.
 */
int child_reap(int pidfd, int *ret_status, struct rusage *ret_usage);

/* child_peek - the same, and it stays to be collected: its pid is still its own. */
int child_peek(int pidfd, int *ret_status);

/* child_signal - by pidfd, so never to a stranger. Return: 0, -ESRCH (gone), negative errno. */
int child_signal(int pidfd, int sig);

/**
 * child_signal_group - to the process and all of its process group.
 *
 * The group is addressed by number, which is safe only while the leader is unreaped (alive or a
 * zombie): then the kernel cannot give its number away. So: signal the group first, reap after.
 * Processes that left the group are not reached; they come to us as orphans (subreaper).
 *
 * Return: 0, -EINVAL (pid ≤ 1), -ESRCH (nobody there), negative errno.
 */
int child_signal_group(pid_t pid, int pidfd, int sig);
int child_kill_group(pid_t pid, int pidfd); /* SIGKILL */

#endif
