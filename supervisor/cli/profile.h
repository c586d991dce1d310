/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CLI_PROFILE_H
#define STINT_CLI_PROFILE_H

/* The inside of `stint profile`: verb_profile.c (what is asked for), profile_fetch.c (from the master),
 * profile_serve.c and profile_http.c (--http). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/cli/cli_internal.h"

struct error;

#define FETCH_SECONDS_MAX 600

struct fetch {
    const char *whom; /* SERVICE[/GEN[.SLOT]] */
    const char *kind; /* "cpu" */
    uint64_t seconds; /* 0: as long as is usual */
    bool previous;    /* of the generation before that one */
    bool kept;        /* of one that leaves: as it was when it did not yet, if that is kept */
    bool quiet;       /* no progress */
    bool (*stop)(void *env); /* NULL, or asked with each piece: nobody wants it any more */
    void *env;
};

/**
 * fetch_profile - ask for one, telling on stderr how far it is.
 * @ret_fd: owned by the caller; gzipped, at its beginning; untouched unless CLI_OK
 *
 * Return: the exit code; what went wrong was said on @cli->err.
 */
int fetch_profile(struct cli *cli, const struct fetch *what, int *ret_fd);

/* serve_profiles - be an HTTP server at @where until interrupted. Return: the exit code. */
int serve_profiles(struct cli *cli, const char *whom, const char *where);

#endif
