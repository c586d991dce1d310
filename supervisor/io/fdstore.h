/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_FDSTORE_H
#define STINT_IO_FDSTORE_H

/*
 * The master's end of supervisor/keeper/wire.h: descriptors that the keeper holds under a name, and
 * what else the two say to each other. At the start it waits for what is kept; after that nothing here
 * ever waits: what the keeper does not read now is sent when it does, in order. Without a keeper
 * (NULL) every call is allowed and does nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/keeper/wire.h"

struct error;
struct ev_loop;
struct fdstore;

/* All are called from the loop. */
struct fdstore_hooks {
    /* A child of the keeper died and was reaped; each once for this master, see fdstore_buried(). */
    void (*on_obituary)(void *env, const struct keeper_obituary *o);
    /* It is not kept, or (-E2BIG) not by systemd too. */
    void (*on_refused)(void *env, const char *name, int error);
    void (*on_upgrade)(void *env,
                       int error); /* the answer to fdstore_upgrade(): 0 or negative errno */
    void (*on_lost)(void *env);    /* the keeper is gone; nothing is kept any more */
    void *env;
};

/**
 * fdstore_open - say HELLO and take what is kept.
 * @fd: the socket; taken over in any case
 *
 * Waits at most 10 s. Return: 0 or negative errno with the sentence.
 */
int fdstore_open(int fd, struct fdstore **ret, struct error *reterr);
void fdstore_close(struct fdstore *fs);

const struct keeper_welcome *fdstore_welcome(const struct fdstore *fs); /* NULL without a keeper */
pid_t fdstore_run_pid(
    const struct fdstore *fs); /* of `stint run`, which people know: the keeper's, or ours */

/* fdstore_take - one that was given at the start, or -1; the caller's from now on. It stays kept. */
int fdstore_take(struct fdstore *fs, const char *name);
/* fdstore_next - the name of one that was given and not taken, beginning with @prefix; NULL: none. */
const char *fdstore_next(const struct fdstore *fs, const char *prefix);

/* fdstore_after - the one given after @name (NULL: from the first), not taken, beginning with @prefix. */
const char *fdstore_after(const struct fdstore *fs, const char *prefix, const char *name);

/* fdstore_begin - from now on it is heard; obituaries that came at the start are told by the loop. */
void fdstore_begin(struct fdstore *fs, struct ev_loop *loop, const struct fdstore_hooks *hooks);

/*
 * fdstore_put - keep @fd (borrowed) under @name, instead of what was there.
 *
 * Return: 0: said, or waiting to be (see fdstore_counts); -ENOMEM or -EMFILE: what was there stays.
 */
int fdstore_put(struct fdstore *fs, const char *name, int fd);
/* fdstore_put_now - the same, but it is not left waiting here: -EAGAIN, and what was there stays. */
int fdstore_put_now(struct fdstore *fs, const char *name, int fd);
void fdstore_drop(struct fdstore *fs, const char *name);

/* fdstore_name - "KIND.ID" into @buf; the names of one kind have one length at most. Return: @buf. */
char *fdstore_name(char buf[KEEPER_NAME_MAX], const char *kind, uint64_t id);

void fdstore_alive(struct fdstore *fs);
void fdstore_buried(struct fdstore *fs, pid_t pid, uint64_t start_time);
void fdstore_notify(struct fdstore *fs, const char *text); /* to the service manager */
int fdstore_upgrade(struct fdstore *fs, const char *path, int exe_fd);
/* fdstore_leave - we are about to exit, and stint with us. Waits until it is said, at most @budget_us. */
void fdstore_leave(struct fdstore *fs, int status, int64_t budget_us);
/* fdstore_flush - wait until everything was sent, at most @budget_us. Return: whether it was. */
bool fdstore_flush(struct fdstore *fs, int64_t budget_us);

struct fdstore_counts {
    unsigned kept;    /* put and not dropped */
    unsigned refused; /* … of which the keeper has no room for */
    unsigned waiting; /* messages not sent yet */
};
struct fdstore_counts fdstore_counts(const struct fdstore *fs);

#endif
