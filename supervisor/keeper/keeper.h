/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_KEEPER_H
#define STINT_KEEPER_KEEPER_H

/*
 * The process that `stint run` is: its pid never changes. It starts the master (this program once
 * more), starts another when one died or fell silent, and keeps for them what has to survive:
 * descriptors by name, and who died meanwhile. It reads no configuration and allocates nothing.
 */
#include <stdbool.h>
#include <stdint.h>

#define KEEPER_PATIENCE_US INT64_C(10000000)

struct keeper_options {
    int64_t patience_us; /* a master that says nothing for so long is killed; 0: never */
};

/**
 * keeper_run - until a master has left for good; one keeper per process, one thread.
 * @argv: of main(), NULL-terminated; the masters get it with KEEPER_TITLE in place of argv[0]
 *
 * Nothing but the standard three may be open, except for what systemd passed. Logs to standard
 * error. An upgrade executes the new program with the same @argv, which has to come here again.
 *
 * Return: what stint exits with.
 */
int keeper_run(int argc, char **argv, const struct keeper_options *options);

/* keeper_started_us - were we started by a keeper, as its master? Then KEEPER_FD is our end. */
bool keeper_started_us(int argc, char **argv);

/*
 * keeper_answer_trial - a keeper that is to be upgraded asks this program first. To be called before
 * the command line is looked at. Return: exit status, -1: nobody asks.
 */
int keeper_answer_trial(int argc, char **argv);

#endif
