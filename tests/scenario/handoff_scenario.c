/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "harness.h"

#define WEB                                                                          \
    "  web:\n    command: [./actor, \"word-from=word\", ready]\n    directory: %s\n" \
    "    workers: 2\n    listen: {main: \"unix:%s/web.sock\"}\n"                     \
    "    watch: {binary: true, paths: [word], settle: 50ms}\n    drain_timeout: 2s\n"

static void
web(const char *more)
{
    scn_file("word", "one");
    scn_config(WEB "%s", scn_dir(), scn_dir(), more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
}

START_TEST(an_edit_is_noticed_and_handed_over_and_the_old_ones_end_with_a_certificate)
{
    struct scn_answer a;

    web("");
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_str_eq(a.word, "one");
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_str_eq(a.word, "two");
    ck_assert_int_eq(a.generation, 2);
    ck_assert_uint_eq(scn_count("event=worker_exit service=web gen=1"), 2);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(nobody_is_asked_to_leave_before_every_replacement_is_ready)
{
    web("");
    scn_file("word", "two");
    (void)scn_await("event=certificate service=web gen=1", 5000);
    ck_assert(scn_before("event=worker_ready service=web gen=2 slot=0",
                         "event=generation_draining gen=1"));
    ck_assert(scn_before("event=worker_ready service=web gen=2 slot=1",
                         "event=generation_draining gen=1"));
}
END_TEST

START_TEST(a_touch_is_not_a_change)
{
    struct scn_answer a;

    web("");
    scn_file("word", "one"); /* another inode, another time, the same content */
    (void)scn_await("event=verdict service=web outcome=unchanged", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, 1);
    ck_assert_uint_eq(scn_count("event=worker_spawn"), 2);
}
END_TEST

START_TEST(a_binary_replaced_by_rename_is_a_new_generation)
{
    web("");
    scn_copy("actor", getenv("ACTOR_BINARY"), "another build");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
}
END_TEST

START_TEST(a_truncated_binary_is_rejected_and_the_old_one_serves_on)
{
    struct scn_answer before, after;
    char *out;

    web("");
    ck_assert_int_eq(scn_ask("web.sock", &before), 0);
    scn_file("actor", "\177ELF, but not much of one");
    (void)scn_await("event=verdict service=web outcome=rejected", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &after), 0);
    ck_assert_int_eq(after.generation, 1);
    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_msg(strstr(out, "REJECTED") != NULL, "status is not loud: %s", out);
    free(out);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    scn_copy("actor", getenv("ACTOR_BINARY"), "mended");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
}
END_TEST

START_TEST(a_crash_after_a_broken_deploy_respawns_the_generation_that_serves)
{
    struct scn_answer a;

    web("");
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    scn_file("actor", "\177ELF, but not much of one");
    (void)scn_await("event=verdict service=web outcome=rejected", 5000);
    ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
    (void)scn_await("event=worker_exit service=web gen=1 signal=SIGKILL", 5000);
    (void)scn_await("event=worker_ready service=web gen=1", 5000); /* from the pinned executable */
}
END_TEST

START_TEST(a_failed_check_rejects_the_candidate_with_the_words_of_the_check)
{
    const char *line;

    scn_file("broken",
             "#!/bin/sh\ngrep -q bad \"$1\" && { echo \"word:1: bad word\"; exit 3; }\nexit 0\n");
    web("    check: [./broken, word]\n");
    scn_file("word", "bad");
    line = scn_await("event=verdict service=web outcome=rejected", 5000);
    ck_assert_msg(strstr(line, "word:1: bad word") != NULL, "%s", line);
    ck_assert_uint_eq(scn_count("event=worker_spawn"), 2);
}
END_TEST

START_TEST(a_check_that_says_much_is_told_with_its_first_line_and_its_last)
{
    const char *line;

    scn_file("broken",
             "#!/bin/sh\ngrep -q bad \"$1\" || exit 0\necho Traceback:\n"
             "seq -f 'File number %%g of many' 1 200\necho SyntaxError: bad word\nexit 1\n");
    web("    check: [./broken, word]\n");
    scn_file("word", "bad");
    line = scn_await("event=verdict service=web outcome=rejected", 5000);
    ck_assert_msg(strstr(line, "exit status 1: Traceback:\\nFile number 1 of") != NULL, "%s", line);
    ck_assert_msg(strstr(line, "of many\\n…\\nFile number") != NULL, "%s", line);
    ck_assert_msg(strstr(line, "200 of many\\nSyntaxError: bad word\"") != NULL, "%s", line);
}
END_TEST

START_TEST(a_candidate_that_dies_is_rejected_after_its_limit_and_nobody_else_notices)
{
    struct scn_answer before, after;

    web("    respawn: {backoff: {first: 10ms, max: 20ms}, limit: {count: 3, within: 10s}}\n");
    ck_assert_int_eq(scn_ask("web.sock", &before), 0);
    scn_config(WEB
               "    respawn: {backoff: {first: 10ms, max: 20ms}, limit: {count: 3, within: 10s}}\n"
               "    environment: {X: \"1\"}\n",
               scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    scn_config("  web:\n    command: [./actor, \"say=no luck\", \"exit=7\"]\n    directory: %s\n   "
               " workers: 2\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n"
               "    respawn: {backoff: {first: 10ms, max: 20ms}, limit: {count: 3, within: 10s}}\n",
               scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=web outcome=rejected ~exited+with+status+7 ~no+luck",
                    5000);
    ck_assert_int_eq(scn_ask("web.sock", &after), 0);
    ck_assert_int_eq(after.generation, 2);
    ck_assert_uint_ge(scn_count("event=worker_exit gen=3 status=7"), 3);
}
END_TEST

START_TEST(reload_returns_a_verdict_and_an_exit_status)
{
    char *out;

    web("");
    ck_assert_int_eq(scn_cli(&out, "reload", "web", NULL), 0);
    free(out);
    ck_assert_int_eq(scn_cli(&out, "reload", "web", "--force", NULL), 0);
    ck_assert_msg(strstr(out, "generation 2") != NULL, "%s", out);
    free(out);
    scn_file("actor", "\177ELF, but not much of one");
    ck_assert_int_eq(scn_cli(&out, "reload", "web", NULL), 1);
    ck_assert_msg(strstr(out, "REJECTED") != NULL, "%s", out);
    free(out);
}
END_TEST

START_TEST(workers_are_scaled_in_place)
{
    web("");
    scn_config(WEB "    max_draining: 3\n", scn_dir(), scn_dir());
    (void)scn_await("event=service service=web gen=1 ~max_draining", 5000);
    scn_config("  web:\n    command: [./actor, \"word-from=word\", ready]\n    directory: %s\n"
               "    workers: 4\n    listen: {main: \"unix:%s/web.sock\"}\n"
               "    watch: {binary: true, paths: [word], settle: 50ms}\n    drain_timeout: 2s\n",
               scn_dir(), scn_dir());
    (void)scn_await("event=worker_ready service=web gen=1 slot=3", 5000);
    scn_config("  web:\n    command: [./actor, \"word-from=word\", ready]\n    directory: %s\n"
               "    workers: 1\n    listen: {main: \"unix:%s/web.sock\"}\n"
               "    watch: {binary: true, paths: [word], settle: 50ms}\n    drain_timeout: 2s\n",
               scn_dir(), scn_dir());
    (void)scn_await("event=worker_exit service=web gen=1", 5000);
    (void)scn_await("event=worker_exit service=web gen=1", 5000);
    (void)scn_await("event=worker_exit service=web gen=1", 5000);
    ck_assert_uint_eq(scn_count("event=generation_starting"), 1);
}
END_TEST

#define DB                                                                      \
    "  db:\n    command: [./actor, \"fail-if=no\", ready]\n    directory: %s\n" \
    "    listen: {main: \"unix:%s/db.sock\"}\n    handoff: replace\n%s"         \
    "    respawn: {backoff: {first: 10ms, max: 20ms}, limit: {count: 2, within: 10s}}\n"

START_TEST(a_singleton_is_replaced_without_being_there_twice_and_restored_when_the_new_one_fails)
{
    scn_config(DB, scn_dir(), scn_dir(), "");
    scn_start();
    (void)scn_await("event=verdict service=db outcome=serving gen=1", 5000);
    scn_config(DB, scn_dir(), scn_dir(), "    environment: {X: \"1\"}\n");
    (void)scn_await("event=verdict service=db outcome=serving gen=2", 5000);
    ck_assert(
        scn_before("event=worker_exit service=db gen=1", "event=worker_spawn service=db gen=2"));
    scn_file("no", "luck");
    scn_config(DB, scn_dir(), scn_dir(), "    environment: {X: \"2\"}\n");
    (void)scn_await("event=generation_aborted service=db gen=3", 5000);
    ck_assert_int_eq(remove(scn_path("no")), 0);
    (void)scn_await("event=verdict service=db outcome=restored gen=2", 5000);
}
END_TEST

/* The master sees the death and the end of the time in one turn: it was away for both. */
START_TEST(who_died_before_its_time_was_up_is_not_assumed_to_be_ready)
{
    enum { ASSUME_MS = 4000 };
    int gate = scn_fifo("gate");
    pid_t pid;

    scn_config("  web:\n    command: [./actor, await=gate, exit=3]\n    directory: %s\n"
               "    ready: {assume_after: %dms}\n    respawn: {limit: {count: 1}}\n",
               scn_dir(), ASSUME_MS);
    scn_start();
    pid = (pid_t)scn_field(scn_await("event=worker_spawn service=web", 5000), "pid");
    scn_signal(SIGSTOP);
    scn_fifo_write(gate, 1);
    ck_assert(scn_await_gone(pid, 10000));
    (void)poll(NULL, 0, ASSUME_MS + 200); /* this time has to pass: the story is about it */
    scn_signal(SIGCONT);
    (void)scn_await("event=verdict service=web outcome=rejected", 10000);
    ck_assert_uint_eq(scn_count("event=worker_ready"), 0);
    fd_close(gate);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("handoff", an_edit_is_noticed_and_handed_over_and_the_old_ones_end_with_a_certificate,
         nobody_is_asked_to_leave_before_every_replacement_is_ready, a_touch_is_not_a_change,
         a_binary_replaced_by_rename_is_a_new_generation,
         a_truncated_binary_is_rejected_and_the_old_one_serves_on,
         a_crash_after_a_broken_deploy_respawns_the_generation_that_serves,
         a_failed_check_rejects_the_candidate_with_the_words_of_the_check,
         a_check_that_says_much_is_told_with_its_first_line_and_its_last,
         a_candidate_that_dies_is_rejected_after_its_limit_and_nobody_else_notices,
         reload_returns_a_verdict_and_an_exit_status, workers_are_scaled_in_place,
         a_singleton_is_replaced_without_being_there_twice_and_restored_when_the_new_one_fails,
         who_died_before_its_time_was_up_is_not_assumed_to_be_ready)
