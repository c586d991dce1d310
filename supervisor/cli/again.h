/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CLI_AGAIN_H
#define STINT_CLI_AGAIN_H

/*
 * A master may be replaced while it is asked: the connection breaks, and the next one answers the
 * same question. This decides whether to ask again, and waits a little before it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/cli/cli_internal.h"

struct again {
    const char *socket;  /* borrowed: where they are asked */
    int64_t deadline_us; /* of the whole exchange; TIME_NEVER: none */
    bool connected;      /* somebody was there once: a refusal is not the last word */
    bool said;           /* that it is being replaced */
    int64_t broken_us;   /* since when nothing goes; 0: it did not break */
    int64_t refused_us;  /* … and nobody is there; 0: somebody was */
    int64_t pause_us;
    unsigned cuts; /* connections that broke without a new line of an answer */
    uint64_t seen; /* cli.seen when the last one broke */
};

/**
 * again_may - after @r of http_exchange(): true when the same may be asked once more, now.
 *
 * Waits before it returns true: 20 ms and then longer, up to 500 ms.
 */
bool again_may(struct again *a, struct cli *cli, const struct ask *ask, int r);

#endif
