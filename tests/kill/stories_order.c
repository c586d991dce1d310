/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <unistd.h>

#include "stories.h"

/* What is done once: "migrate", which "web" waits for, runs as often as it was asked to, and no more. */

static void
migrate(const char *verb, const char *option, int status)
{
    char *out = NULL;
    int r = scn_cli(&out, verb, "migrate", option, NULL);

    (void)fprintf(stderr, "%s migrate: %d %s", verb, r, out);
    free(out);
    ck_assert_int_eq(r, status);
}

void
play_oneshot(void)
{
    int gate = scn_fifo("gate"), told = scn_fifo("told");
    char byte;

    scn_config("  web:\n    command: [./actor, count=count, ready]\n    directory: %s\n"
               "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n"
               "    depends_on: {migrate: completed}\n"
               "  migrate:\n    type: oneshot\n    directory: %s\n"
               "    command: [./actor, count=count, tell=told, pass=gate, \"exit=0\"]\n",
               scn_dir(), scn_dir(), scn_dir());
    cell_arm();
    cell_start();
    scn_fifo_read(told, 15000);
    scn_fifo_write(gate, 1);
    migrate("wait", NULL, 0);
    (void)ask("wait", NULL, NULL);
    cell_load();
    migrate("reload", "--wait=none", 0);
    migrate("wait", NULL, 0);
    scn_fifo_write(gate, 1);
    migrate("reload", "--force", 0); /* the second run */
    scn_fifo_read(told, 15000);
    migrate("stop", "--wait=gone", 0);
    migrate("start", "--wait=none", 0);
    scn_fifo_read(told, 15000);
    migrate("stop", "--wait=gone", 0); /* in the middle of the third */
    ck_assert_int_eq(read(told, &byte, 1), -1);
}
