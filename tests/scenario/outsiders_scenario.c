/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What a worker was given is sent to somebody who never came from it (SCM_RIGHTS): a certificate that says
 * that all of it was given back would be false.
 */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

/* A process beside the supervisor: takes what it is sent, and keeps it for as long as it lives. */
static pid_t
stranger(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/stranger.sock", scn_dir());
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(chmod(at.sun_path, 0777), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) {
        fd_close(listener);
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "a stranger");
    for (;;) {
        char byte, control[CMSG_SPACE(sizeof(int))];
        struct iovec part = {&byte, 1};
        struct msghdr m = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        int client = accept(listener, NULL, NULL);

        if (recvmsg(client, &m, 0) == 1)
            (void)!write(client, "!", 1);
        (void)close(client);
    }
}

static void
end(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void
web(const char *acts, const char *more)
{
    scn_config("  web:\n    command: [./actor, %s]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    drain_timeout: 3s\n%s",
               acts, scn_dir(), scn_dir(), more);
}

/* The certificate of @generation; the caller's. */
static json_t *
certificate(int generation)
{
    auto_free char *out = NULL;
    json_t *answer, *c, *found = NULL;
    size_t i;

    ck_assert_int_eq(scn_cli(&out, "leaks", "web", "--certificates", "--json", NULL), 0);
    answer = json_loads(out, 0, NULL);
    ck_assert_msg(answer != NULL, "%s", out);
    json_array_foreach(
        json_object_get(json_array_get(json_object_get(answer, "services"), 0), "certificates"), i,
        c) if (json_integer_value(json_object_get(c, "generation")) == generation) found =
        json_incref(c);
    json_decref(answer);
    ck_assert_msg(found != NULL, "generation %d has no certificate: %s", generation, out);
    return found;
}

static void
expect(int generation, bool returned, const char *known, const char *text)
{
    json_t *c = certificate(generation);
    auto_free char *all = json_dumps(c, 0);
    const char *is = json_string_value(json_object_get(json_object_get(c, "how"), "fds"));
    const char *says = json_string_value(json_object_get(c, "text"));

    ck_assert_msg(json_is_true(json_object_get(c, "fds_returned")) == returned, "%s", all);
    ck_assert_msg(is && strcmp(is, known) == 0, "%s", all);
    ck_assert_msg(text ? says && strstr(says, text) : !says, "%s", all);
    ck_assert(json_is_true(json_object_get(c, "pids_gone")));
    json_decref(c);
}

static void
first_serves(const struct scn_world *world)
{
    if (world)
        ck_assert(scn_launch(world));
    else
        scn_start();
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 20000);
}

static void
next(int generation)
{
    char words[80];

    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)snprintf(words, sizeof(words), "event=certificate service=web gen=%d", generation - 1);
    (void)scn_await_any(words, 10000);
}

START_TEST(a_listener_that_a_stranger_was_sent_is_not_returned_and_he_is_named)
{
    pid_t pid = stranger();
    char want[64];
    const char *line;

    web("send=listener, ready", "");
    first_serves(NULL);
    (void)snprintf(want, sizeof(want), "%d `", (int)pid);
    web("ready", ""); /* who comes after sends nothing, and has the listener, too */
    (void)scn_await_any("event=verdict service=web outcome=serving gen=2", 20000);
    line = scn_await_any("event=certificate service=web gen=1 ~every+process+is+gone", 10000);
    ck_assert_msg(strstr(line, want) && strstr(line, "holds listener main (fd ") &&
                      strstr(line, "none of ours") && strstr(line, "or by a worker that lives"),
                  "%s", line);
    expect(1, false, "concluded", want);
    ck_assert_int_eq(scn_cli(NULL, "stop", "web", "--wait=gone", NULL), 0);
    expect(2, false, "seen", want); /* nobody else is left who could have sent it */
    ck_assert_int_eq(scn_cli(NULL, "start", "web", NULL), 0);
    end(pid);
    next(4);
    expect(3, true, "seen", NULL);
    scn_did_not_block();
}
END_TEST

START_TEST(so_is_standard_output_for_nobody_else_ever_had_it)
{
    pid_t pid = stranger();
    char want[64];

    web("send=stdout, ready", "");
    first_serves(NULL);
    next(2);
    (void)snprintf(want, sizeof(want), "%d `", (int)pid);
    expect(1, false, "seen", want);
    expect(1, false, "seen", "stdout of worker");
    end(pid);
    web("ready", "");
    (void)scn_await_any("event=certificate service=web gen=2", 20000);
    expect(2, true, "seen", NULL);
}
END_TEST

START_TEST(so_is_a_channel)
{
    pid_t pid = stranger();

    web("send=channel, ready", "    libstint: true\n");
    first_serves(NULL);
    next(2);
    expect(1, false, "seen", "channel of worker");
    end(pid);
}
END_TEST

/* As an ordinary user one may not ask the others: then nothing is claimed. */
START_TEST(who_may_not_ask_everybody_says_so)
{
    json_t *c;
    auto_free char *out = NULL;

    if (geteuid() != 0)
        return;
    web("ready", "");
    first_serves(&(struct scn_world){.uid = 65534});
    next(2);
    expect(1, true, "refused", NULL);
    c = certificate(1);
    ck_assert_int_gt(json_integer_value(json_object_get(c, "unread")), 0);
    json_decref(c);
    ck_assert_int_eq(scn_cli(&out, "leaks", "web", "--certificates", NULL), 0);
    ck_assert_msg(strstr(out, "generation 1 clean") &&
                      strstr(out, "descriptors returned (refused)") &&
                      strstr(out, " of others hold may not be seen"),
                  "%s", out);
}
END_TEST

scn_main("outsiders", a_listener_that_a_stranger_was_sent_is_not_returned_and_he_is_named,
         so_is_standard_output_for_nobody_else_ever_had_it, so_is_a_channel,
         who_may_not_ask_everybody_says_so)
