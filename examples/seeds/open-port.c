/* SPDX-License-Identifier: MIT */
/*
 * A profiling port that somebody opened while looking for a fault, and that was shipped: it gives out
 * to anybody who reaches it what threads there are, and what the program was started with.
 *
 *     stint preflight open-port          fails: profiling
 *     stint preflight open-port-fixed    passes: nothing but the service's own socket listens, and
 *                                        `stint profile` looks from outside, for those who may
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "examples/seeds/server.h"

static int
hello(const struct request *rq, char *answer, size_t room)
{
    (void)rq;
    (void)snprintf(answer, room, "hello\n");
    return 200;
}

#if !FIXED
static int debug_port;

static int
debug(const struct request *rq, char *answer, size_t room)
{
    if (strcmp(rq->path, "/debug/pprof/") == 0)
        (void)snprintf(answer, room, "<h1>profiles</h1><a>cmdline</a><a>heap</a><a>threads</a>\n");
    else if (strcmp(rq->path, "/debug/pprof/threads") == 0)
        (void)snprintf(answer, room, "3 threads: main, serve-0, serve-1\n");
    else
        return 404;
    return 200;
}

static void
debug_serve(void *arg)
{
    struct pollfd p = {.fd = debug_port, .events = POLLIN};

    (void)arg;
    while (stint_token_poll(stint_current(), &p, 1, STINT_NEVER) > 0) {
        int fd = accept4(debug_port, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            answer_one(fd, debug);
    }
}

static int
debug_open(void)
{
    const char *port = getenv("DEBUG_PORT");
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    int one = 1;

    at.sin_port = htons((uint16_t)strtoul(port ? port : "6060", NULL, 10));
    debug_port = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (debug_port == -1 ||
        setsockopt(debug_port, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == -1 ||
        bind(debug_port, (const struct sockaddr *)&at, sizeof(at)) == -1 ||
        listen(debug_port, 8) == -1) {
        perror("open-port: the port for debugging");
        return -1;
    }
    return 0;
}
#endif

int
main(void)
{
#if !FIXED
    struct stint_thread *debugger;
#endif

    if (stint_init(NULL) < 0 || server_start(hello) < 0)
        return 1;
#if !FIXED
    if (debug_open() < 0 ||
        stint_thread_spawn(&debugger, stint_root(), "debug", debug_serve, NULL) < 0)
        return 1;
#endif
    if (stint_ready() < 0)
        return 1;
    server_join();
#if !FIXED
    (void)stint_thread_join(debugger, NULL, STINT_NEVER);
#endif
    return 0;
}
