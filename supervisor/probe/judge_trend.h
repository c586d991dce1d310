/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_JUDGE_TREND_H
#define STINT_PROBE_JUDGE_TREND_H

/* Parts of the book: between judge_history.c, judge_trend.c and judge_beats.c alone. */
#include "supervisor/probe/judge_history.h"

/* judge_trend.c: is there more and more of the kinds of this look? */
void history_trends(struct history *h, const struct sight *sight, history_tell tell, void *env);

/* judge_beats.c. Return: 0 or -ENOMEM. */
int history_beats(struct history *h, const struct sight *sight);
void history_beats_gone(struct history *h, pid_t pid);

#endif
