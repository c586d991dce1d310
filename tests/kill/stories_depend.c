/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <unistd.h>

#include "stories.h"

/* "web" depends on "db", which is not there yet, or any more. */

static void
depend(const char *more, const char *db)
{
    scn_file("input", "first");
    scn_config("  web:\n    command: [./actor, count=count, ready]\n    directory: %s\n"
               "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n    depends_on: [db]\n"
               "%s"
               "  db:\n    command: [./actor, count=count, %s]\n    directory: %s\n",
               scn_dir(), scn_dir(), more, db, scn_dir());
}

static void
db(const char *verb)
{
    char *out = NULL;
    int r = scn_cli(&out, verb, "db", NULL);

    (void)fprintf(stderr, "%s db: %d %s", verb, r, out);
    free(out);
    ck_assert_int_eq(r, 0);
}

void
play_depends(void)
{
    int gate = scn_fifo("gate");

    depend(WATCHED, "pass=gate, ready");
    cell_arm();
    cell_start();
    (void)scn_await_any("event=worker_spawn service=db", 15000);
    disturb();
    disturb();
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", "--wait=none", NULL);
    disturb();
    open_gate(gate);
    (void)ask("wait", NULL, NULL);
    cell_load();
}

/* Nothing of it runs, it begins to be looked at, and then what it depends on goes. */
void
play_lost_looking(void)
{
    struct held look;

    big_input();
    depend("    watch: {paths: [big], settle: 50ms}\n", "ready");
    serve();
    cell_load_end();
    (void)ask("stop", "--wait=gone", NULL);
    look = hold_looks();
    cell_arm();
    (void)ask("start", "--wait=none", NULL);
    scn_fifo_read(look.told, 10000);
    db("stop");
    open_gate(look.gate);
    (void)scn_await_any("event=reload_queued service=web", 10000);
    db("start");
    (void)ask("wait", NULL, NULL);
    cell_load();
}

void
play_lost_checking(void)
{
    int check = scn_fifo("check"), told = scn_fifo("told");

    open_gate(check);
    depend("    check: [./actor, tell=told, pass=check, \"exit=0\"]\n" WATCHED, "ready");
    serve();
    cell_load_end();
    shut_gate(told);
    shut_gate(check);
    (void)ask("stop", "--wait=gone", NULL);
    cell_arm();
    (void)ask("start", "--wait=none", NULL);
    scn_fifo_read(told, 10000);
    db("stop");
    open_gate(check);
    disturb(); /* it waits, and has looked before, so its inputs are watched */
    disturb();
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", "--wait=none", NULL);
    scn_file("input", "a hint alone, which settles");
    for (int i = 0; i < 8; i++)
        (void)ask("status", NULL, NULL);
    db("start");
    (void)ask("wait", NULL, NULL);
    cell_load();
}

/* Nothing of it runs, since it failed; what it depends on goes, and then something new comes. */
void
play_lost_settling(void)
{
    scn_file("broken", "%s", "");
    depend("    check: [./actor, fail-if=broken, \"exit=0\"]\n" WATCHED, "ready");
    cell_start();
    (void)scn_await("event=verdict service=web outcome=rejected", 15000);
    db("stop");
    ck_assert_int_eq(unlink(scn_path("broken")), 0);
    cell_arm();
    scn_file("input", "second");
    (void)scn_await("event=reload_queued service=web", 15000);
    db("start");
    (void)ask("wait", NULL, NULL);
    cell_load();
}

void
play_lost_relieving(void)
{
    int gate = scn_fifo("gate");

    scn_config(
        "  web:\n    command: [./actor, count=count, linger=gate, ready]\n    directory: %s\n"
        "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n    depends_on: [db]\n"
        "    handoff: replace\n    drain_timeout: 60s\n    leak_grace: 100ms\n"
        "  db:\n    command: [./actor, count=count, ready]\n    directory: %s\n",
        scn_dir(), scn_dir(), scn_dir());
    serve();
    cell_load_end();
    cell_arm();
    (void)ask("stop", "--wait=none", NULL);
    (void)ask("start", "--wait=none", NULL); /* … which has to wait for those who leave */
    db("stop");
    open_gate(gate);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    (void)ask("status", NULL, NULL);
    db("start");
    (void)ask("wait", NULL, NULL);
    cell_load();
}
