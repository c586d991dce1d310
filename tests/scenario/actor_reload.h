/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_ACTOR_RELOAD_H
#define STINT_TESTS_SCENARIO_ACTOR_RELOAD_H

/*
 * What the actor does on SIGHUP, unless it dies of it: the first word of the file that `reload=FILE`
 * named, read at that moment.
 *
 *   notify   RELOADING=1, all anew, READY=1
 *   gate     RELOADING=1, all anew; READY=1 when a byte comes through the pipe `gate`
 *   stuck    RELOADING=1 and no more
 *   ready    READY=1, which says nothing about a reload
 *   pid      all anew, the pid file too
 *   silent   all anew
 *   exit     leave with status 3
 */
void actor_reload_by(const char *path);
void actor_reload(void);

/* actor.c: read again what is read from files; write the pid file again. */
void actor_read_again(void);
void actor_write_pid_again(void);

#endif
