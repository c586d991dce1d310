/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * examples/haproxy with `handoff: signal`: HAProxy's own reload (USR2), which it reports by RELOADING=1 and
 * READY=1. It executes itself in place, so the worker is the same process in every generation.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "example.h"
#include "tests/scenario/harness.h"

#define RELOADS 10

/* What it answers to a GET; "" when nobody does. */
static const char *
get(void)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    static char answer[4096];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = 0;
    ssize_t got;

    to.sin_port = htons((uint16_t)scn_port());
    answer[0] = '\0';
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1 ||
        write(fd, request, strlen(request)) != (ssize_t)strlen(request))
        return answer;
    while (n < sizeof(answer) - 1 && (got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0)
        n += (size_t)got;
    answer[n] = '\0';
    return answer;
}

static pid_t
stage(void)
{
    char address[32];

    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", scn_port());
    example_copy("haproxy", "127.0.0.1:8080", address, "    drain_signal: USR1",
                 "    handoff: signal\n    reload_signal: USR2\n    drain_signal: USR1", NULL);
    scn_start();
    return (pid_t)scn_field(scn_await_any("event=worker_ready service=web gen=1", 10000), "pid");
}

START_TEST(it_reloads_itself_and_says_so)
{
    pid_t pid = stage();

    for (int gen = 2; gen < 2 + RELOADS; gen++) {
        char from[32], to[32], words[128];

        (void)snprintf(from, sizeof(from), "release %d", gen - 1);
        (void)snprintf(to, sizeof(to), "release %d", gen);
        example_edit("haproxy.cfg", from, to);
        (void)snprintf(words, sizeof(words),
                       "event=verdict service=web outcome=serving gen=%d evidence=notify", gen);
        (void)scn_await(words, 10000);
        ck_assert_msg(strstr(get(), to) != NULL, "generation %d answers '%s'", gen, get());
    }
    ck_assert(scn_alive(pid));
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    ck_assert_uint_eq(scn_count("event=worker_signalled ~SIGUSR2"), RELOADS);
    ck_assert_int_eq(scn_stop(), 0);
    (void)scn_await_any("event=certificate service=web gen=11 leaks=0", 10000);
}
END_TEST

START_TEST(a_typo_is_rejected_before_it_is_asked)
{
    (void)stage();
    example_edit("haproxy.cfg", "frontend", "frntend");
    (void)scn_await("event=verdict service=web outcome=rejected gen=1 ~unknown+keyword", 10000);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 0);
    ck_assert_ptr_nonnull(strstr(get(), "release 1"));
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

adapter_main("haproxy", "haproxy, by signal", it_reloads_itself_and_says_so,
             a_typo_is_rejected_before_it_is_asked)
