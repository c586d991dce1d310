/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_ARENA_H
#define STINT_BENCH_ARENA_H

#include "bench/rival.h"

/**
 * arena_init - our programs beside this one in the build directory, a fresh directory below $TMPDIR,
 * and $PATH such that the peers are found that are installed.
 *
 * Return: 0 or negative errno with the sentence in @reterr.
 */
int arena_init(struct arena *a, struct error *reterr);

/* arena_user - run all servers and the load as @name. Return: 0 or negative errno. */
int arena_user(struct arena *a, const char *name, struct error *reterr);

/* arena_finish - remove the directory. */
void arena_finish(struct arena *a);

#endif
