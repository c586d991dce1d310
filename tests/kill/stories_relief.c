/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stories.h"

/* A worker becomes too old, and another of its generation has its slot: again and again. */

void
play_relief(void)
{
    web("ready", "    restart_after: {age: 1s, jitter: 0}\n");
    serve();
    cell_arm();
    for (int i = 0; i < 2; i++) {
        (void)scn_await("event=relief", 15000);
        (void)scn_await("event=worker_exit", 15000);
    }
}
