/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

#define ONE(name)                                                                             \
    "  " name                                                                                 \
    ":\n    command: [./actor, ready]\n    directory: %s\n    listen: {main: \"unix:%s/" name \
    ".sock\"}\n"

START_TEST(a_bad_configuration_changes_nothing_and_is_loud_until_fixed)
{
    struct scn_answer a;
    char *out;

    scn_config(ONE("web"), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    scn_config("  web:\n    comand: [./actor]\n");
    (void)scn_await("event=config_rejected ~did+you+mean", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_msg(strstr(out, "did you mean") != NULL, "%s", out);
    free(out);
    scn_config(ONE("web"), scn_dir(), scn_dir());
    ck_assert_int_eq(scn_cli(&out, "reload", NULL), 0);
    free(out);
    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_msg(strstr(out, "did you mean") == NULL, "%s", out);
    free(out);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
}
END_TEST

START_TEST(services_come_and_go_with_the_configuration)
{
    struct scn_answer a;

    scn_config(ONE("a"), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=a outcome=serving", 5000);
    scn_config(ONE("a") ONE("b"), scn_dir(), scn_dir(), scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=b outcome=serving", 5000);
    ck_assert_int_eq(scn_ask("b.sock", &a), 0);
    scn_config(ONE("b"), scn_dir(), scn_dir());
    (void)scn_await("event=certificate service=a gen=1", 5000);
    (void)scn_await("event=service service=a ~removed", 5000);
    ck_assert_int_eq(scn_ask("a.sock", &a), -1);
    ck_assert_int_eq(scn_ask("b.sock", &a), 0);
}
END_TEST

START_TEST(a_path_that_is_watched_from_now_on_is_watched_from_now_on)
{
    scn_file("new.conf", "one\n");
    scn_config(ONE("web"), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    scn_config(ONE("web") "    watch: {paths: [new.conf]}\n", scn_dir(), scn_dir());
    (void)scn_await("event=service service=web gen=1 ~watch", 5000);
    ck_assert_int_eq(scn_cli(NULL, "status", NULL), 0); /* a turn later it is watched */
    scn_file("new.conf", "two\n");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
}
END_TEST

START_TEST(an_address_in_use_by_somebody_else_refuses_the_configuration_as_a_whole)
{
    scn_config(ONE("a"), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=a outcome=serving", 5000);
    scn_config(ONE("a") "  b:\n    command: [./actor, ready]\n    directory: %s\n"
                        "    listen: {x: \"unix:%s/nowhere/b.sock\"}\n",
               scn_dir(), scn_dir(), scn_dir(), scn_dir());
    (void)scn_await("event=config_rejected ~nowhere", 5000);
    ck_assert_uint_eq(scn_count("event=service service=b"), 0);
}
END_TEST

START_TEST(generation_numbers_are_never_given_twice_even_after_a_restart)
{
    struct scn_answer a;

    scn_config(ONE("web"), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    ck_assert_int_eq(scn_stop(), 0);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, 3);
}
END_TEST

START_TEST(an_invalid_configuration_at_the_start_starts_nothing_and_exits_with_78)
{
    int status;

    scn_config("  web:\n    command: [./actor]\n    directory: %s\n    workers: many\n", scn_dir());
    status = scn_cli(NULL, "check", "-c", scn_path("stint.yaml"), NULL);
    ck_assert_int_eq(status, 78);
    ck_assert_int_eq(scn_cli(NULL, "run", "-c", scn_path("stint.yaml"), NULL), 78);
}
END_TEST

START_TEST(a_runtime_dir_that_is_too_long_for_its_sockets_is_refused_at_the_start)
{
    auto_free char *out = NULL;

    scn_file("stint.yaml",
             "version: 1\nruntime_dir: %s/%0*d\nstate_dir: %s/state\nservices:\n" ONE("web"),
             scn_dir(), (int)(92 - strlen(scn_dir())), 0, scn_dir(), scn_dir(), scn_dir());
    ck_assert_int_eq(scn_cli(&out, "run", "-c", scn_path("stint.yaml"), NULL), 71);
    ck_assert_msg(strstr(out, "is too long for the names of unix sockets") != NULL, "%s", out);
}
END_TEST

START_TEST(fifty_reloads_leave_the_master_with_the_descriptors_it_had)
{
    unsigned before;

    scn_config(ONE("web"), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    before = scn_baseline();
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    scn_await_fds(before);
    ck_assert_uint_eq(scn_count("event=certificate service=web"), 51);
    scn_did_not_block();
}
END_TEST

START_TEST(stop_and_start_of_one_service_leave_the_others_alone)
{
    struct scn_answer a;

    scn_config(ONE("a") ONE("b"), scn_dir(), scn_dir(), scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=verdict service=a outcome=serving", 5000);
    (void)scn_await_any("event=verdict service=b outcome=serving", 5000);
    ck_assert_int_eq(scn_cli(NULL, "stop", "a", NULL), 0);
    (void)scn_await_any("event=certificate service=a", 5000);
    ck_assert_int_eq(scn_ask("b.sock", &a), 0);
    ck_assert_int_eq(scn_cli(NULL, "start", "a", NULL), 0);
    ck_assert_int_eq(scn_ask("a.sock", &a), 0);
    ck_assert_int_eq(a.generation, 2);
    ck_assert_uint_eq(scn_count("event=worker_exit service=b"), 0);
}
END_TEST

scn_main("config", a_bad_configuration_changes_nothing_and_is_loud_until_fixed,
         services_come_and_go_with_the_configuration,
         a_path_that_is_watched_from_now_on_is_watched_from_now_on,
         an_address_in_use_by_somebody_else_refuses_the_configuration_as_a_whole,
         generation_numbers_are_never_given_twice_even_after_a_restart,
         an_invalid_configuration_at_the_start_starts_nothing_and_exits_with_78,
         a_runtime_dir_that_is_too_long_for_its_sockets_is_refused_at_the_start,
         fifty_reloads_leave_the_master_with_the_descriptors_it_had,
         stop_and_start_of_one_service_leave_the_others_alone)
