/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Others on the same machine, who are none of ours. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "harness.h"

static void
configure(const char *acts)
{
    scn_config("  web:\n    command: [./actor, %s]\n    directory: %s\n    drain_timeout: 2s\n",
               acts, scn_dir());
}

static void
web(const char *acts)
{
    configure(acts);
    scn_start();
}

static void
spoof(const char *notify, const char *text)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/run/notify/%s.sock", scn_dir(), notify);
    ck_assert_int_eq(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to, sizeof(to)),
                     (int)strlen(text));
    fd_close(fd);
}

START_TEST(a_stranger_cannot_say_ready_for_a_worker)
{
    int gate = scn_fifo("gate");
    unsigned fds;

    web("\"await=gate\", ready");
    (void)scn_await("event=worker_spawn service=web gen=1", 5000);
    spoof("1", "READY=1");
    (void)scn_await("event=notify_refused service=web ~not+of+this+worker", 5000);
    ck_assert_uint_eq(scn_count("event=worker_ready"), 0);
    scn_fifo_write(gate, 1);
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 20000);
    fds = scn_baseline();
    spoof("1", "STATUS=lies");
    (void)scn_await("event=notify_refused service=web", 5000);
    fd_close(gate);
    scn_after(fds);
}
END_TEST

START_TEST(a_stranger_cannot_fill_the_log_through_a_notify_socket)
{
    auto_free char *out = NULL;
    unsigned fds;

    web("ready");
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 20000);
    fds = scn_baseline();
    for (int i = 0; i < 1000; i++)
        spoof("1", "READY=1");
    do { /* each is read, and counted */
        free(out);
        ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    } while (!strstr(out, "\"refused_notify\": 1000") && !strstr(out, "\"refused_notify\":1000"));
    ck_assert_uint_lt(scn_count("event=notify_refused"), 200);
    scn_after(fds);
}
END_TEST

START_TEST(a_child_that_was_there_before_the_master_is_left_alone)
{
    char path[64], text[32] = "";
    pid_t child;
    unsigned fds;
    int fd;

    configure("ready");
    ck_assert(scn_launch(&(struct scn_world){.has_child = true}));
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)scn_keeper(),
                   (int)scn_keeper());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
    fd_close(fd);
    child = (pid_t)strtol(text, NULL, 10); /* the oldest comes first */
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 20000);
    fds = scn_baseline();
    ck_assert_int_eq(scn_cli(NULL, "reload", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "--force", "--wait=gone", NULL), 0);
    ck_assert_uint_eq(scn_count("event=orphan"), 0);
    ck_assert(scn_alive(child));
    ck_assert_int_eq(kill(child, SIGKILL), 0); /* … and reaped when it ends */
    ck_assert(scn_await_gone(child, 10000));
    scn_after(fds);
}
END_TEST

scn_main("strangers", a_stranger_cannot_say_ready_for_a_worker,
         a_stranger_cannot_fill_the_log_through_a_notify_socket,
         a_child_that_was_there_before_the_master_is_left_alone)
