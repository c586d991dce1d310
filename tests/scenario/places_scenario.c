/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Many that start together: max_starting. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

/* Each is ready when it has got a byte of the gate. */
static void
five_and_two_places(void)
{
    char text[8192] = "";
    size_t n = 0;

    for (int i = 0; i < 5; i++)
        n += (size_t)snprintf(
            text + n, sizeof(text) - n,
            "  s%d:\n    directory: %s\n    ready: notify\n"
            "    command: [sh, -c, 'head -c 1 <gate >/dev/null; exec ./actor ready']\n",
            i, scn_dir());
    (void)snprintf(text + n, sizeof(text) - n, "max_starting: 2\n");
    scn_config("%s", text);
}

static bool
line_says(const char *line, const char *word)
{
    const char *found = strstr(line, word);

    return found && found < strchrnul(line, '\n');
}

/* How many were on their way to be ready, when they were most. */
static int
most_at_once(void)
{
    int now = 0, most = 0;

    for (const char *at = scn_log(); at; at = strchr(at, '\n')) {
        at += *at == '\n';
        now += line_says(at, "event=worker_spawn ");
        now -= line_says(at, "event=worker_ready ");
        most = now > most ? now : most;
    }
    return most;
}

START_TEST(the_others_wait_for_their_turn_also_when_the_master_is_killed_meanwhile)
{
    int gate = scn_fifo("gate");
    char *status, words[64];

    five_and_two_places();
    scn_start();
    (void)scn_await("event=worker_spawn", 5000);
    (void)scn_await("event=worker_spawn", 5000);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(words, sizeof(words), "event=generation_starting service=s%d", i);
        (void)scn_await_any(words, 5000);
    }
    ck_assert_int_eq(scn_cli(&status, "status", NULL), 0);
    ck_assert_msg(strstr(status, "waits for its turn: 2 workers are starting (max_starting: 2)"),
                  "%s", status);
    free(status);
    (void)scn_kill_master();
    ck_assert_uint_eq(scn_count("event=worker_spawn"), 2);
    for (int i = 0; i < 3; i++) { /* one ready, one more started */
        scn_fifo_write(gate, 1);
        (void)scn_await("event=worker_spawn", 5000);
    }
    scn_fifo_write(gate, 2);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(words, sizeof(words), "event=verdict service=s%d outcome=serving", i);
        (void)scn_await_any(words, 10000);
    }
    ck_assert_int_eq(most_at_once(), 2);
    ck_assert_int_eq(close(gate), 0);
}
END_TEST

scn_main("places", the_others_wait_for_their_turn_also_when_the_master_is_killed_meanwhile)
