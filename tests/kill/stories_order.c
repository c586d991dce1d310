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

/* Each at least once, and each told once, whoever ran it and whoever waited for it. */
void
play_hooks(void)
{
    static const char *const told[] = {
        "event=hook service=web gen=2 hook=before_start outcome=done",
        "event=hook service=web gen=1 hook=announce outcome=done",
        "event=hook service=web gen=1 hook=retired outcome=done",
    };

    web("ready", "    hooks:\n      before_start: [./actor, \"exit=0\"]\n"
                 "      announce: [./actor, \"exit=0\"]\n"
                 "      retired: [./actor, \"exit=0\"]\n");
    serve();
    cell_arm();
    reload();
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        (void)scn_await_any(told[i], 15000);
}

/* In the middle of one that would refuse or allow a start nobody wants it any more. */
void
play_hooks_stopped(void)
{
    int gate = scn_fifo("gate"), told = scn_fifo("told");

    web("ready", "    hooks: {before_start: [./actor, tell=told, pass=gate, \"exit=0\"]}\n");
    open_gate(gate);
    serve();
    scn_fifo_read(told, 15000);
    cell_load_end();
    (void)ask("stop", "--wait=gone", NULL);
    shut_gate(gate);
    cell_arm();
    (void)ask("start", "--wait=none", NULL);
    scn_fifo_read(told, 15000);
    (void)ask("stop", "--wait=gone", NULL);
    (void)scn_await_any("event=hook service=web gen=2 hook=before_start outcome=cancelled", 15000);
    open_gate(gate);
    (void)ask("start", NULL, NULL);
    cell_load();
}
