/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_ACTOR_COUNT_H
#define STINT_TESTS_SCENARIO_ACTOR_COUNT_H

#include <stdbool.h>

/* actor_count_begin - from now on lines are numbered; how many is in @folder/PID, a uint64_t. */
void actor_count_begin(const char *folder);
bool actor_counts(void); /* a line is open: nothing else may be printed */
/* actor_count_line - end the line that is open, count it, and begin the next. */
void actor_count_line(void);

#endif
