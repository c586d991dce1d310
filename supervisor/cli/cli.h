/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CLI_CLI_H
#define STINT_CLI_CLI_H

/*
 * `stint VERB`: one table of verbs (verbs.c), one table of exit codes (below), text for people and
 * --json for programs. This room talks to the master over HTTP only; it sees neither core nor io.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* What the exit status means; the same table is in `stint help exit-codes` and in stint(1). */
enum cli_exit {
    CLI_OK = 0,             /* done, and the answer is good */
    CLI_NO = 1,             /* done, but the answer is no: rejected, failed, cancelled */
    CLI_LEAKED = 3,         /* threads, leaks with --fail-on-leak: there is one */
    CLI_USAGE = 64,         /* the command line is wrong */
    CLI_DATA = 65,          /* the master's answer was not understood */
    CLI_NOT_FOUND = 67,     /* no service of that name */
    CLI_UNREACHABLE = 69,   /* no master at the control socket */
    CLI_INTERNAL = 70,      /* out of memory, or a fault of ours */
    CLI_CANNOT_RUN = 71,    /* run: one runs there already, or the system refused something */
    CLI_TIMED_OUT = 75,     /* no answer in time; what was asked for may still happen */
    CLI_NOT_PERMITTED = 77, /* the socket or the master refuses this user */
    CLI_CONFIG = 78,        /* the configuration has findings */
    CLI_INTERRUPTED = 130   /* preflight: Ctrl-C; nothing is left of it */
};

struct candidate;
struct digest;
struct service_spec;
struct spec;
struct strv;

/* What `stint run` was told. */
struct cli_run {
    const char *config_path; /* borrowed */
    int64_t watchdog_us;     /* 0: none; -1: not given */
    bool exit_when_failed;
};

/* What only the program can do, because it sees the io room. */
struct cli_hooks {
    /* Return: exit status; sentence when not 0 */
    int (*run)(const struct cli_run *told, struct error *reterr);
    /* What is not wrong with a configuration, but will be missed here: sentences. NULL: nobody knows. */
    int (*warn)(const struct spec *spec, struct strv *ret);
    /* What would be started, held: as in struct preflight_hooks. NULL: nobody can tell. */
    int (*candidate_hold)(const struct service_spec *spec, const char *binary,
                          struct candidate **ret, struct digest *ret_digest, char **ret_path,
                          struct error *reterr);
    int (*candidate_again)(struct candidate *c, struct digest *ret, struct error *reterr);
    void (*candidate_release)(struct candidate *c);
};

/* cli_main - the whole of main(): returns the exit status. */
int cli_main(int argc, char **argv, const struct cli_hooks *hooks);

#endif
