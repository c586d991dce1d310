/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_EDGE_H
#define STINT_IO_EDGE_H

/*
 * Places where tests end or stop somebody: between any two of peek, step, write down, act, consume, on
 * the way from clone to exec, and at each row of the life tables. In a build without STINT_EDGES there
 * is nothing here. With it the environment of the master says what happens, and each of it once:
 *
 *   STINT_EDGE=NAME:ACTION…  kill, stop: this master; kill-new, kill-old: a worker of the newest, of
 *                            the oldest generation of the service in STINT_EDGE_SERVICE; wrong: see
 *                            edge_wrong(). Several, separated by blanks
 *   STINT_EDGE_ONCE=PATH     it happens to whoever can unlink PATH.0, for the second PATH.1 …
 *   STINT_EDGE_TRACE=FILE    the name of every place that is reached is appended to it
 *   STINT_EDGE_HOLD=PATH     a helper at EDGE_HOLD(NAME) puts a byte into the named pipe PATH.NAME.told and
 *                            waits until there is one in PATH.NAME, which it leaves there; without
 *                            such pipes it goes on
 *
 * NAME: one of edge_names.def; "before:spawn", "after:signal" … around an effect; "stepped:",
 * "written:", "told:" and a name of move_edge() for a row of a table. `kill-matrix --list` has all.
 */
#include <stdbool.h>

struct effect;
struct master;

#ifdef STINT_EDGES
void edge_begin(struct master *m); /* whom the following are about, until the process ends */
void edge_reached(const char *name);
void edge_effect(const char *when, const struct effect *e);
void edge_moves(const char *when);
bool edge_wrong(const char *name); /* shall this be taken for wrong? */
void edge_hold(const char *name);  /* in a child: the master never waits */
#define EDGE_BEGIN(m)           edge_begin(m)
#define EDGE(name)              edge_reached(name)
#define EDGE_EFFECT(when, what) edge_effect(when, what)
#define EDGE_MOVES(when)        edge_moves(when)
#define EDGE_WRONG(name)        edge_wrong(name)
#define EDGE_HOLD(name)         edge_hold(name)
#else
#define EDGE_BEGIN(m)           ((void)(m))
#define EDGE(name)              ((void)0)
#define EDGE_EFFECT(when, what) ((void)(what))
#define EDGE_MOVES(when)        ((void)0)
#define EDGE_WRONG(name)        false
#define EDGE_HOLD(name)         ((void)0)
#endif

#endif
