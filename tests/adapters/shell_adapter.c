/* SPDX-License-Identifier: GPL-2.0-or-later */
/* examples/shell: a script that says READY=1 by systemd-notify, whose process is gone by the time that it is read. */
#include <stdio.h>
#include <string.h>

#include "example.h"
#include "tests/scenario/harness.h"

#define HANDOFFS 10

static void
stage(const char *from, const char *to)
{
    example_copy("shell", from, to, NULL);
    scn_start();
    (void)scn_await_any("event=verdict service=job outcome=serving gen=1", 10000);
}

static void
hand_over(int gen)
{
    char from[32], to[32], words[96];

    (void)snprintf(from, sizeof(from), "RELEASE=%d\n", gen - 1);
    (void)snprintf(to, sizeof(to), "RELEASE=%d\n", gen);
    example_edit("job.conf", from, to);
    (void)snprintf(words, sizeof(words), "event=verdict service=job outcome=serving gen=%d", gen);
    (void)scn_await_any(words, 10000);
    (void)snprintf(words, sizeof(words), "event=certificate service=job gen=%d leaks=0", gen - 1);
    (void)scn_await_any(words, 10000);
}

START_TEST(a_script_with_a_trap_leaves_between_two_rounds_with_all_of_its_children)
{
    char *out = NULL;

    stage("ROUND=5", "ROUND=600");
    for (int gen = 2; gen < 2 + HANDOFFS; gen++)
        hand_over(gen);
    ck_assert_int_eq(scn_cli(&out, "status", "job", NULL), 0);
    ck_assert_msg(strstr(out, "release 11") != NULL, "STATUS= did not come: %s", out);
    free(out);
    ck_assert_uint_eq(scn_count("event=escapee"), 0);
    ck_assert_uint_eq(scn_count("event=worker_leak"), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit status=0"), HANDOFFS);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(the_sleep_that_a_script_leaves_behind_is_named_and_ended_at_once)
{
    stage("./job.sh", "./naive.sh");
    for (int gen = 2; gen < 2 + HANDOFFS; gen++)
        hand_over(gen);
    ck_assert_uint_eq(scn_count("event=escapee ~process+'sleep'+outlived"), HANDOFFS);
    ck_assert_uint_eq(scn_count("event=worker_kill"), 0); /* a sleep ends on SIGTERM */
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_script_that_does_not_parse_is_rejected_in_the_shells_words)
{
    const char *line;

    stage("ROUND=5", "ROUND=600");
    example_edit("job.sh", "while [", "whlie [");
    line = scn_await("event=verdict service=job outcome=rejected", 10000);
    ck_assert_msg(strstr(line, "Syntax error") != NULL, "%s", line);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

adapter_main("systemd-notify", "shell",
             a_script_with_a_trap_leaves_between_two_rounds_with_all_of_its_children,
             the_sleep_that_a_script_leaves_behind_is_named_and_ended_at_once,
             a_script_that_does_not_parse_is_rejected_in_the_shells_words)
