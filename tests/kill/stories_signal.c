/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stories.h"

/* A program that reloads itself: what it does then is in the file "how", see actor_reload.h. */

#define SIGNAL                                                                                    \
    "    handoff: signal\n    reload_timeout: 10s\n    reload_assume_after: 500ms\n    respawn: " \
    "{backoff: {first: 10ms}}\n" WATCHED

static void
serve_by_signal(const char *more)
{
    scn_file("input", "first");
    scn_file("how", "notify");
    web("\"reload=how\", ready", more);
    serve();
}

/* The first is at it while others come; a signal that is sent twice is answered twice. */
void
play_signalled(void)
{
    int gate = scn_fifo("gate");

    serve_by_signal(SIGNAL);
    scn_file("how", "gate");
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=worker_signalled service=web", 10000);
    disturb();
    scn_file("how", "notify");
    scn_fifo_write(gate, 4);
    (void)scn_await_any("event=verdict service=web reload=2", 20000);
    (void)ask("wait", NULL, NULL);
    (void)ask("wait", "--for", "gone");
}

/* Checked first, and then nobody says anything. */
void
play_signal_assumed(void)
{
    serve_by_signal("    check: [./actor, \"exit=0\"]\n" SIGNAL);
    scn_file("how", "silent");
    cell_arm();
    reload();
}

void
play_signal_rejected(void)
{
    serve_by_signal(SIGNAL);
    scn_file("how", "exit");
    cell_arm();
    reload();
}

/* Somebody is at it when the service is stopped. */
void
play_signal_stopped(void)
{
    serve_by_signal(SIGNAL);
    scn_file("how", "stuck");
    cell_load_end();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=worker_signalled service=web", 10000);
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", NULL, NULL);
}
