/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The examples of libstint, each with its own stint.yaml: they serve, hand over, and leave nobody behind. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/scenario/harness.h"

#define SERVICE                     \
    "  %s:\n"                       \
    "    command: [%s/program%s]\n" \
    "    directory: %s\n"           \
    "    workers: %d\n"             \
    "%s"                            \
    "    libstint: true\n"          \
    "    ready: notify\n"

static void
start_example(const char *name, const char *variable, const char *listen, int workers,
              const char *argument)
{
    auto_free char *listener = NULL;

    if (listen)
        ck_assert_int_gt(asprintf(&listener,
                                  "    listen:\n      %s: {address: 'unix:%s/serve.sock'}\n",
                                  listen, scn_dir()),
                         0);
    scn_copy("program", getenv(variable), "");
    scn_config(SERVICE, name, scn_dir(), argument, scn_dir(), workers, listener ? listener : "");
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
}

/* A line to the example, and the line it answers, within the time. */
static void
say(int fd, const char *line)
{
    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
}

static void
hear(int fd, char *line, size_t room, int timeout_ms)
{
    size_t n = 0;

    line[0] = '\0';
    while (n + 1 < room && !strchr(line, '\n')) {
        struct pollfd news = {.fd = fd, .events = POLLIN};
        ssize_t got;

        ck_assert_msg(poll(&news, 1, timeout_ms * SCN_PATIENCE) == 1, "no answer, only '%s'", line);
        got = read(fd, line + n, room - 1 - n);
        ck_assert_msg(got > 0, "the connection was closed after '%s'", line);
        n += (size_t)got;
        line[n] = '\0';
    }
}

/* await_output - a line of the example's own that begins so. */
static void
await_output(const char *beginning)
{
    auto_free char *said = NULL;

    ck_assert_int_gt(asprintf(&said, "msg=\"%s", beginning), 0);
    while (!strstr(scn_await("event=output", 10000), said))
        ;
}

static void
hand_over(void)
{
    auto_free char *out = NULL;

    ck_assert_msg(scn_cli(&out, "reload", "--force", "--wait", "gone", NULL) == 0, "%s", out);
    (void)scn_await_any("event=certificate gen=1 leaks=0", 10000);
    ck_assert_msg(scn_count("event=worker_leak") == 0, "%s", scn_log());
    ck_assert_msg(scn_count("event=thread_leak") == 0, "%s", scn_log());
}

START_TEST(the_pool_finishes_what_it_took_on)
{
    char line[128];
    int slow, quick, late;

    start_example("pool", "POOL_BINARY", "requests", 1, "");
    slow = scn_connect("serve.sock");
    say(slow, "700 5000\n"); /* under way at the handoff: its token is not the pool's */
    quick = scn_connect("serve.sock");
    say(quick, "1 1000\n");
    hear(quick, line, sizeof(line), 3000);
    ck_assert_msg(strncmp(line, "done 1 ", 7) == 0, "%s", line);
    late = scn_connect("serve.sock");
    say(late, "5000 30\n");
    hear(late, line, sizeof(line), 3000);
    ck_assert_msg(strncmp(line, "late 1 ", 7) == 0, "%s", line);
    hand_over();
    hear(slow, line, sizeof(line), 3000);
    ck_assert_msg(strncmp(line, "done 1 ", 7) == 0, "%s", line);
    close(slow);
    close(quick);
    close(late);
}
END_TEST

START_TEST(the_loop_lets_its_clients_finish)
{
    char line[128];
    int old, fresh;

    start_example("echo", "ECHO_BINARY", "echo", 1, "");
    old = scn_connect("serve.sock");
    say(old, "before\n");
    hear(old, line, sizeof(line), 3000);
    ck_assert_str_eq(line, "before\n");
    hand_over(); /* it left by itself once the client was quiet */
    ck_assert_int_eq(read(old, line, sizeof(line)), 0);
    fresh = scn_connect("serve.sock");
    say(fresh, "after\n");
    hear(fresh, line, sizeof(line), 3000);
    ck_assert_str_eq(line, "after\n");
    close(old);
    close(fresh);
}
END_TEST

START_TEST(a_configuration_is_taken_over_in_the_living_process)
{
    scn_file("ticker.conf", "one 10\n");
    start_example("ticker", "TICKER_BINARY", NULL, 1, ", ticker.conf");
    scn_file("ticker.conf", "one 10\ntwo 20\n");
    await_output("ticker: generation 2");
    scn_file("ticker.conf", "nonsense\n");
    await_output("ticker: ticker.conf:1: expected NAME PERIOD_MS");
    scn_file("ticker.conf", "three 10\n");
    await_output("ticker: generation 3");
    hand_over();
}
END_TEST

START_TEST(a_thread_of_an_old_configuration_is_found_in_the_living_process)
{
    const char *line;

    scn_file("ticker.conf", "good 10\nbad deaf\n");
    start_example("ticker", "TICKER_BINARY", NULL, 1, ", ticker.conf");
    scn_file("ticker.conf", "good 10\n");
    await_output("ticker: bad ("); /* the program was told who does not leave … */
    line = scn_await_any("event=thread_leak", 20000); /* … and so was the supervisor */
    ck_assert_msg(strstr(line, "thread `bad`") != NULL, "%s", line);
    ck_assert_msg(strstr(line, "for a word that nobody says") != NULL, "%s", line);
    ck_assert_msg(strstr(scn_log(), "thread `good`") == NULL, "%s", scn_log());
}
END_TEST

scn_main("examples", the_pool_finishes_what_it_took_on, the_loop_lets_its_clients_finish,
         a_configuration_is_taken_over_in_the_living_process,
         a_thread_of_an_old_configuration_is_found_in_the_living_process)
