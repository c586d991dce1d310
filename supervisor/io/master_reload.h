/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_RELOAD_H
#define STINT_IO_MASTER_RELOAD_H

/* handoff: signal: between master*.c alone, like master_state.h. */
#include "supervisor/io/master_state.h"

/* ---- master_hand_reload.c --------------------------------------------------------------------- */

void hand_reload(struct master *m, const struct effect *e); /* its reload_signal */
/* ready: {file}: tell when it is rewritten. @told: the signal may be out already */
void hand_watch_rewrite(struct hand *h, const struct worker *w, bool told);
/* As far as it is known: does somebody of it run libraries that were replaced on disk? */
bool hands_outdated(const struct master *m, uint32_t service);
/* RECORD_HANDED: its workers are of another generation from now on. */
void hands_renumber(struct master *m, const struct record *r);

/* ---- master_program.c ------------------------------------------------------------------------------- */

/* What a reload by signal does not change; none: not known. Its exe_fd is still in @answer. */
struct look_answer;
struct digest snapshot_program(const struct snapshot *snap, const struct look_answer *answer);
struct digest snapshot_setting(const struct snapshot *snap);

#endif
