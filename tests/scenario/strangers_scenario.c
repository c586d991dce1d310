/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Others on the same machine, who are none of ours. */
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
web(const char *acts)
{
    scn_config("  web:\n    command: [./actor, %s]\n    directory: %s\n    drain_timeout: 2s\n",
               acts, scn_dir());
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

scn_main("strangers", a_stranger_cannot_say_ready_for_a_worker,
         a_stranger_cannot_fill_the_log_through_a_notify_socket)
