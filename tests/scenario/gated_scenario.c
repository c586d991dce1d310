/* SPDX-License-Identifier: GPL-2.0-or-later */

/* gated: the listeners come when the whole generation is ready, so a rejected one never has a client. */
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "harness.h"

static void
conf(const char *more)
{
    scn_file("web.conf", "greeting = hello\nthreads = 2\ndrain_quiet_ms = 50\n%s", more);
}

static unsigned
web(const char *more)
{
    scn_copy("web", getenv("WEB_BINARY"), "");
    conf("");
    scn_config(
        "  web:\n    command: [./web, --config, web.conf]\n    directory: %s\n    workers: 2\n"
        "    listen: {http: \"tcp://127.0.0.1:%d\"}\n    libstint: true\n    gated: true\n"
        "    watch: {paths: [web.conf], settle: 50ms}\n    drain_timeout: 2s\n"
        "    leak_grace: 300ms\n%s",
        scn_dir(), scn_port(), more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

/* What a client is told: the number of the generation. 0: refused or cut. */
static long
asked(void)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[2048] = {0};
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *at;
    size_t had = 0;
    ssize_t n;

    to.sin_port = htons((uint16_t)scn_port());
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1 ||
        send(fd, get, sizeof(get) - 1, MSG_NOSIGNAL) == -1)
        return 0;
    while (had < sizeof(answer) - 1 &&
           (n = recv(fd, answer + had, sizeof(answer) - 1 - had, 0)) > 0)
        had += (size_t)n;
    at = strstr(answer, "X-Stint-Generation: ");
    return at ? strtol(at + strlen("X-Stint-Generation: "), NULL, 10) : 0;
}

START_TEST(a_generation_has_clients_once_all_of_it_is_ready)
{
    unsigned fds = web("");

    ck_assert_int_eq(asked(), 1);
    conf("# changed\n");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 10000);
    ck_assert_int_eq(asked(), 2);
    scn_after(fds);
}
END_TEST

START_TEST(a_generation_that_is_rejected_never_had_one)
{
    unsigned fds = web("    start_timeout: 1s\n    respawn: {limit: {count: 1}}\n");

    conf("start_delay_ms = 60000\n"); /* it inherits nothing it could accept from */
    (void)scn_await("event=worker_spawn service=web gen=2", 10000);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(asked(), 1);
    (void)scn_await("event=verdict service=web outcome=rejected", 10000);
    (void)scn_await("event=certificate service=web gen=2", 10000);
    ck_assert_int_eq(asked(), 1);
    scn_after(fds);
}
END_TEST

START_TEST(a_respawned_worker_is_let_in_too)
{
    const char *line;
    unsigned fds = web("");
    long pid;

    scn_rewind();
    for (int slot = 0; slot < 2; slot++) {
        char words[64];

        (void)snprintf(words, sizeof(words), "event=worker_ready service=web slot=%d", slot);
        line = scn_await_any(words, 5000);
        pid = scn_field(line, "pid");
        (void)snprintf(words, sizeof(words), "event=worker_exit service=web pid=%ld", pid);
        ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
        (void)scn_await_any(words, 5000);
    }
    while (scn_count("event=worker_ready service=web gen=1") < 4)
        (void)scn_await_any("event=worker_ready service=web gen=1", 5000);
    ck_assert_int_eq(asked(), 1);
    scn_after(fds);
}
END_TEST

START_TEST(a_new_master_goes_on_where_the_old_one_was)
{
    unsigned fds = web("");

    (void)scn_kill_master();
    ck_assert_int_eq(asked(), 1);
    conf("start_delay_ms = 500\n");
    (void)scn_await("event=worker_spawn service=web gen=2", 10000);
    (void)scn_kill_master();
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 10000);
    ck_assert_int_eq(asked(), 2);
    scn_after(fds);
}
END_TEST

START_TEST(a_program_without_libstint_is_told_what_it_lacks)
{
    scn_config(
        "  web:\n    command: [./actor, ready]\n    directory: %s\n    libstint: true\n"
        "    gated: true\n    listen: {main: \"unix:%s/web.sock\"}\n    start_timeout: 500ms\n"
        "    respawn: {limit: {count: 1}}\n",
        scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=not_ready service=web ~stint_ready()", 10000);
    (void)scn_await("event=verdict service=web outcome=rejected", 10000);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("gated", a_generation_has_clients_once_all_of_it_is_ready,
         a_generation_that_is_rejected_never_had_one, a_respawned_worker_is_let_in_too,
         a_new_master_goes_on_where_the_old_one_was,
         a_program_without_libstint_is_told_what_it_lacks)
