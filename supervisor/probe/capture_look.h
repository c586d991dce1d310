/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_CAPTURE_LOOK_H
#define STINT_PROBE_CAPTURE_LOOK_H

/* One thread at one moment: what capture_look.c reads for the two samples. */
#include <stdbool.h>
#include <sys/types.h>

struct capture;
struct look;
struct proc_stat;
struct thread_facts;

/* look_stat - its state, name and age. Return: false: it is gone. */
bool look_stat(const struct capture *c, pid_t tid, struct proc_stat *ret);

/* look_time - how often it was on a CPU, and how long; opens the file where it is not open yet. */
void look_time(const struct capture *c, struct look *l);

/* look_again - in which call it is, and look_time() behind that. *@before: NULL afterwards when that was another thread. */
void look_again(struct capture *c, struct look *l, struct look **before);

/* look_waited - has it been in that one call all the time? */
bool look_waited(const struct look *a, const struct look *b);

/* look_for_rest - one that works at times is waited for, for a moment. */
void look_for_rest(struct capture *c, struct look *l, const struct look *before);

/* look_tracer - who traces it. */
void look_tracer(const struct capture *c, struct thread_facts *t);

void look_close(struct look *l);

#endif
