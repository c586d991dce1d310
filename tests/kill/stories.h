/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_KILL_STORIES_H
#define STINT_TESTS_KILL_STORIES_H

/* What the files stories*.c share. */
#include "cell.h"

/* The configuration: an actor with @arguments; @more: further lines of the service. */
void web(const char *arguments, const char *more);
void serve(void); /* start; returns when it serves and is asked */
/* `stint VERB web OPTION MORE`; NULL: none. Return: 0, or 1: the answer is no; nothing else is allowed. */
int ask(const char *verb, const char *option, const char *more);
void reload(void); /* to a new generation, until the old one is gone */

#endif
