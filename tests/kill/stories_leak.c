/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stories.h"

#include <signal.h>
#include <stdlib.h>

/* Threads of an old configuration leak in a worker that goes on, until they are let go. */

void
play_leak_look(void)
{
    char more[256];
    pid_t pid;

    scn_copy("leaker", getenv("LEAKER_BINARY"), "");
    scn_file("leaker.conf", "1\n");
    (void)snprintf(more, sizeof(more),
                   "  leaks:\n    command: [./leaker, leaker.conf]\n    directory: %s\n"
                   "    libstint: true\n    leak_look: 0\n",
                   scn_dir());
    web("ready", more);
    serve();
    (void)scn_await_any("event=verdict service=leaks outcome=serving", 10000);
    pid = (pid_t)scn_field(scn_await_any("event=worker_spawn service=leaks", 10000), "pid");
    cell_arm();
    ck_assert_int_eq(kill(pid, SIGHUP), 0);
    (void)scn_await_any("event=thread_leak service=leaks gen=1 stragglers=1", 15000);
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
    (void)scn_await_any("event=leak_recovered service=leaks gen=1", 30000);
}
