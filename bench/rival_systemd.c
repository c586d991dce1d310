// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * systemd, as PID 1 of namespaces of its own (bench/machine): `systemctl restart` of a service that
 * binds by itself, and of one whose listener a socket unit holds. The worker is the example that stint
 * runs, and leaves at once: nobody answers until it has.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/error.h"
#include "bench/rival_c.h"
#include "bench/rival_families.h"

#define SERVICE                 \
    "[Unit]\n"                  \
    "DefaultDependencies=no\n"  \
    "StartLimitIntervalSec=0\n" \
    "[Service]\n"               \
    "ExecStart=%1$s/run\n"      \
    "Restart=always\n"          \
    "StandardOutput=null\n"     \
    "StandardError=null\n"

static int
write_worker(const struct bout *b, enum web_listener listener, struct error *reterr)
{
    int r = bout_generation(b, reterr);

    if (r == 0 && b->generation == 1)
        r = web_config(b, WEB_AT_ONCE_MS, reterr);
    if (r == 0 && b->generation == 1)
        r = web_run(b, "run", listener, reterr);
    if (r == 0 && b->generation == 1)
        r = bout_folder(b, "units", reterr);
    return r;
}

static int
configure(const struct bout *b, struct error *reterr)
{
    int r = write_worker(b, WEB_BINDS, reterr);

    return r < 0 || b->generation > 1 ? r
                                      : bout_write(b, "units/web.service", reterr, SERVICE, b->dir);
}

static int
configure_socket(const struct bout *b, struct error *reterr)
{
    int r = write_worker(b, WEB_ON_3_SAID, reterr);

    if (r == 0 && b->generation == 1)
        r = bout_write(b, "units/web.service", reterr, SERVICE, b->dir);
    if (r == 0 && b->generation == 1)
        r = bout_write(b, "units/web.socket", reterr,
                       "[Unit]\n"
                       "DefaultDependencies=no\n"
                       "[Socket]\n"
                       "ListenStream=127.0.0.1:%u\n"
                       "FileDescriptorName=http\n"
                       "Backlog=1024\n",
                       b->port);
    return r;
}

static pid_t
start(const struct bout *b, struct error *reterr)
{
    const char *const argv[] = {b->arena->machine, b->dir,           b->arena->work,
                                b->arena->web,     b->arena->listen, NULL};

    return bout_child(b, argv, reterr);
}

static int
reload(const struct bout *b, struct error *reterr)
{
    char pid[16];
    const char *const argv[] = {"nsenter", "-t",        pid,       "-m",          "-p",
                                "-C",      "systemctl", "restart", "web.service", NULL};
    pid_t init = bout_pid_of(b, "machine.pid");

    if (init < 0)
        return error_set(reterr, (int)init, "find the machine's init");
    (void)snprintf(pid, sizeof(pid), "%d", (int)init);
    return bout_command(b, argv, reterr);
}

#define NEEDS                                                      \
    {                                                              \
        "unshare", "nsenter", "pivot_root", "/lib/systemd/systemd" \
    }

const struct rival rival_systemd = {
    .name = "systemd",
    .serves = WEB_SERVES,
    .how = "systemctl restart",
    .needs = NEEDS,
    .configure = configure,
    .start = start,
    .reload = reload,
    .stop_signal = SIGTERM,
    .root = true,
};

const struct rival rival_systemd_socket = {
    .name = "systemd-socket",
    .serves = WEB_SERVES,
    .how = "systemctl restart",
    .needs = NEEDS,
    .configure = configure_socket,
    .start = start,
    .reload = reload,
    .stop_signal = SIGTERM,
    .root = true,
};
