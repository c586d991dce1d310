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

/* Big inputs are looked at for a while. */
void
big_input(void)
{
    int fd = open(scn_path("big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_eq(ftruncate(fd, (off_t)500 << 20), 0);
    (void)close(fd);
}

void
play_looking(void)
{
    big_input();
    scn_file("input", "first");
    web("ready", "    watch: {paths: [input, big], settle: 50ms}\n");
    serve();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    scn_file("input", "second");
    (void)ask("reload", "--wait=none", NULL);
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

static void
crowd(const char *more)
{
    scn_file("input", "first");
    scn_config(
        "  web:\n    command: [./actor, count=count, deaf, ready]\n    directory: %s\n"
        "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 700ms\n"
        "    leak_grace: 100ms\n    max_draining: 1\n" WATCHED "%s",
        scn_dir(), scn_dir(), more);
}

void
play_queued(void)
{
    crowd("");
    serve();
    cell_arm();
    (void)ask("reload", "--force", NULL); /* its old generation drains for a while */
    (void)ask("reload", "--force", "--wait=none");
    disturb();
    (void)scn_await_any("event=verdict service=web reload=3", 15000);
    settle();
}

void
play_queued_checked(void)
{
    crowd("    check: [./actor, \"exit=0\"]\n");
    serve();
    cell_arm();
    (void)ask("reload", "--force", NULL);
    (void)ask("reload", "--force", "--wait=none");
    (void)ask("status", NULL, NULL); /* it is queued, unless this machine is very slow */
    cell_load_end();
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", NULL, NULL);
}

/* It is to be done in another way than it was asked for. */
void
play_queued_replace(void)
{
    crowd("");
    serve();
    cell_arm();
    (void)ask("reload", "--force", NULL);
    crowd("    handoff: replace\n");
    (void)scn_await_any("event=config_accepted ~its+file+changed", 10000);
    (void)ask("reload", "--force", NULL);
    settle();
}

void
play_relieving(void)
{
    crowd("    handoff: replace\n    check: [./actor, \"exit=0\"]\n");
    serve();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=generation_draining service=web gen=1", 10000);
    disturb();
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

void
play_relieving_stopped(void)
{
    crowd("    handoff: replace\n");
    serve();
    cell_load_end();
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=generation_draining service=web gen=1", 10000);
    (void)ask("stop", "--wait=gone", NULL);
    (void)ask("start", NULL, NULL);
}

/* The candidate fails slowly, so that giving up takes a while, too. */
void
play_restoring(void)
{
    scn_file("input", "first");
    scn_config("  web:\n    command: [./actor, count=count, \"hang-if=broken\", ready]\n"
               "    directory: %s\n    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n"
               "    start_timeout: 300ms\n    drain_timeout: 300ms\n    leak_grace: 200ms\n"
               "    handoff: replace\n    respawn: {limit: {count: 1}}\n" WATCHED,
               scn_dir(), scn_dir());
    serve();
    scn_file("broken", "%s", "");
    cell_arm();
    (void)ask("reload", "--force", "--wait=none");
    (void)scn_await_any("event=generation_aborted service=web gen=2", 10000);
    ck_assert_int_eq(unlink(scn_path("broken")), 0);
    disturb();
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}

void
play_settling(void)
{
    scn_file("input", "first");
    web("ready", "    watch: {paths: [input], settle: 1s}\n");
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

/* It goes on changing by another name, in a folder that nobody watches. */
void
play_unsettled(void)
{
    auto_free char *other = NULL;
    pid_t child;

    scn_file("input", "first");
    web("ready", WATCHED);
    serve();
    ck_assert_int_eq(mkdir(scn_path("elsewhere"), 0700), 0);
    other = strdup(scn_path("elsewhere/other"));
    cell_arm();
    scn_file("input", "second");
    ck_assert_int_eq(link(scn_path("input"), other), 0);
    child = fork();
    for (unsigned i = 0; child == 0 && i < 60; i++) {
        (void)chmod(other, 0600 + i % 8);
        (void)poll(NULL, 0, 5);
    }
    if (child == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    (void)scn_await_any("event=verdict service=web reload=2", 15000);
    settle();
}
