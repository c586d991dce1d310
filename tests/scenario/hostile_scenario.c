/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Workers that do what they had better not do, and operators without patience. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

#define WEB_DRAINING(acts, drain_timeout)                                              \
    "  web:\n    command: [./actor, " acts "]\n    directory: %s\n"                    \
    "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: " drain_timeout "\n" \
    "    leak_grace: 300ms\n"                                                          \
    "    respawn: {backoff: {first: 10ms, max: 20ms}, limit: {count: 3, within: "      \
    "10s}}\n"
#define WEB(acts)       WEB_DRAINING(acts, "300ms")

#define web(acts, more) web_with(WEB(acts), more)
static unsigned
web_with(const char *fmt, const char *more)
{
    char text[2048];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), fmt, scn_dir(), scn_dir());
#pragma GCC diagnostic pop
    scn_config("%s%s", text, more);
    if (scn_keeper() == 0)
        scn_start();
    return scn_baseline();
}

static void
serves(long generation)
{
    char words[96];
    struct scn_answer a;

    (void)snprintf(words, sizeof(words), "event=verdict service=web outcome=serving gen=%ld",
                   generation);
    (void)scn_await_any(words, 10000);
    scn_ask_past("web.sock", generation, &a);
    ck_assert_int_eq(a.generation, generation);
}

/* A new generation, and the old one gone: what there is then is the baseline for what follows. */
static unsigned
settled(long generation)
{
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    serves(generation);
    return scn_baseline();
}

/* It pours @much out before it is ready; under a sanitizer, ten times slower, it pours @less. */
#define web_pours(what, much, less)                                                   \
    (scn_sanitized() ? web("\"" what "=" less "\", ready", "    start_timeout: 2m\n") \
                     : web("\"" what "=" much "\", ready", "    start_timeout: 2m\n"))

static pid_t
pid_of(const char *words)
{
    return (pid_t)scn_field(scn_await_any(words, 5000), "pid");
}

START_TEST(a_hundred_megabytes_without_a_newline_pass_through)
{
    unsigned fds;
    long rss;

    web("ready", "");
    serves(1);
    fds = settled(2);
    rss = scn_rss_kib();
    web_pours("flood", "100", "10");
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 30000);
    (void)scn_await("event=certificate service=web gen=2 leaks=0", 5000);
    scn_grew_little(rss); /* rings, buffers; not what was printed */
    scn_after(fds);
}
END_TEST

START_TEST(two_hundred_thousand_lines_pass_through)
{
    const char *last = scn_sanitized() ? "line 19999 of many" : "line 199999 of many";
    auto_free char *out = NULL;
    unsigned fds;
    long rss;

    web("ready", "");
    serves(1);
    fds = settled(2);
    rss = scn_rss_kib();
    web_pours("lines", "200000", "20000");
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 30000);
    (void)scn_await_any("event=certificate service=web gen=2 leaks=0", 5000);
    scn_grew_little(rss);
    /* It was ready as soon as the last line was in the pipe; that is read at its own pace. */
    for (int i = 0; i < 200 && !(out && strstr(out, last)); i++) {
        free(out);
        ck_assert_int_eq(scn_cli(&out, "logs", "web", "-n", "3", NULL), 0);
    }
    ck_assert_msg(strstr(out, last) != NULL, "%s", out);
    scn_after(fds);
}
END_TEST

START_TEST(a_worker_may_close_its_output_and_talk_nonsense)
{
    unsigned fds;

    web("ready", "");
    serves(1);
    fds = settled(2);
    web("mute, \"notify-spam=3000\", ready", "");
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 20000);
    (void)scn_await_any("event=certificate service=web gen=2 leaks=0", 5000);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    scn_after(fds - 2); /* the two ends of its output are closed */
}
END_TEST

START_TEST(the_last_words_of_a_worker_may_fill_its_pipe)
{
    int gate = scn_fifo("gate"), here = scn_fifo("here");
    unsigned fds;

    web("ready, \"await=gate\", \"lines=20000\", \"tell=here\", \"exit=3\"", "");
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    ck_assert_int_eq(scn_cli(NULL, "version", NULL), 0); /* the master has gone to sleep */
    fds = scn_baseline();
    scn_signal(SIGSTOP);
    scn_fifo_write(gate, 1);
    scn_fifo_read(here, 10000);
    scn_signal(SIGCONT);
    (void)scn_await("event=worker_exit service=web gen=1 status=3 ~line+19999+of", 10000);
    (void)scn_await("event=worker_ready service=web gen=1", 5000);
    fd_close(gate);
    fd_close(here);
    scn_after(fds);
}
END_TEST

/* It left before its deadline; that the master has not read all it said is no leak. */
START_TEST(who_left_in_time_is_no_leak_however_much_it_had_to_say)
{
    int gate = scn_fifo("gate");
    unsigned fds;
    pid_t pid;

    web_with(WEB_DRAINING("ready, \"await=gate\", \"lines=20000\", \"exit=0\"", "2s"), "");
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    pid = pid_of("event=worker_ready service=web gen=1");
    fds = web_with(WEB_DRAINING("ready", "2s"), "");
    (void)scn_await_any("event=generation_draining service=web gen=1", 5000);
    scn_signal(SIGSTOP);
    scn_fifo_write(gate, 1);
    ck_assert(scn_await_gone(pid, 1500));
    (void)poll(NULL, 0, 2000); /* its drain deadline has to pass: the story is about it */
    scn_signal(SIGCONT);
    (void)scn_await_any("event=worker_exit service=web gen=1 status=0", 10000);
    (void)scn_await_any("event=certificate service=web gen=1 leaks=0", 5000);
    ck_assert_uint_eq(scn_count("event=worker_leak"), 0);
    fd_close(gate);
    scn_await_fds(fds);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(ready_after_the_relief_changes_nothing)
{
    unsigned fds;

    web("late-ready, ready", "");
    serves(1);
    fds = settled(2);
    (void)settled(3);
    ck_assert_uint_eq(scn_count("event=worker_ready service=web gen=1"), 1);
    scn_after(fds);
}
END_TEST

START_TEST(fifty_deaf_grandchildren_are_found_named_and_ended)
{
    unsigned fds;

    web("\"brood=50\", ready", "");
    serves(1);
    fds = scn_baseline();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await("event=certificate service=web gen=1 ~50+escaped", 20000);
    ck_assert_uint_eq(scn_count("event=escapee service=web gen=1"), 50);
    scn_after(fds);
}
END_TEST

START_TEST(a_stopped_worker_is_said_to_be_stopped_and_ended)
{
    struct scn_answer a;
    unsigned fds;

    web("ready", "");
    serves(1);
    fds = scn_baseline();
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(kill(a.pid, SIGSTOP), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await("event=worker_leak service=web gen=1 ~stopped", 5000);
    (void)scn_await("event=worker_exit service=web gen=1 signal=SIGKILL", 5000);
    (void)scn_await("event=certificate service=web gen=1 leaks=1", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_worker_that_leaves_while_its_relief_is_announced_is_not_replaced)
{
    struct scn_answer a;
    unsigned fds;

    web("ready", "    announce_delay: 20s\n");
    serves(1);
    fds = scn_baseline();
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 5000);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web gen=1"), 1);
    scn_after(fds);
}
END_TEST

START_TEST(a_worker_may_be_killed_in_every_phase_of_its_life)
{
    int gate = scn_fifo("gate");
    unsigned fds;

    web("ready", "    soak: 20s\n");
    (void)scn_await("event=generation_soaking service=web gen=1", 5000);
    /* soaking: the first generation of all is a candidate as well */
    ck_assert_int_eq(kill(pid_of("event=worker_ready service=web gen=1"), SIGKILL), 0);
    (void)scn_await("event=verdict service=web outcome=rejected", 5000);
    web("word=calm, ready", "");
    serves(2);
    fds = scn_baseline();
    web("\"await=gate\", ready", ""); /* starting */
    (void)scn_await("event=worker_spawn service=web gen=3", 5000);
    scn_rewind();
    ck_assert_int_eq(kill(pid_of("event=worker_spawn service=web gen=3"), SIGKILL), 0);
    (void)scn_await("event=worker_exit service=web gen=3 signal=SIGKILL", 5000);
    (void)scn_await("event=worker_spawn service=web gen=3", 5000);
    scn_fifo_write(gate, 1);
    serves(3);
    ck_assert_int_eq(kill(pid_of("event=worker_ready service=web gen=3"), SIGKILL), 0); /* ready */
    (void)scn_await("event=worker_spawn service=web gen=3", 5000);
    scn_fifo_write(gate, 1);
    (void)scn_await("event=worker_ready service=web gen=3", 5000);
    web_with(WEB_DRAINING("deaf, ready", "50s"), "");
    serves(4);
    web_with(WEB_DRAINING("word=last, ready", "50s"), "");
    serves(5);
    (void)scn_await_any("event=generation_draining service=web gen=4", 5000); /* draining */
    ck_assert_int_eq(kill(pid_of("event=worker_ready service=web gen=4"), SIGKILL), 0);
    (void)scn_await_any("event=certificate service=web gen=4", 5000);
    fd_close(gate);
    scn_after(fds);
}
END_TEST

START_TEST(a_death_on_probation_rejects_the_candidate_and_leaves_the_old_one_alone)
{
    struct scn_answer a;
    unsigned fds;

    web("ready", "");
    serves(1);
    fds = scn_baseline();
    web("word=b, ready", "    soak: 20s\n");
    (void)scn_await("event=generation_soaking service=web gen=2", 5000);
    scn_rewind();
    ck_assert_int_eq(kill(pid_of("event=worker_ready service=web gen=2"), SIGKILL), 0);
    (void)scn_await("event=verdict service=web outcome=rejected ~probation", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, 1);
    ck_assert_uint_eq(scn_count("event=worker_exit service=web gen=1"), 0);
    scn_after(fds);
}
END_TEST

START_TEST(a_candidate_with_one_worker_that_never_gets_ready_is_rejected)
{
    struct scn_answer a;
    unsigned fds;

    web("ready", "");
    serves(1);
    fds = scn_baseline();
    web("\"slot-never=1\", ready", "    workers: 2\n    start_timeout: 500ms\n");
    (void)scn_await("event=worker_ready service=web gen=2 slot=0", 5000);
    (void)scn_await("event=verdict service=web outcome=rejected ~worker+1+was+not+ready", 5000);
    (void)scn_await("event=certificate service=web gen=2", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(a.generation, 1);
    ck_assert_uint_eq(scn_count("event=worker_exit service=web gen=1"), 0);
    scn_after(fds);
}
END_TEST

START_TEST(a_reload_waits_for_room_while_deaf_generations_drain)
{
    unsigned fds;

    web("deaf, ready", "    max_draining: 1\n");
    serves(1);
    fds = scn_baseline();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=reload_queued service=web", 5000);
    ck_assert(scn_before("event=worker_exit service=web gen=1",
                         "event=generation_starting service=web gen=3"));
    serves(3);
    (void)scn_await_any("event=certificate service=web gen=2 leaks=1", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_stop_in_the_middle_of_a_reload_ends_both_generations)
{
    int gate = scn_fifo("gate");

    web("ready", "");
    serves(1);
    web("\"await=gate\", ready", "");
    (void)scn_await("event=worker_spawn service=web gen=2", 5000);
    ck_assert_int_eq(scn_cli(NULL, "stop", "web", NULL), 0);
    (void)scn_await_any("event=verdict service=web outcome=cancelled", 5000);
    (void)scn_await_any("event=certificate service=web gen=1", 5000);
    (void)scn_await_any("event=certificate service=web gen=2", 5000);
    fd_close(gate);
    scn_after(scn_baseline());
}
END_TEST

START_TEST(hup_reloads_what_changed_and_only_that_and_others_do_no_harm)
{
    unsigned fds;

    web("ready", "");
    serves(1);
    fds = scn_baseline();
    scn_signal(SIGHUP);
    (void)scn_await("event=verdict service=web outcome=unchanged", 5000);
    scn_signal(SIGUSR1);
    (void)scn_await("event=signal_ignored ~SIGUSR1", 5000);
    scn_signal(SIGUSR2);
    (void)scn_await("event=signal_ignored ~SIGUSR2", 5000);
    for (int i = 0; i < 50; i++)
        scn_signal(SIGHUP);
    (void)scn_await("event=verdict service=web outcome=unchanged", 5000);
    ck_assert_uint_eq(scn_count("event=worker_spawn"), 1);
    scn_after(fds);
}
END_TEST

START_TEST(a_second_term_and_a_term_while_starting_are_no_different)
{
    int gate = scn_fifo("gate");

    web("deaf, \"await=gate\", ready", "");
    (void)scn_await("event=worker_spawn service=web gen=1", 5000);
    scn_signal(SIGTERM); /* while it starts */
    scn_signal(SIGTERM);
    scn_signal(SIGINT);
    ck_assert_int_eq(scn_stop(), 0); /* the fourth */
    fd_close(gate);
    scn_nobody_left();
}
END_TEST

scn_main("hostile", a_hundred_megabytes_without_a_newline_pass_through,
         two_hundred_thousand_lines_pass_through, a_worker_may_close_its_output_and_talk_nonsense,
         the_last_words_of_a_worker_may_fill_its_pipe,
         who_left_in_time_is_no_leak_however_much_it_had_to_say,
         ready_after_the_relief_changes_nothing, fifty_deaf_grandchildren_are_found_named_and_ended,
         a_stopped_worker_is_said_to_be_stopped_and_ended,
         a_worker_that_leaves_while_its_relief_is_announced_is_not_replaced,
         a_worker_may_be_killed_in_every_phase_of_its_life,
         a_death_on_probation_rejects_the_candidate_and_leaves_the_old_one_alone,
         a_candidate_with_one_worker_that_never_gets_ready_is_rejected,
         a_reload_waits_for_room_while_deaf_generations_drain,
         a_stop_in_the_middle_of_a_reload_ends_both_generations,
         hup_reloads_what_changed_and_only_that_and_others_do_no_harm,
         a_second_term_and_a_term_while_starting_are_no_different)
