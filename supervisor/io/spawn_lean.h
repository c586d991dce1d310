/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SPAWN_LEAN_H
#define STINT_IO_SPAWN_LEAN_H

/*
 * A clone copies the tables of every page of ours, and each page that is written afterwards, by us or by
 * the child: with the books of thousands of workers that takes longer than all the rest of a start. A
 * child between clone and exec needs nothing of our heap but its plan. So the plan is copied beside the
 * heap, and the heap is left out. Private to spawn.c.
 */
#include <stdbool.h>

struct spawn_plan;

/*
 * spawn_lean_plan - the same plan in memory of its own, which is valid until the next call.
 *
 * Return: NULL: no memory, or nothing to be gained; the child gets @plan and all of the heap.
 */
struct spawn_plan *spawn_lean_plan(const struct spawn_plan *plan);

/* spawn_lean_heap - @leave it out of what is cloned from now on, or not. */
void spawn_lean_heap(bool leave);

#endif
