/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "stories.h"

/*
 * Runs that wait for something, and what comes meanwhile: a request and a hint (a changed input). Who
 * has to wait does so at a gate, a named pipe that lets everybody through while there is a byte in it.
 */

void
open_gate(int fifo)
{
    scn_fifo_write(fifo, 1);
}

void
shut_gate(int fifo)
{
    scn_fifo_read(fifo, 1000);
}

/* Both, and they have been heard when this returns: a question to the master is answered after them. */
void
disturb(void)
{
    static unsigned n;

    scn_file("input", "%u", n++);
    (void)ask("status", NULL, NULL);
    (void)ask("reload", "--wait=none", NULL);
    (void)ask("status", NULL, NULL);
}

static void
settle(void)
{
    (void)ask("wait", NULL, NULL);
    (void)ask("wait", "--for", "gone");
}

void
play_checking(void)
{
    int check = scn_fifo("check"), told = scn_fifo("told");

    open_gate(check);
    scn_file("input", "first");
    web("ready", "    check: [./actor, tell=told, pass=check, \"exit=0\"]\n" WATCHED);
    serve();
    shut_gate(check);
    shut_gate(told);
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    scn_fifo_read(told, 10000); /* a check began */
    disturb();
    open_gate(check);
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

void
play_handing(void)
{
    int gate = scn_fifo("gate");

    open_gate(gate);
    scn_file("input", "first");
    web("pass=gate, ready", WATCHED);
    serve();
    shut_gate(gate);
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=worker_spawn service=web gen=2", 10000);
    disturb();
    open_gate(gate);
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

/* More than a master reads by itself: a helper looks at it, and can be held. */
void
big_input(void)
{
    int fd = open(scn_path("big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_eq(ftruncate(fd, (off_t)16 << 20), 0);
    (void)close(fd);
}

struct held
hold_looks(void)
{
    struct held h = {.told = scn_fifo("hold.look.told")};

    h.gate = scn_fifo("hold.look"); /* the second: who finds it can tell */
    return h;
}

void
play_looking(void)
{
    struct held look;

    big_input();
    scn_file("input", "first");
    web("ready", "    watch: {paths: [input, big], settle: 50ms}\n");
    serve();
    look = hold_looks();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    scn_fifo_read(look.told, 10000);
    disturb();
    open_gate(look.gate);
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

/* Who is asked to leave does so when the gate is open. */
static void
crowd(const char *more)
{
    scn_file("input", "first");
    scn_config(
        "  web:\n    command: [./actor, count=count, linger=gate, ready]\n    directory: %s\n"
        "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 60s\n"
        "    leak_grace: 100ms\n    max_draining: 1\n" WATCHED "%s",
        scn_dir(), scn_dir(), more);
}

void
play_queued(void)
{
    int gate = scn_fifo("gate");

    crowd("");
    serve();
    cell_arm();
    (void)ask("reload", "--force", NULL); /* its old generation drains */
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=reload_queued service=web", 10000);
    disturb();
    open_gate(gate);
    (void)scn_await_any("event=verdict service=web reload=3", 15000);
    settle();
}

void
play_queued_checked(void)
{
    int gate = scn_fifo("gate");

    crowd("    check: [./actor, \"exit=0\"]\n");
    serve();
    cell_arm();
    (void)ask("reload", "--force", NULL);
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=reload_queued service=web", 10000);
    cell_load_end();
    (void)ask("stop", "--wait=none", NULL);
    open_gate(gate);
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", NULL, NULL);
}

/* It is to be done in another way than it was asked for. */
void
play_queued_replace(void)
{
    int gate = scn_fifo("gate");

    crowd("");
    serve();
    cell_arm();
    (void)ask("reload", "--force", NULL);
    crowd("    handoff: replace\n");
    (void)scn_await_any("event=service service=web ~changed+in+place:+handoff", 10000);
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=reload_queued service=web", 10000);
    open_gate(gate);
    (void)ask("reload", "--force", NULL);
    settle();
}

void
play_relieving(void)
{
    int gate = scn_fifo("gate");

    crowd("    handoff: replace\n    check: [./actor, \"exit=0\"]\n");
    serve();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=generation_draining service=web gen=1", 10000);
    disturb();
    open_gate(gate);
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

void
play_relieving_stopped(void)
{
    int gate = scn_fifo("gate");

    crowd("    handoff: replace\n");
    serve();
    cell_load_end();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=generation_draining service=web gen=1", 10000);
    (void)ask("stop", "--wait=none", NULL);
    open_gate(gate);
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", NULL, NULL);
}

static void
hanging(const char *start_timeout)
{
    scn_config("  web:\n    command: [./actor, count=count, \"hang-if=broken\", ready]\n"
               "    directory: %s\n    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n"
               "    start_timeout: %s\n    drain_timeout: 60s\n    leak_grace: 200ms\n"
               "    handoff: replace\n    respawn: {limit: {count: 1}}\n" WATCHED,
               scn_dir(), scn_dir(), start_timeout);
}

/* The candidate fails, and leaves when it is killed: until then it is being given up. */
void
play_restoring(void)
{
    scn_file("input", "first");
    serve_within(hanging, "300ms");
    scn_file("broken", "%s", "");
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=generation_aborted service=web gen=2", 10000);
    ck_assert_int_eq(unlink(scn_path("broken")), 0);
    disturb();
    kill_generation("2");
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

static void
link_to(const char *name, const char *other)
{
    auto_free char *to = strdup(scn_path("%s", other));

    ck_assert_int_eq(link(scn_path("%s", name), to), 0);
}

void
play_settling(void)
{
    scn_file("input", "first");
    web("ready", "    watch: {paths: [input], settle: 5s}\n");
    serve();
    cell_arm();
    scn_file("input", "second");
    (void)ask("status", NULL, NULL);
    scn_file("input", "third");
    (void)ask("status", NULL, NULL);
    (void)ask("reload", NULL, NULL);
    scn_file("input", "fourth");
    (void)ask("status", NULL, NULL);
    cell_load_end();
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", NULL, NULL);
}

/* While it is looked at, it changes by another name, in a folder that nobody watches. */
void
play_unsettled(void)
{
    struct held look;

    big_input();
    scn_file("input", "first");
    web("ready", "    watch: {paths: [input, big], settle: 50ms}\n");
    serve();
    look = hold_looks();
    ck_assert_int_eq(mkdir(scn_path("elsewhere"), 0700), 0);
    link_to("actor", "elsewhere/other");
    cell_arm();
    scn_file("input", "second");
    scn_fifo_read(look.told, 10000);
    ck_assert_int_eq(chmod(scn_path("elsewhere/other"), 0711), 0);
    open_gate(look.gate);
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}
