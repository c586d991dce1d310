/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_RIVAL_C_H
#define STINT_BENCH_RIVAL_C_H

#include "bench/rival.h"

#define WEB_SERVES "the example worker, in C"

/* How long a worker that was told to leave goes on answering connections that are quiet. */
#define WEB_LAME_DUCK_MS 250U
#define WEB_AT_ONCE_MS   0U /* where nobody answers until it has left: the shorter, the better */

/* web_config - web.conf of the example worker. Return: 0 or negative errno. */
int web_config(const struct bout *b, unsigned quiet_ms, struct error *reterr);

/* Where the example worker has its listener from. */
enum web_listener {
    WEB_BINDS,    /* every process binds for itself, by stint-listen */
    WEB_ON_0,     /* it was inherited as descriptor 0 */
    WEB_ON_3,     /* as descriptor 3, and nobody has said so in the environment */
    WEB_ON_3_SAID /* as descriptor 3, with $LISTEN_FDS and the others */
};

/*
 * web_run - the script @name, which becomes the example worker of the generation that is configured
 * when it begins: a run file, for masters that start programs by one. Return: 0 or negative errno.
 */
int web_run(const struct bout *b, const char *name, enum web_listener listener,
            struct error *reterr);

#endif
