/* SPDX-License-Identifier: MIT */
#ifndef STINT_H
#define STINT_H

/*
 * libstint: the worker's side of stint. Tokens that say "leave", threads that say who made them,
 * and the word to the supervisor. Needs nothing but libc; without a supervisor every call works.
 *
 *     #include <stint.h>
 *     stint_init(NULL);                                      // before the first thread
 *     stint_thread_spawn(&t, stint_root(), "worker-0", work, arg);
 *     stint_ready();
 *     ... while (!stint_token_cancelled(stint_root())) ...   // true from SIGTERM or CANCEL on
 *
 * Conventions. Functions return 0 or more, or a negative errno. Times are absolute CLOCK_MONOTONIC
 * microseconds (`*_us`), STINT_NEVER = no limit. A function named `new` or `ref` returns a reference
 * that the caller gives back with unref; arguments are borrowed. Any thread, unless said otherwise.
 * "AS-safe" marks what a signal handler may call; nothing else may be called from one. Cancellation
 * points of pthread_cancel() are stint_token_poll(), stint_accept(), stint_read(), stint_write() and
 * stint_thread_join() alone. The library starts no thread unless STINT_OPT_LISTENER asks for one, and
 * allocates nothing on cancel.
 */
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "stint_check.h"
#include "stint_deadline.h"
#include "stint_threads.h"
#include "stint_trace.h"
#include "stint_waits.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define STINT_TEXT_MAX 128 /* bytes of a cancel's text with its NUL; longer is cut */

/* Why a token was cancelled. Numbers are part of the wire format: new ones at the end. */
enum stint_cause {
    STINT_CAUSE_NONE = 0,     /* live */
    STINT_CAUSE_SIGNAL = 1,   /* SIGTERM, or stint_token_cancel_signal() */
    STINT_CAUSE_RELIEVED = 2, /* master: a newer generation serves */
    STINT_CAUSE_STOPPED = 3,  /* master: the service stops, or shrinks */
    STINT_CAUSE_REJECTED = 4, /* master: this generation never got to serve */
    STINT_CAUSE_DEADLINE = 5, /* its own deadline came */
    STINT_CAUSE_USER = 6,     /* the program said so */
    STINT_CAUSE_CLOSED = 7,   /* its scope is closed */
    STINT_CAUSE_RETIRED = 8   /* its generation of the configuration gave way to another */
};

/* ---- Life of the process ----------------------------------------------------------------- */

#define STINT_OPT_LISTENER     1u /* a thread "stint-listener" reads the channel as frames come */
#define STINT_OPT_KEEP_SIGTERM 2u /* leave SIGTERM alone */

struct stint_options {
    size_t size;    /* sizeof(struct stint_options) */
    unsigned flags; /* STINT_OPT_* */
};

/**
 * stint_init - attach to the supervisor, if there is one.
 * @options: borrowed; NULL = defaults
 *
 * Call it in main() before the first thread: it takes STINT_CHANNEL and STINT_REGISTRY out of the
 * environment, makes the inherited descriptors close-on-exec, copies the rest, registers the calling
 * thread as "main" and installs a SIGTERM handler that cancels the root token, then calls the handler
 * found there (with SA_RESTART, unless that one was installed without it). A program that sets its
 * own SIGTERM handler later must call stint_token_cancel_signal(stint_root()) in it. A descriptor
 * that is not what it should be is ignored, and the process runs unmanaged. So does one that is not
 * the worker itself but a child with the worker's environment ($LISTEN_PID is not its pid). Idempotent.
 *
 * After fork() the child is detached: no channel, no notify socket, a registry of its own; its tokens
 * are copies with descriptors of their own, and SIGTERM still cancels its root.
 *
 * Return: 0, or -errno when even an unmanaged start is impossible (-ENOMEM, -EMFILE, -EAGAIN).
 */
int stint_init(const struct stint_options *options);

/* stint_ready - say that this worker serves. READY on the channel, else READY=1 to $NOTIFY_SOCKET.
 * Return: 0 (also with nobody to tell), -EAGAIN when the supervisor's queue is full: say it again. */
int stint_ready(void);

/* stint_stopping - say that this worker leaves by itself. @why may be NULL. Cancels nothing. */
int stint_stopping(const char *why);

/* stint_extend - ask for @usec more microseconds, from now, before the running deadline hits. */
int stint_extend(int64_t usec);

/* stint_status - one line of free text for `status`, by $NOTIFY_SOCKET. */
int stint_status(const char *text);

/**
 * stint_listen_fd - an inherited listening socket.
 * @name: as in $LISTEN_FDNAMES; NULL = the first one
 *
 * Other workers accept from the same socket: it is non-blocking under stint; expect EAGAIN. Never
 * shutdown() it. Borrowed: closing it is allowed and says "I accept no more".
 *
 * Return: the descriptor, -ENOENT when there is none of that name, -EAGAIN when it is still to come:
 * a `gated` service gets its sockets after it said that it is ready, see stint_listen_wait().
 */
int stint_listen_fd(const char *name);

struct stint_token;

/**
 * stint_listen_wait - the same, once it is there; call it after stint_ready().
 * @token: ends the wait, too; may be NULL
 *
 * The sockets of a `gated` service come when all of its generation is ready and not before, so one
 * that is rejected never has a client. Of any other service they are there at once. Programs with an
 * event loop poll stint_fd(), call stint_dispatch(), and ask stint_listen_fd() again.
 *
 * Return: the descriptor, -ENOENT when none of that name came, -ETIMEDOUT when @abs_us came first,
 * or as stint_token_err().
 */
int stint_listen_wait(struct stint_token *token, const char *name, int64_t abs_us);

uint64_t stint_generation(void);  /* 0 without a supervisor */
unsigned stint_slot(void);        /* 0.. among the workers of this generation */
const char *stint_service(void);  /* "" without a supervisor; static */
const char *stint_trace_id(void); /* 32 hex digits of a valid $TRACEPARENT, else ""; static */
int64_t stint_now_us(void);       /* AS-safe */

/* stint_fd - readable when stint_dispatch() has work; -1 without a supervisor. Borrowed. */
int stint_fd(void);

/**
 * stint_dispatch - read what the supervisor sent and run due callbacks; never blocks.
 *
 * For programs with an event loop. wait, poll, sleep, join and cancel do it on their own.
 *
 * Return: frames obeyed, or -EPIPE when the supervisor has gone (stint_fd() is -1 from then on).
 */
int stint_dispatch(void);

/* ---- Tokens ------------------------------------------------------------------------------- */

struct stint_token {
    uint32_t cancelled; /* the published word: 0 = live; read it with stint_token_cancelled() */
    /* the rest is the library's own */
};

/* stint_root - the process's token, cancelled by SIGTERM and by the supervisor. Borrowed. */
struct stint_token *stint_root(void);

/* stint_current - the token the calling thread was spawned with; NULL for threads without one. */
struct stint_token *stint_current(void);

/**
 * stint_token_new - a child of @parent, cancelled when it is.
 * @parent: NULL = a token nobody else cancels
 * @name:   copied
 *
 * Born cancelled under a cancelled parent. Holds a reference to its parent.
 * Return: a reference, NULL without memory.
 */
struct stint_token *stint_token_new(struct stint_token *parent, const char *name);

/* stint_token_with_deadline - the same; cancelled with STINT_CAUSE_DEADLINE from the earlier of
 * @abs_us and the parent's deadline on. No timer runs: whoever asks next finds out. */
struct stint_token *stint_token_with_deadline(struct stint_token *parent, const char *name,
                                              int64_t abs_us);

/**
 * stint_token_detach - one for what is left to do after a cancel: to roll back, to flush, to tell.
 * @token: NULL as in stint_token_new()
 *
 * Keeps @token's trace and its place in stint_token_path(), and neither its cancel nor its deadline.
 * Holds a reference to @token.
 */
struct stint_token *stint_token_detach(struct stint_token *token, const char *name);

/**
 * stint_token_any - cancelled by the first of several: the request's token, or the pool's.
 * @tokens: @n of them, borrowed for the call; NULL among them is never cancelled
 *
 * Its deadline is the earliest of theirs, its trace and path follow the first of them; its cause names
 * the one that won. It is cancelled, and all below it, before a cancel of that one returns. Holds
 * references to all of them until its own last one is gone, and then leaves nothing behind in them.
 */
struct stint_token *stint_token_any(struct stint_token *const *tokens, size_t n, const char *name);

/**
 * stint_token_trace - the trace that the work under @token belongs to: a request's `traceparent`.
 * @traceparent: of W3C trace context, "00-…-…-01"; copied
 *
 * For a token just made, before others are made from it: those made later, and threads and tasks that
 * obey it or them, are of that trace, and so is what is said of them when they do not leave. Without it a
 * token has its parent's, in the end the process's.
 *
 * Return: 0, -EINVAL for one that is malformed (and then nothing changed), -EBUSY when others have
 * @token's trace already, -ENOMEM.
 */
int stint_token_trace(struct stint_token *token, const char *traceparent);

struct stint_token *stint_token_ref(struct stint_token *token);
void stint_token_unref(struct stint_token *token); /* NULL is fine; does not cancel */

/**
 * stint_token_cancel - cancel @token and everything below it, for ever.
 * @text: copied; NULL = ""; dropped, with the caller's name, when 256 cancelled tokens have words already
 *
 * The first one wins: later causes change nothing. All descendants are cancelled when it returns;
 * their callbacks have run, or are running in another thread that cancels at this moment, or, inside
 * a callback, run right after that callback.
 *
 * Return: 1 when this call did it, 0 when it was cancelled already (or is NULL).
 */
int stint_token_cancel(struct stint_token *token, enum stint_cause cause, const char *text);

/**
 * stint_token_cancel_signal - the same from a signal handler. AS-safe.
 *
 * All descendants are cancelled and their waiters woken before it returns, or, if a thread is just
 * changing the tree, when that thread is done (microseconds). Callbacks run in the listener thread
 * if there is one, else in the first thread that enters or leaves a wait, poll, sleep, join, cancel,
 * ready or dispatch.
 */
void stint_token_cancel_signal(struct stint_token *token);

/* stint_token_cancelled - one acquire load. AS-safe. NULL is never cancelled. A passed deadline shows
 * here once somebody asked by err, wait, poll or sleep. */
static inline int
stint_token_cancelled(const struct stint_token *token)
{
    return token && __atomic_load_n(&token->cancelled, __ATOMIC_ACQUIRE) != 0;
}

/* stint_token_err - 0, -ECANCELED, or -ETIMEDOUT when the deadline came first. Reads the clock only
 * if there is a deadline. */
int stint_token_err(struct stint_token *token);

struct stint_cancel_info {
    size_t size;                 /* sizeof(struct stint_cancel_info), set by the caller */
    int64_t cancelled_us;        /* when; 0 = not */
    int64_t leave_by_us;         /* the supervisor's drain deadline; STINT_NEVER = none said */
    uint32_t cause;              /* enum stint_cause */
    char origin[STINT_NAME_MAX]; /* name of the token that was cancelled: this one, or above it */
    char text[STINT_TEXT_MAX];   /* "relieved by generation 8" */
    char who
        [STINT_NAME_MAX]; /* the thread that cancelled; "": a signal, a deadline, the supervisor */
};

/* stint_token_cause - why; @info may be NULL. Reads a pending CANCEL frame first, so that after a
 * SIGTERM from the supervisor its own words are found here; it runs callbacks if it cancels the root. */
enum stint_cause stint_token_cause(struct stint_token *token, struct stint_cancel_info *info);

int64_t stint_token_deadline(const struct stint_token *token); /* STINT_NEVER = none */
const char *stint_token_name(const struct stint_token *token); /* lives as long as the token */

/* stint_token_path - the names from the top down, "root/listener/conn-7". @path: receives what fits of it.
 * Return: the length of the whole, as snprintf(). */
size_t stint_token_path(const struct stint_token *token, char *path, size_t size);

/**
 * stint_token_fd - a descriptor readable from cancellation or deadline on, for ever.
 *
 * Made at the first call, owned by the token, close-on-exec. Only poll it: never read or close it.
 * Return: the descriptor, -EMFILE and the like; -EINVAL for NULL.
 */
int stint_token_fd(struct stint_token *token);

/* stint_token_wait - sleep until @token is cancelled or @abs_us comes.
 * Return: 0 when the time came first, else as stint_token_err(). NULL only waits for the time. */
int stint_token_wait(struct stint_token *token, int64_t abs_us);

/* stint_token_sleep - wait for a duration. */
int stint_token_sleep(struct stint_token *token, int64_t usec);

/**
 * stint_token_poll - poll(2) that ends when the token does.
 * @fds: as for poll(2), revents filled in
 *
 * Uses stint_token_fd(), so it may fail with -EMFILE. EINTR is absorbed.
 * Return: descriptors ready, 0 when @abs_us came first, else as stint_token_err() (checked first).
 */
int stint_token_poll(struct stint_token *token, struct pollfd *fds, nfds_t n, int64_t abs_us);

struct stint_registration;

/**
 * stint_token_on_cancel - have @fn(@arg) called once when @token is cancelled.
 *
 * No library lock is held while it runs. On a token that is cancelled already it runs here, before
 * this returns. Several run in no set order. It is not called for a deadline nobody noticed.
 * Give the registration back with stint_registration_remove(), in every case.
 *
 * Return: the registration (holds a reference to @token), NULL without memory.
 */
struct stint_registration *stint_token_on_cancel(struct stint_token *token, void (*fn)(void *arg),
                                                 void *arg);

/**
 * stint_registration_remove - take a callback back and free its registration.
 *
 * After it returns the callback is not running and never will be, with one exception: called from
 * inside that very callback it does not wait for it. If it runs in another thread, waits for it.
 *
 * Return: 1 removed before it ran, 0 it ran (or this is it). NULL: 0.
 */
int stint_registration_remove(struct stint_registration *registration);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
