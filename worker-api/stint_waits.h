/* SPDX-License-Identifier: MIT */
#ifndef STINT_WAITS_H
#define STINT_WAITS_H

/* The part of <stint.h> about waits that end with a token: what a thread that obeys one calls in
 * place of the plain calls. Included by <stint.h>, whose conventions hold here. */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct stint_token;

/*
 * What these have in common. @token says when to give up, and may be NULL: then only @abs_us
 * does. The token is looked at first: a call on a cancelled one does nothing, however ready
 * things are, and when both happened while it waited the cancel wins, where that loses nothing
 * (see each). EINTR is absorbed. Errors they all have:
 *
 *   -ECANCELED   @token was cancelled
 *   -ETIMEDOUT   @abs_us came; or @token's deadline did: then stint_token_cancelled() is true
 *
 * A cancel by another thread, or by the supervisor where STINT_OPT_LISTENER runs, ends them at
 * once. Without the listener the supervisor's reaches cond_wait, mutex_lock and sem_wait within
 * 100 ms; a cancel out of a signal handler does so for cond_wait, and is at once for the others.
 * "At once" is with glibc and Linux 5.16 (futex_waitv) for mutex_lock and sem_wait, and within
 * 20 ms on an older kernel. Mutexes that are robust, shared between processes or with priority
 * inheritance or ceiling, shared semaphores, and both with another C library, find out within
 * 50 ms; cond_wait there within 100 ms, when the cancel came just as it went to sleep.
 */

/**
 * stint_cond_wait - pthread_cond_wait(3) that ends with the token, too.
 * @cond:  of any clock
 * @mutex: of any type, held once by the caller; held again on return, but for two of the errors
 *
 * As with every condition variable 0 does not mean that the predicate is true: call it in a
 * loop. It never loses a wake-up: a pthread_cond_signal() that reached a waiter which leaves
 * for a cancel is passed on to another. A cancel wakes the other waiters of @cond, spuriously.
 * Whoever cancels may hold @mutex. No callbacks run in this call, since its caller holds a lock.
 *
 *     while (!q->full && (r = stint_cond_wait(token, &q->cond, &q->mutex, STINT_NEVER)) == 0)
 *         ;
 *
 * Return: 0 woken, or for no reason; the common errors; -EOWNERDEAD (a robust mutex, held:
 * repair it, whatever else happened); -ENOTRECOVERABLE (the same, not held); -EPERM (an
 * error-checking or robust mutex that is not the caller's: nothing was done).
 */
int stint_cond_wait(struct stint_token *token, pthread_cond_t *cond, pthread_mutex_t *mutex,
                    int64_t abs_us);

/**
 * stint_mutex_lock - pthread_mutex_lock(3) that ends with the token, too.
 *
 * Return: 0, or -EOWNERDEAD, with the mutex held; else it is not: the common errors, -EDEADLK,
 * -EAGAIN, -ENOTRECOVERABLE, -EINVAL as pthread_mutex_lock(). A mutex that it gets together
 * with a cancel is unlocked again, but not one whose owner died: that error comes first.
 */
int stint_mutex_lock(struct stint_token *token, pthread_mutex_t *mutex, int64_t abs_us);

/**
 * stint_sem_wait - sem_wait(3) that ends with the token, too. Takes a unit if and only if it
 * returns 0: one that it gets together with a cancel is posted again.
 *
 * Return: 0, the common errors, -EINVAL.
 */
int stint_sem_wait(struct stint_token *token, sem_t *sem, int64_t abs_us);

/**
 * stint_accept - accept4(2) with SOCK_CLOEXEC that ends with the token, too.
 * @from, @size: as for accept(2), may be NULL
 *
 * @fd may block or not; its flags stay as they are. Clients that have gone before
 * (ECONNABORTED) are passed over. A client that is here comes before a cancel that arrives
 * during the call. Only where another *process* accepts from the same *blocking* socket, too,
 * and is quicker, does this call wait for the next client and not for the token: set O_NONBLOCK
 * there. Threads of one process that all call this are fine.
 *
 * Return: the new descriptor; the common errors; as accept(2); -EMFILE also for want of a
 * descriptor for stint_token_fd().
 */
int stint_accept(struct stint_token *token, int fd, struct sockaddr *from, socklen_t *size,
                 int64_t abs_us);

/**
 * stint_read, stint_write - read(2) and write(2) that end with the token, too.
 *
 * @fd may block or not; its flags stay as they are. What was read or written is returned, also
 * when a cancel came meanwhile. A write may be shorter than @n, as one on a non-blocking
 * descriptor. To a socket it raises no SIGPIPE. Exact for sockets, for whatever is
 * non-blocking, and for what can be read without waiting (RWF_NOWAIT: pipes since Linux 6.4).
 * For the rest, blocking terminals and older pipes, as stint_accept(): a reader in another
 * process may take what this one was told of. A regular file is read whatever the disk takes.
 *
 * Return: bytes, 0 = end of file; the common errors; as read(2) and write(2); -EMFILE as
 * stint_accept().
 */
ssize_t stint_read(struct stint_token *token, int fd, void *bytes, size_t n, int64_t abs_us);
ssize_t stint_write(struct stint_token *token, int fd, const void *bytes, size_t n, int64_t abs_us);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
