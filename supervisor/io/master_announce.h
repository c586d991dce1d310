/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_ANNOUNCE_H
#define STINT_IO_MASTER_ANNOUNCE_H

/* What the service manager is told, between master*.c alone, like master_state.h. */
struct master;

/* All of these do nothing without one. Before anything is begun. */
void announcer_begin(struct master *m);
void announcer_reload(struct master *m, const char *cause); /* of everything, is about to begin */
void announcer_changed(struct master *m); /* something that is not an event of the core */
void announcer_end(struct master *m, const char *failure); /* NULL: there was none */

#endif
