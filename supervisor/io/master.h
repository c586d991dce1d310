/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_H
#define STINT_IO_MASTER_H

#include <stdbool.h>

struct error;

struct master_options {
    const char *config_path; /* borrowed; the main configuration file */
    bool exit_when_failed;   /* stop everything once core_spent() says so, and exit with that */
};

/**
 * master_run - be the master until everything has stopped.
 *
 * Return: the exit status of the process. Not 0: @reterr holds the sentence for people (its text
 * may be empty when everything was said in the log already).
 */
int master_run(const struct master_options *options, struct error *reterr);

/*
 * master_prove - can this program go on from the state at @state_path? Says so, or why not, on
 * standard output. Return: an exit status.
 */
int master_prove(const char *state_path);

#endif
