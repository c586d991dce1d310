/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The configuration under hostile hands. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

#define QUICK                                                            \
    "    drain_timeout: 2s\n    leak_grace: 500ms\n    watch: {settle: " \
    "50ms}\n"
#define SERVICE(name, more)                                                                      \
    "  " name ":\n    command: [./actor, " more "ready]\n    directory: %s\n    listen: {main: " \
    "\"unix:%s/" name ".sock\"}\n" QUICK

static void
status_is_quiet(bool quiet)
{
    auto_free char *out = NULL;

    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_msg((strstr(out, "rejected") == NULL && strstr(out, "REJECTED") == NULL) == quiet,
                  "%s", out);
}

static unsigned
serving(void)
{
    scn_start();
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 5000);
    status_is_quiet(true);
    return scn_baseline();
}

START_TEST(a_configuration_that_is_gone_stays_in_force_and_is_loud_until_it_is_back)
{
    auto_free char *there = NULL;
    unsigned fds;

    scn_config(SERVICE("web", ""), scn_dir(), scn_dir());
    fds = serving();
    there = strdup(scn_path("stint.yaml"));
    ck_assert_int_eq(rename(there, scn_path("away")), 0);
    (void)scn_await("event=config_rejected", 5000);
    status_is_quiet(false);
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 1);
    ck_assert_int_eq(rename(scn_path("away"), there), 0);
    (void)scn_await("event=config_accepted", 5000);
    status_is_quiet(true);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    scn_after(fds);
}
END_TEST

START_TEST(a_configuration_that_is_half_written_is_taken_when_it_is_whole)
{
    auto_free char *data = NULL;
    size_t bytes = 0;
    unsigned fds;
    int fd;

    scn_config(SERVICE("web", "") "    environment: {A: \"1\"}\n", scn_dir(), scn_dir());
    ck_assert_int_eq(file_read(scn_path("stint.yaml"), 1 << 20, &data, &bytes, NULL), 0);
    scn_config(SERVICE("web", ""), scn_dir(), scn_dir());
    fds = serving();
    fd = open(scn_path("stint.yaml"), O_WRONLY | O_TRUNC | O_CLOEXEC);
    ck_assert_int_eq(write(fd, data, bytes - 8), (ssize_t)bytes - 8);
    fd_close(fd); /* a writer that dies in the middle */
    (void)scn_await("event=config_rejected", 5000);
    ck_assert_uint_eq(scn_count("event=generation_starting"), 1);
    fd = open(scn_path("stint.yaml"), O_WRONLY | O_APPEND | O_CLOEXEC);
    ck_assert_int_eq(write(fd, data + bytes - 8, 8), 8);
    fd_close(fd);
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 5000);
    status_is_quiet(true);
    scn_after(fds);
}
END_TEST

#define ENVELOPE                                                                           \
    "version: 1\nruntime_dir: %s/run\nstate_dir: %s/state\nstop_budget: 5s\nlog: {level: " \
    "debug}\ninclude: [conf.d/*.yaml]\nservices:\n"

START_TEST(a_file_put_into_the_included_directory_is_a_service)
{
    struct scn_answer a;
    unsigned fds;

    ck_assert_int_eq(mkdir(scn_path("conf.d"), 0755), 0);
    scn_file("stint.yaml", ENVELOPE SERVICE("web", ""), scn_dir(), scn_dir(), scn_dir(), scn_dir());
    fds = serving();
    scn_file("conf.d/b.yaml", "services:\n" SERVICE("b", ""), scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=b outcome=serving gen=1", 5000);
    ck_assert_int_eq(scn_ask("b.sock", &a), 0);
    scn_file("conf.d/b.yaml", "services:\n" SERVICE("b", "word=new, "), scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=b outcome=serving gen=2", 5000);
    scn_file("conf.d/c.yaml", "services: [this, is, wrong]\n");
    (void)scn_await("event=config_rejected ~c.yaml", 5000);
    ck_assert_int_eq(scn_ask("b.sock", &a), 0);
    ck_assert_int_eq(unlink(scn_path("conf.d/c.yaml")), 0);
    (void)scn_await("event=config_accepted", 5000);
    ck_assert_int_eq(unlink(scn_path("conf.d/b.yaml")), 0);
    (void)scn_await("event=service service=b ~removed", 5000);
    ck_assert_int_eq(scn_ask("b.sock", &a), -1);
    ck_assert_int_eq(rmdir(scn_path("conf.d")), 0);
    ck_assert_int_eq(mkdir(scn_path("conf.d"), 0755), 0);
    scn_file("conf.d/d.yaml", "services:\n" SERVICE("d", ""), scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=d outcome=serving", 5000);
    ck_assert_int_eq(unlink(scn_path("conf.d/d.yaml")), 0);
    (void)scn_await("event=service service=d ~removed", 5000);
    ck_assert_uint_eq(scn_count("event=worker_exit service=web"), 0);
    scn_after(fds);
}
END_TEST

START_TEST(a_configuration_edited_while_a_reload_runs_wins_in_the_end)
{
    int gate = scn_fifo("gate");
    struct scn_answer a;
    unsigned fds;

    scn_fifo_write(gate, 1);
    scn_config(SERVICE("web", "await=gate, "), scn_dir(), scn_dir());
    fds = serving();
    scn_config(SERVICE("web", "await=gate, word=two, "), scn_dir(), scn_dir());
    (void)scn_await("event=worker_spawn service=web gen=2", 5000);
    scn_config(SERVICE("web", "await=gate, word=three, ") "    workers: 2\n", scn_dir(), scn_dir());
    (void)scn_await("event=config_accepted", 5000);
    scn_config(SERVICE("web", "await=gate, word=four, ") "    workers: 2\n", scn_dir(), scn_dir());
    (void)scn_await("event=config_accepted", 5000);
    scn_fifo_write(gate, 3);
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
    scn_ask_past("web.sock", 3, &a);
    ck_assert_str_eq(a.word, "four");
    (void)scn_await("event=certificate service=web gen=2", 5000);
    ck_assert_uint_eq(scn_count("event=generation_starting service=web"), 3);
    fd_close(gate);
    scn_config(SERVICE("web", "word=last, "), scn_dir(), scn_dir());
    (void)scn_await("event=certificate service=web gen=3", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_service_removed_and_added_while_its_candidate_starts_begins_anew)
{
    struct scn_answer a;
    int gate = scn_fifo("gate");
    unsigned fds;

    scn_config(SERVICE("web", ""), scn_dir(), scn_dir());
    fds = serving();
    scn_config(SERVICE("web", "await=gate, "), scn_dir(), scn_dir());
    (void)scn_await("event=worker_spawn service=web gen=2", 5000);
    scn_config(SERVICE("other", ""), scn_dir(), scn_dir());
    (void)scn_await("event=service service=web ~removed", 8000);
    scn_config(SERVICE("web", "word=back, "), scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
    (void)scn_await_any("event=service service=other ~removed", 5000);
    scn_ask_past("web.sock", 3, &a);
    ck_assert_str_eq(a.word, "back");
    fd_close(gate);
    scn_after(fds);
}
END_TEST

scn_main("inputs", a_configuration_that_is_gone_stays_in_force_and_is_loud_until_it_is_back,
         a_configuration_that_is_half_written_is_taken_when_it_is_whole,
         a_file_put_into_the_included_directory_is_a_service,
         a_configuration_edited_while_a_reload_runs_wins_in_the_end,
         a_service_removed_and_added_while_its_candidate_starts_begins_anew)
