/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_BOOKS_H
#define STINT_IO_MASTER_BOOKS_H

/*
 * How a master writes down what has to outlive it, and how the next one reads it: between master*.c
 * alone, like master_state.h.
 */
#include "supervisor/io/master_state.h"

/* ---- master_specs.c ------------------------------------------------------------------ */

/* The same text is one number, from the first time it is asked for; struct image_specs. */
uint64_t specs_number(void *master, struct service_spec *spec);
struct service_spec *specs_of(void *master, uint64_t number); /* a new reference; NULL: not known */
int specs_restore(struct master *m, struct error *reterr);
void specs_sweep(struct master *m); /* forget those that nobody else needs */
void specs_save_all(struct master *m);
void specs_finish(struct master *m);

/* ---- master_save.c ------------------------------------------------------------------- */

/* All of these but the commits only gather; without a keeper they do nothing. */
void save_master(struct master *m);
void save_config(struct master *m);
void save_listener(struct master *m, const struct listener *l);
void save_snapshot(struct master *m, const struct snapshot *snap);
void save_hand(struct master *m, struct hand *h);
void save_rest(struct master *m, uint64_t worker, enum capture_stream stream, const char *bytes,
               size_t n, bool continued);
void save_piece(struct master *m, uint64_t worker, enum capture_stream stream, const char *bytes,
                size_t n);
/* What a step changed, and what it wants done: numbered from here on. */
void save_step(struct master *m, struct effects *fx);
void save_done(struct master *m, const struct effect *e);
void save_commit(struct master *m);
void save_turn(struct master *m); /* what no step has taken along */

/* ---- master_record.c ------------------------------------------------------------------ */

struct text;
struct unpack;
void record_pack(struct text *t, const struct record *r);
void record_unpack(struct unpack *in, struct record *r);

/* ---- master_restore.c ------------------------------------------------------------------ */

/* What the state holds, into a master that has nothing yet. 0 or negative errno with the sentence. */
int restore_all(struct master *m, struct error *reterr);
struct listener *restore_listener_numbered(const struct master *m, uint64_t number);

int restore_proof(int fd, struct error *reterr); /* could we? @fd: the state, borrowed */

/* ---- master_hand_restore.c ------------------------------------------------------------- */

int restore_hands(struct master *m, struct error *reterr);
int restore_effects(struct master *m, struct error *reterr); /* into master.todo */

/* ---- master_keep.c ----------------------------------------------------------------------- */

/* Hand over to the keeper what belongs to it, under its names; and take it back there. */
void keep_listener(struct master *m, struct listener *l);
void keep_pin(struct master *m, uint64_t id, int fd);
void keep_hand(struct master *m, const struct hand *h);
void keep_drop(struct master *m, const char *kind, uint64_t id);
void keep_drop_hand(struct master *m, const struct hand *h);
int keep_open(struct master *m, struct error *reterr); /* find the keeper, if there is one */
void keep_begin(struct master *m);
void keep_finish(struct master *m);

/* ---- master_upgrade.c ------------------------------------------------------------------------ */

int upgrade_begin(struct master *m, const char *path, struct error *reterr);
void upgrade_answered(struct master *m, int error); /* by the keeper */
void upgrade_finish(struct master *m);

/* ---- master_leaf.c --------------------------------------------------------------------------- */

int leaves_begin(struct master *m, struct error *reterr); /* before anything is spawned */
void leaves_adopted(struct master *m); /* after a takeover: what is in use is open again */
void leaves_finish(struct master *m);  /* stint ends */
/* The cgroup of a generation, made when it is new; NULL: there is none. */
struct cgroup_leaf *leaf_of(const struct hand *h);
void leaf_kill(struct master *m, const struct hand *h);
void leaf_retire(struct snapshot *snap); /* its generation is gone */

/* ---- master_graves.c -------------------------------------------------------------------------- */

bool graves_knows(void *env, pid_t pid); /* is it ours? @env: the master */

/* ---- master_retained.c ------------------------------------------------------------------------ */

struct orphan;
/* A child of ours that belongs to a worker which lives, or was there before us. @env: the master */
bool retained_is_anothers(void *env, pid_t pid);
void retained_orphan(void *env, struct orphan *o); /* @env: the master; for orphans_find() */
/* Whoever is in @snap's cgroup and is no worker is about to be killed with it: by name. */
void retained_in_leaf(struct master *m, const struct snapshot *snap, const char *why);

/* ---- master_takeover.c ----------------------------------------------------------------------- */

bool takeover_wanted(const struct master *m); /* there is a state to go on with */
/* -ENODATA: the one before had not begun. */
int takeover_restore(struct master *m, struct error *reterr);
void takeover_begin(struct master *m); /* the loop is about to run: say so, and go on */
/* There is none, or it is not to be trusted: begin anew, with the sockets that are open. */
int takeover_anew(struct master *m, struct error *reterr);
/* What is half restored is not worth taking apart: the next master begins anew, without the state. */
_Noreturn void takeover_make_way(struct master *m); /* to the master of another program */
_Noreturn void takeover_give_up(struct master *m, const struct error *why);
struct keeper_welcome;
/* How the master before ended, in words. Return: @buf. */
const char *takeover_ending(const struct keeper_welcome *w, char *buf, size_t room);
void takeover_leave(struct master *m); /* stint ends: nothing is kept for another master */
void relics_finish(struct master *m);

/* ---- master_hand_events.c ------------------------------------------------------------------------------ */

void hand_asked(struct master *m, uint64_t worker); /* it is ready: an end to the questions */

/* ---- master_pin.c ------------------------------------------------------------------------------------ */

/* pin_take - @fd of @snap's executable, taken over in any case; the id is known. Return: 0 or -ENOMEM. */
int pin_take(struct snapshot *snap, int fd);
/* snapshot_untouched - behind the door: is what @w would be started from still what was looked at? 0 or -ESTALE. */
int snapshot_untouched(const struct snapshot *snap, const struct worker *w, struct error *reterr);
int pin_restore(struct snapshot *snap, uint64_t id); /* -ENOENT: it was not kept */
uint64_t pin_id(const struct snapshot *snap);        /* 0: it has none */
void pin_drop(struct snapshot *snap);

#endif
