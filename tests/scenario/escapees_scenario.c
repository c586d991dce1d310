/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Processes that do what they can not to be found, named or ended. */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "harness.h"

/* @shell: what the first worker does before it becomes one that serves. */
static void
web(const char *shell)
{
    scn_file("web.sh", "[ -e once ] || { >once; %s; }\nexec ./actor ready\n", shell);
    scn_config("  web:\n    command: [/bin/sh, web.sh]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n"
               "    drain_timeout: 2s\n    leak_grace: 300ms\n",
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 20000);
}

static void
hand_over(void)
{
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=certificate service=web gen=1", 20000);
}

/* The book is JSON whatever they are called. */
static void
book_is_in_order(void)
{
    auto_free char *out = NULL;
    json_t *answer;

    ck_assert_int_eq(scn_cli(&out, "leaks", "web", "--json", NULL), 0);
    answer = json_loads(out, 0, NULL);
    ck_assert_msg(answer != NULL, "%s", out);
    json_decref(answer);
}

/* In /proc its first thread is a zombie; its descriptors and its environment are the other one's. */
START_TEST(a_daemon_whose_first_thread_has_ended_is_no_dead_one)
{
    int fifo = scn_fifo("up");
    const char *line;
    pid_t pid;

    web("(setsid ./actor orphan headless=up &)");
    scn_fifo_read(fifo, 10000);
    hand_over();
    line = scn_await_any("event=escapee service=web gen=1 ~by+STINT_SPAWN_ID", 10000);
    ck_assert_msg(strstr(line, "its first thread has ended and others live") &&
                      strstr(line, "holds stdout of worker") &&
                      strstr(line, "listener main (fd 3)"),
                  "%s", line);
    pid = (pid_t)scn_field(line, "pid");
    (void)scn_await_any("event=worker_kill service=web gen=1", 10000);
    ck_assert(scn_await_gone(pid, 10000));
    (void)scn_await_any("event=certificate service=web gen=1 ~1+killed,+1+escaped", 10000);
    scn_did_not_block();
}
END_TEST

START_TEST(so_is_one_that_has_nothing_but_the_listener)
{
    int fifo = scn_fifo("up");
    const char *line;
    pid_t pid;

    web("(exec env -i setsid ./actor orphan mute headless=up </dev/null >/dev/null 2>&1 &)");
    scn_fifo_read(fifo, 10000);
    hand_over();
    line = scn_await_any(
        "event=certificate service=web gen=1 ~1+process+is+left ~holds+listener+main+(fd+3)",
        10000);
    pid = (pid_t)strtol(strstr(line, "of it is left: ") + strlen("of it is left: "), NULL, 10);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert(scn_await_gone(pid, 10000));
}
END_TEST

/*
 * Each of them is gone before it can be asked, and without a cgroup nobody catches them. What can be done is
 * not to say that they are gone, and not to fill the log. While one of them is always known, the generation goes
 * on; else its certificate comes.
 */
START_TEST(who_forks_and_ends_and_forks_is_not_taken_for_gone)
{
    int64_t until_us = mono_now_us() + 40 * US_PER_S;

    web("(./actor orphan hop=enough &)");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    while (scn_count("event=certificate service=web gen=1 ~begin+and+end+all+the+time") == 0 &&
           scn_count("event=escapee service=web gen=1") < 64) {
        ck_assert_int_lt(mono_now_us(), until_us);
        ck_assert_int_eq(scn_cli(NULL, "version", NULL), 0);
    }
    ck_assert_uint_eq(scn_count("event=certificate service=web gen=1 ~every+process+is+gone"), 0);
    ck_assert_uint_lt(scn_count("event=escapee service=web gen=1"), 100);
    ck_assert_uint_lt(scn_count("event=worker_exit service=web gen=1"), 100);
    scn_file("enough", "%s", "");
    ck_assert_int_eq(scn_stop(), 0);
    scn_nobody_left();
}
END_TEST

/* What its worker had is full for ever: its death is buried all the same. */
START_TEST(who_floods_the_pipe_of_a_dead_worker_keeps_nobody_from_burying_it)
{
    web("(yes 'more and more' &)");
    hand_over();
    (void)scn_await_any("event=worker_exit service=web gen=1 status=0", 10000);
    (void)scn_await_any("event=escapee service=web gen=1 ~`yes", 10000);
    scn_did_not_block();
}
END_TEST

START_TEST(names_that_are_made_to_confuse_are_told_harmlessly)
{
    const char *line;

    web("(./actor orphan odd-name 'an argument)\nevent=forged \"service\"=[x]' deaf "
        "never &)");
    hand_over();
    line = scn_await_any("event=escapee service=web gen=1", 10000);
    ck_assert_msg(strstr(line, ") R 1 (??[7m") || strstr(line, "event=forged"), "%s", line);
    ck_assert_uint_eq(scn_count("event=forged"),
                      0); /* it is in a field, and in no line of its own */
    ck_assert_ptr_null(strchr(line, '\033'));
    book_is_in_order();
}
END_TEST

/* Its processes have other numbers for themselves; here they have those that are seen from here. */
START_TEST(a_child_in_a_pid_namespace_of_its_own_is_found_and_ended)
{
    const char *line;
    pid_t pid, inner;

    if (geteuid() != 0)
        return;
    web("(unshare -pf --mount-proc /bin/sh -c 'trap \"\" TERM; sleep 1000 & wait; wait' &)");
    hand_over();
    line = scn_await_any("event=escapee service=web gen=1 ~`unshare", 10000);
    pid = (pid_t)scn_field(line, "pid");
    ck_assert_msg(strstr(line, "below it: ") != NULL, "%s", line);
    inner = (pid_t)strtol(strstr(line, "below it: ") + strlen("below it: "), NULL, 10);
    ck_assert_int_gt(inner, 1);
    (void)scn_await_any("event=certificate service=web gen=1 ~every+process+is+gone", 20000);
    ck_assert(scn_await_gone(pid, 10000));
    ck_assert(scn_await_gone(inner, 10000));
}
END_TEST

scn_main("escapees", a_daemon_whose_first_thread_has_ended_is_no_dead_one,
         so_is_one_that_has_nothing_but_the_listener,
         who_forks_and_ends_and_forks_is_not_taken_for_gone,
         who_floods_the_pipe_of_a_dead_worker_keeps_nobody_from_burying_it,
         names_that_are_made_to_confuse_are_told_harmlessly,
         a_child_in_a_pid_namespace_of_its_own_is_found_and_ended)
