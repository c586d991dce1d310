/* SPDX-License-Identifier: MIT */
/*
 * grpc-worker - a gRPC server that obeys its clients' deadlines, and is handed over without losing a call.
 *
 * The method /stint.Worker/Sleep takes "MS" as its message and works so long; "MS stubborn" does not look at
 * its deadline, and is what `stint status` names. It answers "GENERATION PID TIMEOUT", the last being what a
 * call made for it now would have as its grpc-timeout. See README.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

static void
handle(struct call *call)
{
    char text[64], answer[96], timeout[STINT_TIMEOUT_MAX], *rest;
    bool stubborn;
    int64_t usec;
    int r;

    call_text(call, text, sizeof(text));
    usec = strtol(text, &rest, 10) * 1000;
    stubborn = strcmp(rest, " stubborn") == 0;
    /* In place of work. Whatever waits takes the token, and ends with the deadline or the client. */
    r = stint_token_sleep(stubborn ? NULL : call->token, usec);
    if (r == 0)
        r = stint_deadline_format(call->token, STINT_TIMEOUT_GRPC, -1, timeout, sizeof(timeout));
    if (r == -ECANCELED) {
        call_finish(call, GRPC_STATUS_CANCELLED, "the client has gone");
    } else if (r < 0) {
        call_finish(call, GRPC_STATUS_DEADLINE_EXCEEDED, "the deadline came first");
    } else {
        (void)snprintf(answer, sizeof(answer), "%llu %d %s", (unsigned long long)stint_generation(),
                       (int)getpid(), timeout);
        call_finish(call, GRPC_STATUS_OK, answer);
    }
}

static int
fail(const char *what, int error)
{
    (void)fprintf(stderr, "grpc-worker: %s: %s\n", what, strerror(-error));
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    int age_ms = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 30000;
    struct server *server;
    int listener, r = stint_init(NULL);

    if (r < 0)
        return fail("start", r);
    listener = stint_listen_fd("grpc");
    if (listener < 0)
        return fail("listener 'grpc'", listener);
    server = server_create(age_ms);
    if (!server)
        return fail("gRPC", -ENOMEM);
    r = server_run(server, listener, handle);
    if (r < 0)
        return fail("serve", r);
    server_destroy(server);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
