/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_STATE_H
#define STINT_IO_STATE_H

/*
 * What has to outlive the master, in a memfd that the keeper holds: records, each with a kind and a
 * key, the newest of which counts. Changes are gathered and written in one go:
 *
 *   state_put(), state_drop() … ─▶ state_commit() ─▶ …killed… ─▶ state_adopt() ─▶ state_each()
 *
 * The file is a log of batches, each with a sequence number and a checksum over all of it. A batch
 * that was not written to its end was never there, so a step is in the state as a whole or not at
 * all, and its cost is what it changed. When most of the file is history, it is written anew into
 * another memfd. One thread; the bytes are of this machine and of one STATE_VERSION.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct state;

#define STATE_VERSION 5

enum state_kind {
    STATE_NOTHING,  /* no record */
    STATE_MASTER,   /* key 0: what is there once; see master_save.c for this and the next */
    STATE_CONFIG,   /* key 0: the configuration in force */
    STATE_SPEC,     /* number: one service's spec as canonical text */
    STATE_CORE,     /* key 0: image_core() */
    STATE_SERVICE,  /* service id: image_service() */
    STATE_EFFECT,   /* number: decided, not known to be done */
    STATE_LISTENER, /* number */
    STATE_SNAPSHOT, /* id */
    STATE_HAND,     /* worker id */
    STATE_REST,     /* worker id * 2 + stream: the beginning of a line, taken out of its pipe */
    STATE_PIECE,    /* the same key: what was about to be taken out of its pipe with it */
    STATE_DESK,     /* key 0: requests that wait for an answer */
    STATE_KIND_COUNT
};

/* state_create - an empty one. Return: 0 or negative errno with the sentence. */
int state_create(struct state **ret, struct error *reterr);

/**
 * state_adopt - read what a master before us left; @fd is taken over when this succeeds.
 *
 * Return: 0; -EPROTO: it is of another version; -EBADMSG: it is none; or another negative errno.
 */
int state_adopt(int fd, struct state **ret, struct error *reterr);
void state_destroy(struct state *st); /* NULL is fine */
int state_fd(const struct state *st); /* borrowed; another one after state_commit() said 1 */

/* Into the batch; no memory makes the commit fail. The bytes are copied. */
void state_put(struct state *st, enum state_kind kind, uint64_t key, const void *bytes, size_t n);
void state_drop(struct state *st, enum state_kind kind, uint64_t key);
/* state_forget - nothing of what was put so far counts. For whoever puts everything anew. */
void state_forget(struct state *st);

/**
 * state_commit - what was put and dropped since the last time becomes the state.
 *
 * Return: 0; 1: likewise, and the file is another one, to be kept in the place of the old: that
 * stays good until state_settle(), which comes before anything else; or negative errno: the batch is
 * lost, or is in the file without being known here. What a master would find is whole in either case.
 * After that put everything anew, behind state_forget().
 */
int state_commit(struct state *st, struct error *reterr);
/* After 1. @kept: whether the new file has a keeper; if not, the old one goes on for a while. */
void state_settle(struct state *st, bool kept);

/*
 * state_each - every record of a kind, by ascending key. @fn: its bytes are valid for the call;
 * negative errno ends the walk and is returned. It may not change the state.
 */
int state_each(const struct state *st, enum state_kind kind,
               int (*fn)(void *env, uint64_t key, const void *bytes, size_t n), void *env);

/* state_one - the same for one record; -ENOENT: there is none. */
int state_one(const struct state *st, enum state_kind kind, uint64_t key,
              int (*fn)(void *env, uint64_t key, const void *bytes, size_t n), void *env);

bool state_has(const struct state *st, enum state_kind kind, uint64_t key);

/* state_tidy - much has happened that will not soon again: the next commit leaves the history behind. */
void state_tidy(struct state *st);

/* For the status: bytes of the file, and of the records that count. */
size_t state_bytes(const struct state *st);
size_t state_live_bytes(const struct state *st);

#endif
