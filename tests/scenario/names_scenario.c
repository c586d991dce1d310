/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A name service that takes its time. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

static const struct scn_world world = {.slow_names = true};

#define QUICK "    drain_timeout: 2s\n    leak_grace: 500ms\n    watch: {settle: 50ms}\n"
#define SERVICE(name, listen, more)                                                      \
    "  " name ":\n    command: [./actor, ready]\n    directory: %s\n    listen: {main: " \
    "{address: \"unix:%s/" name ".sock\"" listen "}}\n" QUICK more
#define WEB   SERVICE("web", "", "    user: slowpoke\n")
#define OTHER SERVICE("other", "", "")
#define OWNED SERVICE("owned", ", owner: slowpoke", "")

static struct {
    int door, asked; /* fifos: of the name service */
    unsigned fds;
} at;

/* The master runs, and from now on its name service waits for us. */
static void
begin(const char *services)
{
    scn_config("%s", services);
    ck_assert(scn_launch(&world));
    (void)scn_await("event=started", 10000);
    (void)scn_await_any("event=verdict service=other outcome=serving gen=1", 10000);
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 10000);
    at.fds = scn_baseline();
    at.asked = scn_fifo("gate-asked");
    at.door = scn_fifo("gate");
}

static char *
both(void)
{
    char *services = NULL;

    ck_assert_int_ge(asprintf(&services, WEB OTHER, scn_dir(), scn_dir(), scn_dir(), scn_dir()), 0);
    return services;
}

/* It answers, and does what it is told, while the name service does not. */
static void
master_is_free(void)
{
    struct scn_answer a;

    ck_assert_int_eq(scn_cli(NULL, "status", NULL), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "other", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, 1);
}

static void
finish(const char *services)
{
    scn_config("%s", services);
    if (scn_count("event=service service=owned") > 0)
        (void)scn_await_any("event=service service=owned ~removed", 10000);
    fd_close(at.door);
    fd_close(at.asked);
    scn_after(at.fds);
}

START_TEST(a_generation_waits_for_its_user_and_nobody_else_does)
{
    auto_free char *services = both();

    begin(services);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=none", NULL), 0);
    scn_fifo_read(at.asked, 10000);
    master_is_free();
    ck_assert_uint_eq(scn_count("event=verdict service=web"), 1);
    scn_fifo_write(at.door, 1);
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    finish(services);
}
END_TEST

START_TEST(a_configuration_waits_for_the_owner_of_a_socket_and_is_then_in_force)
{
    auto_free char *services = both();
    struct scn_answer a;
    struct stat st;

    begin(services);
    scn_config("%s" OWNED, services, scn_dir(), scn_dir());
    scn_fifo_read(at.asked, 10000);
    master_is_free();
    ck_assert_int_eq(scn_cli(NULL, "reload", "--timeout=200ms", NULL), 75); /* it waits with it */
    ck_assert_uint_eq(scn_count("event=service service=owned"), 0);
    scn_signal(SIGHUP);
    scn_fifo_write(at.door, 2); /* the owner, and then web's user: SIGHUP means every service */
    (void)scn_await("event=config_accepted", 10000);
    (void)scn_await("event=verdict service=owned outcome=serving", 10000);
    (void)scn_await_any("event=reload service=other ~SIGHUP", 10000);
    ck_assert_int_eq(scn_ask("owned.sock", &a), 0);
    ck_assert_int_eq(stat(scn_path("owned.sock"), &st), 0);
    ck_assert_uint_eq(st.st_uid, getuid());
    ck_assert_int_eq(unlink(scn_path("gate")), 0); /* quick again */
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 0);
    finish(services);
}
END_TEST

START_TEST(a_configuration_that_waits_gives_way_to_a_newer_one)
{
    auto_free char *services = both();

    begin(services);
    scn_config("%s" OWNED, services, scn_dir(), scn_dir());
    scn_fifo_read(at.asked, 10000);
    scn_config("%s" SERVICE("owned", "", ""), services, scn_dir(), scn_dir());
    (void)scn_await("event=config_accepted", 10000);
    (void)scn_await("event=verdict service=owned outcome=serving", 10000);
    scn_fifo_write(at.door, 1); /* whoever would take it is gone */
    ck_assert_uint_eq(scn_count("event=config_rejected"), 0);
    ck_assert_int_eq(unlink(scn_path("gate")), 0);
    finish(services);
}
END_TEST

/* The one child of the master that asks for names. */
static pid_t
asker(void)
{
    char path[64], name[32], text[4096] = "";
    FILE *f;
    size_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)scn_master(),
                   (int)scn_master());
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    for (char *at_pid = text, *rest; *at_pid; at_pid = rest) {
        pid_t pid = (pid_t)strtol(at_pid, &rest, 10);

        if (rest == at_pid)
            break;
        (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        f = fopen(path, "re");
        if (f && fgets(name, sizeof(name), f) && strcmp(name, "stint-names\n") == 0) {
            (void)fclose(f);
            return pid;
        }
        if (f)
            (void)fclose(f);
    }
    ck_abort_msg("nobody asks");
    return 0;
}

START_TEST(an_owner_who_cannot_be_found_out_is_said_and_can_be_tried_again)
{
    auto_free char *services = both();
    auto_free char *out = NULL;

    begin(services);
    scn_config("%s" OWNED, services, scn_dir(), scn_dir());
    scn_fifo_read(at.asked, 10000);
    ck_assert_int_eq(kill(asker(), SIGKILL), 0);
    (void)scn_await("event=config_rejected ~slowpoke", 10000);
    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_msg(strstr(out, "the process that asked the name service died") != NULL, "%s", out);
    ck_assert_int_eq(unlink(scn_path("gate")), 0); /* quick again */
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 0);
    (void)scn_await_any("event=verdict service=owned outcome=serving", 10000);
    scn_config("%s" SERVICE("owned", ", owner: nosuchuser", ""), services, scn_dir(), scn_dir());
    (void)scn_await("event=config_rejected ~no+user+'nosuchuser'", 10000);
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 1);
    finish(services);
}
END_TEST

START_TEST(a_master_that_waits_for_a_name_stops_when_it_is_told_to)
{
    auto_free char *services = both();

    begin(services);
    scn_config("%s" OWNED, services, scn_dir(), scn_dir());
    scn_fifo_read(at.asked, 10000);
    scn_signal(SIGHUP);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=none", NULL), 0);
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_uint_eq(scn_count("event=loop_stall"), 0);
    scn_nobody_left();
    fd_close(at.door);
    fd_close(at.asked);
}
END_TEST

scn_main_in(&world, "a name service of our own cannot be given to the master alone", "names",
            a_generation_waits_for_its_user_and_nobody_else_does,
            a_configuration_waits_for_the_owner_of_a_socket_and_is_then_in_force,
            a_configuration_that_waits_gives_way_to_a_newer_one,
            an_owner_who_cannot_be_found_out_is_said_and_can_be_tried_again,
            a_master_that_waits_for_a_name_stops_when_it_is_told_to)
