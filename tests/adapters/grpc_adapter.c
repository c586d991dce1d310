/* SPDX-License-Identifier: GPL-2.0-or-later */
/* examples/grpc-worker under the calls of a real client, python's grpcio: grpc_load.py. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "example.h"
#include "tests/scenario/harness.h"

#define HANDOFFS 10
#define PYTHON   "/usr/bin/python3" /* Debian's, which python3-grpcio is for */

static char port[8];

static void
stage(const char *age_ms, const char *more)
{
    char policy[96];

    (void)snprintf(port, sizeof(port), "%d", scn_port());
    (void)snprintf(policy, sizeof(policy), "look: 50ms\n      %sdefault: 5s", more);
    example_copy("grpc-worker", "50051", port, "\"30000\"", age_ms, "default: 5s", policy, NULL);
    scn_copy("grpc-worker", getenv("GRPC_WORKER"), "");
    scn_start();
    (void)scn_await_any("event=verdict service=grpc outcome=serving gen=1", 10000);
}

/* A client with what we write as its input and its output for us. */
struct client {
    pid_t pid;
    int in, out;
};

static struct client
client_start(const char *const *words)
{
    const char *argv[12] = {PYTHON, getenv("GRPC_LOAD"), port};
    struct client c = {.pid = 0};
    int in[2], out[2];

    for (int i = 0; words[i]; i++)
        argv[3 + i] = words[i];
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    c.pid = fork();
    ck_assert_int_ge(c.pid, 0);
    if (c.pid == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)execv(PYTHON, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    c.in = in[1];
    c.out = out[0];
    return c;
}

/* All that it says, until it has ended. */
static void
client_end(struct client *c, char *said, size_t size)
{
    size_t n = strlen(said);
    ssize_t got;
    int status;

    (void)close(c->in);
    while (n + 1 < size && (got = read(c->out, said + n, size - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = '\0';
    (void)close(c->out);
    ck_assert_int_eq(waitpid(c->pid, &status, 0), c->pid);
    ck_assert_msg(status == 0, "the client ended with %d: %s; is python3-grpcio installed?", status,
                  said);
}

static void
call(const char *text, const char *timeout_ms, const char *caller, char *said, size_t size)
{
    const char *const words[] = {"one", text, timeout_ms, caller, NULL};
    struct client c = client_start(words);

    said[0] = '\0';
    client_end(&c, said, size);
}

static long
number(const char *said, const char *behind)
{
    const char *at = strstr(said, behind);

    ck_assert_msg(at != NULL, "%s", said);
    return strtol(at + strlen(behind), NULL, 10);
}

START_TEST(no_call_fails_that_had_not_expired_over_ten_handoffs)
{
    const char *const words[] = {"4", NULL};
    char said[2048] = "";
    struct client load;
    long calls, expired;

    stage("\"400\"", "tolerance: 2s\n      ");
    load = client_start(words);
    do /* "began\n" */
        ck_assert_int_eq(read(load.out, said, 1), 1);
    while (said[0] != '\n');
    said[0] = '\0';
    for (int gen = 2; gen < 2 + HANDOFFS; gen++) {
        char certificate[96];

        ck_assert_int_eq(scn_cli(NULL, "reload", "grpc", "--force", "--wait=gone", NULL), 0);
        (void)snprintf(certificate, sizeof(certificate),
                       "event=certificate service=grpc gen=%d leaks=0", gen - 1);
        (void)scn_await_any(certificate, 20000);
    }
    client_end(&load, said, sizeof(said));
    calls = number(said, "calls ");
    expired = number(said, "expired ");
    (void)fprintf(stderr, "%s", said);
    ck_assert_msg(number(said, "failed ") == 0, "%s", said);
    ck_assert_msg(calls >= 100 && expired >= 10, "%s", said);
    ck_assert_msg(number(said, "generations ") >= HANDOFFS, "%s", said);
    ck_assert_msg(number(said, "unsaid ") <= expired / 4, "%s", said);
    ck_assert_uint_eq(scn_count("event=worker_exit status=0"), HANDOFFS);
    ck_assert_uint_eq(scn_count("event=worker_kill"), 0);
    ck_assert_uint_eq(scn_count("event=overrun"), 0); /* who obeys is not named, however busy */
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

START_TEST(a_deadline_is_answered_early_and_a_handler_that_sleeps_through_it_is_named)
{
    char said[512];
    char *out = NULL;

    stage("\"4000\"", "reserve: 300ms\n      "); /* the answer has so long to be there first */
    call("5", "0", "plain", said, sizeof(said)); /* no grpc-timeout: the default */
    ck_assert_msg(strncmp(said, "OK 1 ", 5) == 0, "%s", said);
    call("5", "2000", "gateway", said, sizeof(said));
    ck_assert_msg(strncmp(said, "OK 1 ", 5) == 0 && said[strlen(said) - 2] == 'u', "%s", said);
    call("3000", "900", "gateway", said, sizeof(said));
    ck_assert_str_eq(said, "DEADLINE_EXCEEDED the deadline came first\n");
    ck_assert_uint_eq(scn_count("event=overrun"), 0);
    call("2500 stubborn", "900", "gateway", said, sizeof(said));
    ck_assert_msg(strncmp(said, "DEADLINE_EXCEEDED", 17) == 0, "%s", said);
    (void)scn_await_any("event=overrun service=grpc gen=1 task=/stint.Worker/Sleep "
                        "scope=root/grpc live=true ~handler- ~server.c: "
                        "trace=0af7651916cd43dd8448eb211c80319c",
                        10000);
    ck_assert_int_eq(scn_cli(&out, "status", "grpc", NULL), 0);
    ck_assert_msg(strstr(out, "PAST ITS DEADLINE: thread handler-") != NULL, "%s", out);
    free(out);
    out = NULL;
    ck_assert_int_eq(scn_cli(&out, "status", "grpc", "--json", NULL), 0);
    ck_assert_msg(strstr(out, "\"caller\": \"gateway\"") && strstr(out, "\"caller\": \"plain\""),
                  "%s", out);
    free(out);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

scn_main("grpc", no_call_fails_that_had_not_expired_over_ten_handoffs,
         a_deadline_is_answered_early_and_a_handler_that_sleeps_through_it_is_named)
