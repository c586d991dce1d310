/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_EDGE_H
#define STINT_IO_EDGE_H

/*
 * Places where tests end or stop somebody: between any two of peek, step, write down, act, consume, on
 * the way from clone to exec, and at each row of the life tables. In a build without STINT_EDGES there
 * is nothing here. With it the environment of the master says what happens, and once:
 *
 *   STINT_EDGE=NAME:ACTION   kill, stop: this master; kill-new, kill-old: a worker of the newest, of
 *                            the oldest generation of the service in STINT_EDGE_SERVICE
 *   STINT_EDGE_ONCE=FILE     it happens to whoever can unlink this file
 *
 * NAME: "spawn-cloned" …; "before:spawn", "after:signal" … around an effect; "written:" and a name of
 * move_edge() for a row of a table. `stint-edges` (tests/kill) lists them all.
 */
struct effect;
struct master;

#ifdef STINT_EDGES
void edge_reached(struct master *m, const char *name);
void edge_effect(struct master *m, const char *when, const struct effect *e);
void edge_moves(struct master *m, const char *when);
#define EDGE(m, name)              edge_reached(m, name)
#define EDGE_EFFECT(m, when, what) edge_effect(m, when, what)
#else
static inline void
edge_moves(const struct master *m, const char *when)
{
    (void)m;
    (void)when;
}
#define EDGE(m, name)              ((void)(m))
#define EDGE_EFFECT(m, when, what) ((void)(m))
#endif

#endif
