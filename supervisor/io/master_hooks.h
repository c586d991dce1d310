/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_HOOKS_H
#define STINT_IO_MASTER_HOOKS_H

/* A service's hooks, run for one of its generations: between master*.c alone, like master_state.h. */
struct effect;
struct master;

void hook_run(struct master *m, const struct effect *e); /* answers HOOKED */
void hook_end(struct master *m, const struct effect *e);
void hooks_finish(struct master *m); /* whatever still runs is ended */

#endif
