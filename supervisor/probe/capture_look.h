/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_LOOK_H
#define STINT_PROBE_CAPTURE_LOOK_H

/* One thread at one moment: what capture_look.c reads for the two samples. */
#include <stdbool.h>
#include <sys/types.h>

#include "supervisor/probe/proc.h"

struct capture;
struct look;
struct thread_facts;

/* look_ended - a thread that has not been collected, as the first one of a process may be. */
static inline bool
look_ended(const struct proc_stat *st)
{
    return st->state == 'Z' || st->state == 'X' || st->state == 'x';
}

/* look_stat - its state, name and age. Return: false: it is gone. */
bool look_stat(const struct capture *c, pid_t tid, struct proc_stat *ret);

/* look_time - how often it was on a CPU, and how long; opens the file where it is not open yet. */
void look_time(const struct capture *c, struct look *l);

/* look_first - all of that, and in which call it is, for the first sample. */
void look_first(struct capture *c, struct look *l);

/* look_stayed - is it still where it was at the first sample? Then @l is as @before. Return: false: look again. */
bool look_stayed(const struct capture *c, const struct look *before, struct look *l);

/* look_again - in which call it is, and look_time() behind that. *@before: NULL afterwards when that was another thread. */
void look_again(struct capture *c, struct look *l, struct look **before);

/*
 * look_waited - all the time between two looks? It was put on no CPU in between and used none, so it is
 * where it was: in the one call, with the same arguments, that was read between the two.
 */
bool look_waited(const struct look *a, const struct look *b);

/* look_waits_on - has it been put on no CPU since @l was read? Not known: it has not. */
bool look_waits_on(const struct capture *c, const struct look *l);

/* look_for_rest - one that works at times is waited for, for a moment. */
void look_for_rest(struct capture *c, struct look *l, const struct look *before);

/* look_tracer - who traces it. */
void look_tracer(const struct capture *c, struct thread_facts *t);

void look_close(struct look *l);

#endif
