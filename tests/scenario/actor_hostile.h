/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_ACTOR_HOSTILE_H
#define STINT_TESTS_SCENARIO_ACTOR_HOSTILE_H

/*
 * What a service had better not do.
 *
 *   flood=MIB        so much output without a newline, every byte value in it
 *   lines=N          N lines
 *   mute             close standard output and error
 *   notify-spam=N    N messages that say much and mean little
 *   late-ready       READY=1 again when asked to leave
 *   brood=N          N children that ignore SIGTERM and would live for a minute
 *   tell=FIFO        a byte into it: got this far
 *   await=FIFO       go on after a byte from it; asked to leave: exit 0
 *   slot-never=N     as slot N: wait for ever, without saying ready
 *   linger=FIFO      asked to leave: stay while there is no byte in it
 *   registry=HOW     bad-magic, huge-slots, odd, noise: in $STINT_REGISTRY; spans: many times over, any bytes, in
 *                    the ring behind it
 *   channel=HOW      noise, length, sequence, fds, deluge, silent: on $STINT_CHANNEL
 *   headless=FIFO    a byte into it, then the first thread ends and another waits for ever
 *   hop=FILE         become a child of itself again and again until the file is there; deaf to SIGTERM
 *   odd-name         be called something that breaks /proc/PID/stat and lines of a log, if it can
 *   undumpable       who is not root may not look at it, and under hidepid not even see it
 *   send=WHAT        listener, channel, stdout: the descriptor goes to who listens at "stranger.sock"
 */
void actor_hostile(const char *what, const char *value);
void actor_asked_to_leave(void);

/* actor.c */
void actor_notify(const char *text);

#endif
