/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: signal, with a program that reloads itself, or says so, or does not outlive it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

#define WEB                                                                              \
    "  web:\n    command: [./actor, \"reload=how\", \"word-from=word\", %s]\n"           \
    "    directory: %s\n    listen: {main: \"unix:%s/web.sock\"}\n    handoff: signal\n" \
    "    watch: {paths: [word], settle: 50ms}\n    drain_timeout: 2s\n"

#define QUICK "    reload_timeout: 2s\n    reload_assume_after: 300ms\n"

static void
web(const char *how, const char *acts, const char *more)
{
    scn_file("word", "one");
    scn_file("how", "%s", how);
    scn_config(WEB "%s", acts, scn_dir(), scn_dir(), more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
}

/* The same process as @before, and the word it has read. */
static void
same_says(const struct scn_answer *before, const char *word)
{
    struct scn_answer a;

    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.pid, before->pid);
    ck_assert_str_eq(a.word, word);
}

START_TEST(the_same_process_goes_on_as_another_generation)
{
    auto_free char *json = NULL, *text = NULL;
    struct scn_answer a, b;

    web("notify", "ready", QUICK);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    scn_file("word", "two");
    (void)scn_await("event=worker_signalled service=web gen=1 slot=0 reload=2", 5000);
    (void)scn_await("event=worker_reloaded service=web gen=1 reload=2 evidence=notify", 5000);
    (void)scn_await("event=generation_starting service=web gen=2", 5000);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 5000);
    (void)scn_await("event=verdict service=web outcome=serving gen=2 evidence=notify", 5000);
    same_says(&a, "two");
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    ck_assert_int_eq(scn_cli(&json, "status", "web", "--json", NULL), 0);
    ck_assert_ptr_nonnull(strstr(json, "\"handoff\": \"signal\""));
    ck_assert_ptr_nonnull(strstr(json, "\"reload_evidence\": \"notify\""));
    ck_assert_ptr_nonnull(strstr(json, "\"started_by\": 1"));
    ck_assert_int_eq(scn_cli(&text, "status", NULL), 0);
    ck_assert_ptr_nonnull(strstr(text, "reloaded by signal (notify)"));

    ck_assert_int_eq(kill(a.pid, SIGKILL), 0); /* who follows it is of the new one */
    (void)scn_await("event=worker_exit service=web gen=2 signal=SIGKILL", 5000);
    (void)scn_await("event=worker_ready service=web gen=2", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &b), 0);
    ck_assert_int_eq(b.generation, 2);
    ck_assert_str_eq(b.word, "two");
    ck_assert_int_eq(scn_stop(), 0);
    (void)scn_await_any("event=certificate service=web gen=2 leaks=0", 5000);
    scn_nobody_left();
}
END_TEST

START_TEST(who_says_nothing_is_assumed_to_have_reloaded_and_that_is_said_everywhere)
{
    auto_free char *out = NULL, *text = NULL;
    struct scn_answer a;

    web("silent", "ready", QUICK);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    scn_file("word", "two");
    (void)scn_await("event=worker_reloaded service=web evidence=assumed", 5000);
    (void)scn_await("event=verdict service=web outcome=serving gen=2 evidence=assumed", 5000);
    same_says(&a, "two");
    scn_file("how", "ready"); /* READY=1 alone proves nothing */
    ck_assert_int_eq(scn_cli(&out, "reload", "web", "--force", NULL), 0);
    ck_assert_ptr_nonnull(strstr(out, "generation 3 serves (was 2)"));
    ck_assert_ptr_nonnull(strstr(out, "by SIGHUP to 1 worker: assumed"));
    ck_assert_int_eq(scn_cli(&text, "status", NULL), 0);
    ck_assert_ptr_nonnull(strstr(text, "its reload by signal is only assumed"));
    ck_assert_ptr_nonnull(strstr(text, "last reload: serving (assumed), generation 3"));
}
END_TEST

START_TEST(a_pid_file_written_anew_is_evidence_and_one_that_is_not_is_none)
{
    web("pid", "\"pidfile=web.pid\"", QUICK "    ready: {file: web.pid}\n");
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=serving gen=2 evidence=file", 5000);
    scn_file("how", "silent");
    scn_file("word", "three");
    (void)scn_await("event=verdict service=web outcome=serving gen=3 evidence=assumed", 5000);
}
END_TEST

START_TEST(who_does_not_end_what_it_began_is_left_alone_and_the_input_rejected)
{
    auto_free char *out = NULL;
    struct scn_answer a;

    web("stuck", "ready", QUICK);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=rejected gen=1 ~RELOADING=1+on+SIGHUP",
                    8000);
    same_says(&a, "two"); /* it serves, and nobody hurt it */
    ck_assert_int_eq(scn_cli(&out, "reload", "web", NULL), 1);
    ck_assert_ptr_nonnull(strstr(out, "unchanged since it was rejected"));
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 1);
    scn_file("how", "notify");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await("event=verdict service=web outcome=serving gen=2 evidence=notify", 5000);
    same_says(&a, "two");
}
END_TEST

START_TEST(a_signal_that_ends_the_first_worker_is_sent_to_no_other)
{
    web("exit", "ready", QUICK "    workers: 3\n");
    scn_file("word", "two");
    (void)scn_await("event=worker_exit service=web gen=1 slot=0 status=3", 5000);
    (void)scn_await("event=verdict service=web outcome=rejected gen=1 ~did+not+outlive+SIGHUP",
                    5000);
    (void)scn_await("event=worker_ready service=web gen=1 slot=0", 5000);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 1);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 1);

    scn_file("how", "notify");
    scn_file("word", "three");
    (void)scn_await("event=verdict service=web outcome=serving gen=2 evidence=notify", 5000);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 4);
    ck_assert(scn_before("event=worker_reloaded slot=0", "event=worker_signalled slot=1"));
}
END_TEST

START_TEST(a_program_that_does_not_know_the_signal_is_named)
{
    scn_file("word", "one");
    scn_config("  web:\n    command: [./actor, ready]\n    directory: %s\n    handoff: signal\n"
               "    reload_signal: USR1\n    watch: {paths: [word], settle: 50ms}\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=rejected ~SIGUSR1,+which+it+does+not+handle",
                    5000);
    (void)scn_await("event=worker_ready service=web gen=1", 5000);
}
END_TEST

START_TEST(a_failed_check_sends_no_signal)
{
    web("notify", "ready", QUICK "    check: [/bin/grep, -qv, bad, word]\n");
    scn_file("word", "bad");
    (void)scn_await("event=verdict service=web outcome=rejected gen=1", 5000);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 0);
    scn_file("word", "good");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
}
END_TEST

START_TEST(another_executable_and_another_env_file_are_replaced)
{
    struct scn_answer a, b;

    scn_file("env", "MODE=one\n");
    web("notify", "ready", QUICK "    env_file: env\n");
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    scn_copy("actor", getenv("ACTOR_BINARY"), "another build");
    (void)scn_await("event=signal_fallback service=web ~its+executable+is+another+one", 5000);
    (void)scn_await("event=verdict service=web outcome=serving gen=2 ~replaced", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &b), 0);
    ck_assert_int_ne(a.pid, b.pid);
    scn_file("env", "MODE=two\n");
    (void)scn_await("event=signal_fallback service=web ~env_file", 5000);
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 0);
}
END_TEST

START_TEST(another_interpreter_is_another_program)
{
    scn_copy("sh", "/bin/sh", "");
    scn_file("word", "one");
    scn_file("script", "#!%s/sh\ntrap : HUP\nwhile :; do sleep 1; done\n", scn_dir());
    ck_assert_int_eq(chmod(scn_path("script"), 0755), 0);
    scn_config("  web:\n    command: [./script]\n    directory: %s\n    handoff: signal\n"
               "    ready: {assume_after: 200ms}\n    reload_assume_after: 300ms\n"
               "    watch: {paths: [word], settle: 50ms}\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=serving gen=2 evidence=assumed", 5000);
    scn_copy("sh", "/bin/sh", "newer");
    scn_file("word", "three");
    (void)scn_await("event=signal_fallback service=web", 5000);
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
}
END_TEST

START_TEST(a_library_that_was_replaced_is_what_a_forced_reload_is_for)
{
    auto_free char *text = NULL;

    scn_copy("lib.so", "/bin/sh", "");
    web("notify", "\"map=lib.so\", ready", QUICK);
    scn_copy("lib.so", "/bin/sh", "newer");
    ck_assert_int_eq(scn_cli(&text, "status", NULL), 0);
    ck_assert_ptr_nonnull(strstr(text, "NEEDS A RELOAD"));
    scn_file("word", "two"); /* an edit is no reason to start it anew */
    (void)scn_await("event=verdict service=web outcome=serving gen=2 evidence=notify", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await("event=signal_fallback service=web ~libraries", 5000);
    (void)scn_await("event=verdict service=web outcome=serving gen=3 ~replaced", 5000);
}
END_TEST

START_TEST(a_change_of_the_signal_itself_is_one_in_place)
{
    web("notify", "ready", QUICK);
    scn_config(WEB QUICK "    reload_signal: USR2\n", "ready", scn_dir(), scn_dir());
    (void)scn_await("event=service service=web ~changed+in+place:+reload_signal", 5000);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 0);
}
END_TEST

/* Killed while a worker reloads; and again when it is the next one's. */
START_TEST(a_reload_that_a_master_had_asked_for_is_heard_by_the_next)
{
    struct scn_answer a;
    int gate = scn_fifo("gate");

    web("gate", "ready", "    workers: 2\n    reload_timeout: 20s\n    reload_assume_after: 10s\n");
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    scn_file("word", "two");
    (void)scn_await("event=worker_signalled service=web gen=1 slot=0", 5000);
    (void)scn_await("stream=stdout service=web ~asked+to+reload", 5000);
    (void)scn_kill_master();
    scn_fifo_write(gate, 1);
    (void)scn_await_any("event=worker_signalled service=web gen=1 slot=1", 5000);
    (void)scn_kill_master();
    scn_fifo_write(gate, 1);
    (void)scn_await_any("event=verdict service=web outcome=serving gen=2 evidence=notify", 5000);
    (void)scn_kill_master();
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
    (void)scn_await_any("event=worker_exit service=web gen=2 signal=SIGKILL", 5000);
    (void)scn_await_any("event=worker_ready service=web gen=2", 5000);
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

START_TEST(a_stop_in_the_middle_ends_it_as_ever)
{
    web("stuck", "ready", "    reload_timeout: 20s\n");
    scn_file("word", "two");
    (void)scn_await("stream=stdout service=web ~asked+to+reload", 5000);
    ck_assert_int_eq(scn_stop(), 0);
    (void)scn_await_any("event=verdict service=web outcome=cancelled", 5000);
    (void)scn_await_any("event=certificate service=web gen=1 leaks=0", 5000);
    scn_nobody_left();
}
END_TEST

scn_main("signal", the_same_process_goes_on_as_another_generation,
         who_says_nothing_is_assumed_to_have_reloaded_and_that_is_said_everywhere,
         a_pid_file_written_anew_is_evidence_and_one_that_is_not_is_none,
         who_does_not_end_what_it_began_is_left_alone_and_the_input_rejected,
         a_signal_that_ends_the_first_worker_is_sent_to_no_other,
         a_program_that_does_not_know_the_signal_is_named, a_failed_check_sends_no_signal,
         another_executable_and_another_env_file_are_replaced,
         another_interpreter_is_another_program,
         a_library_that_was_replaced_is_what_a_forced_reload_is_for,
         a_change_of_the_signal_itself_is_one_in_place,
         a_reload_that_a_master_had_asked_for_is_heard_by_the_next,
         a_stop_in_the_middle_ends_it_as_ever)
