/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_KILL_STORIES_H
#define STINT_TESTS_KILL_STORIES_H

/* What the files stories*.c share. */
#include "cell.h"

/* The configuration: an actor with @arguments; @more: further lines of the service. */
void web(const char *arguments, const char *more);
void serve(void); /* start; returns when it serves and is asked */
/* The same with all the time that a start takes here; those after it get @start_timeout. */
void serve_within(void (*configure)(const char *start_timeout), const char *start_timeout);
/* `stint VERB web OPTION MORE`; NULL: none. Return: 0, or 1: the answer is no; nothing else is allowed. */
int ask(const char *verb, const char *option, const char *more);
void reload(void); /* to a new generation, until the old one is gone */

/* Whoever is of generation @generation, or one of them, is killed. */
void kill_generation(const char *generation);
void kill_one(const char *generation);

/* A named pipe at which they wait while it is empty. */
void open_gate(int fifo);
void shut_gate(int fifo);
void disturb(void);   /* a hint and a request, which have been heard when it returns */
void big_input(void); /* a file "big", which a helper looks at */
/* From here on such helpers say a byte, and wait while the gate is shut, which it is. */
struct held {
    int told, gate;
};
struct held hold_looks(void);
#define WATCHED "    watch: {paths: [input], settle: 50ms}\n" /* a file "input" */

/* stories_wait.c, stories_depend.c */
void play_checking(void);
void play_handing(void);
void play_looking(void);
void play_queued(void);
void play_queued_checked(void);
void play_relieving(void);
void play_relieving_stopped(void);
void play_restoring(void);
void play_settling(void);
void play_unsettled(void);
void play_depends(void);
void play_queued_replace(void);
void play_lost_looking(void);
void play_lost_checking(void);
void play_lost_relieving(void);
void play_lost_settling(void);

/* stories_relief.c */
void play_relief(void);

/* stories_leak.c */
void play_leak_look(void);

/* stories_gate.c */
void play_survey(void);
void play_door(void);
void play_preflight(void);
void play_profile(void);

/* stories_export.c */
void play_exported(void);

/* stories_order.c */
void play_oneshot(void);
void play_hooks(void);
void play_hooks_stopped(void);

/* stories_signal.c */
void play_signalled(void);
void play_signal_assumed(void);
void play_signal_rejected(void);
void play_signal_stopped(void);

#endif
