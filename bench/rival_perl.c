// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Starman with one PSGI application: under Server::Starter, as its manual recommends, and under stint,
 * which hands it the listener in the same words. Each kept connection has a process of its own, so there
 * are more of them than the client keeps. An old
 * process stays for as long as its client asks: Server::Starter waits for that without end.
 */
#include "bench/rival_families.h"

#include <signal.h>
#include <stdio.h>

#include "bench/rival_stint.h"

static int
write_application(const struct bout *b, struct error *reterr)
{
    int r = bout_generation(b, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(
        b, "hello.psgi", reterr,
        "open my $f, '<', '%s/generation' or die; chomp(my $generation = <$f>);\n"
        "my $body = \"hello from generation $generation\\n\";\n"
        "if ($ENV{READY_FD} and open my $ready, '>&=', $ENV{READY_FD}) {\n"
        "    local $SIG{PIPE} = 'IGNORE'; # a sibling has said it before\n"
        "    syswrite $ready, \"\\n\";\n"
        "}\n"
        "sub { [200, ['Content-Type' => 'text/plain', 'Content-Length' => length $body,\n"
        "             'X-Stint-Generation' => $generation], [$body]] };\n",
        b->dir);
}

/* The signal that ends Starman when the requests it has are done is QUIT, for both. */
static pid_t
start_server_start(const struct bout *b, struct error *reterr)
{
    char port[32];
    const char *const argv[] = {"start_server",
                                port,
                                "--backlog=1024",
                                "--signal-on-hup=QUIT",
                                "--signal-on-term=QUIT",
                                "--",
                                "starman",
                                "--workers=24",
                                "--keepalive-timeout=75",
                                "hello.psgi",
                                NULL};

    (void)snprintf(port, sizeof(port), "--port=127.0.0.1:%u", b->port);
    return bout_child(b, argv, reterr);
}

static int
hang_up(const struct bout *b, struct error *reterr)
{
    return bout_signal(b, b->pid, SIGHUP, reterr);
}

const struct rival rival_starman = {
    .name = "start_server+starman",
    .serves = "Starman, keep-alive",
    .how = "HUP",
    .needs = {"start_server", "starman"},
    .configure = write_application,
    .start = start_server_start,
    .reload = hang_up,
    .interval_us = INT64_C(2000000), /* as start_server with any other program */
    .stop_signal = SIGTERM,
    .modest = true,
};

static int
stint_starman_configure(const struct bout *b, struct error *reterr)
{
    char environment[96];
    const struct stint_service service = {
        .command = "[starman, --workers=24, --keepalive-timeout=75, hello.psgi]",
        .ready = "{fd: 5}",
        .drain_signal = "QUIT",
        .environment = environment,
        .workers = 1,
        .max_draining = 16};
    int r = write_application(b, reterr);

    (void)snprintf(environment, sizeof(environment),
                   "READY_FD: '5', SERVER_STARTER_PORT: '127.0.0.1:%u=3'", b->port);
    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_starman = {
    .name = "stint+starman",
    .serves = "Starman, keep-alive",
    .needs = {"starman"},
    .configure = stint_starman_configure,
    .modest = true,
    STINT_RIVAL,
};
