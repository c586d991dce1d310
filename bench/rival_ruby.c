// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unicorn and puma with one Rack application, by themselves as their manuals say, and with stint for
 * their master, from which they inherit the listener by socket activation.
 */
#include "bench/rival_families.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/error.h"
#include "bench/rival_stint.h"

static int
write_application(const struct bout *b, struct error *reterr)
{
    int r = bout_generation(b, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(
        b, "config.ru", reterr,
        "generation = File.read('%s/generation').strip\n"
        "body = \"hello from generation #{generation}\\n\"\n"
        "headers = {'Content-Type' => 'text/plain',\n"
        "           'Content-Length' => body.bytesize.to_s,\n"
        "           'X-Stint-Generation' => generation}\n"
        "run ->(env) { [200, headers.dup, [body]] }\n"
        "if ENV['READY_FD']\n"
        "  begin\n"
        "    IO.for_fd(ENV['READY_FD'].to_i, 'w', autoclose: false).syswrite(\"\\n\")\n"
        "  rescue SystemCallError\n"
        "    # a sibling has said it before\n"
        "  end\n"
        "end\n",
        b->dir);
}

#define READY_BY_FD .ready = "{fd: 5}", .environment = "READY_FD: '5', RACK_ENV: none", .workers = 1

/*
 * ---- unicorn: USR2, then QUIT to the old master ("SIGNALS": Procedure to replace a running unicorn
 * executable), which the before_fork hook of its own example configuration sends.
 */

static int
unicorn_configure(const struct bout *b, struct error *reterr)
{
    int r = write_application(b, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(b, "unicorn.rb", reterr,
                      "worker_processes 2\n"
                      "listen '127.0.0.1:%1$u', :backlog => 1024\n"
                      "pid '%2$s/unicorn.pid'\n"
                      "before_fork do |server, worker|\n"
                      "  old_pid = \"#{server.config[:pid]}.oldbin\"\n"
                      "  if old_pid != server.pid\n"
                      "    begin\n"
                      "      sig = (worker.nr + 1) >= server.worker_processes ? :QUIT : :TTOU\n"
                      "      Process.kill(sig, File.read(old_pid).to_i)\n"
                      "    rescue Errno::ENOENT, Errno::ESRCH\n"
                      "    end\n"
                      "  end\n"
                      "end\n",
                      b->port, b->dir);
}

static pid_t
unicorn_start(const struct bout *b, struct error *reterr)
{
    static const char *const argv[] = {"unicorn",    "-E",        "none", "-c",
                                       "unicorn.rb", "config.ru", NULL};

    return bout_child(b, argv, reterr);
}

/* The master is another process each time. */
static int
unicorn_reload(const struct bout *b, struct error *reterr)
{
    pid_t pid = bout_pid_of(b, "unicorn.pid");

    if (pid < 0)
        return error_set(reterr, (int)pid, "find the master of %s", b->rival->name);
    return bout_signal(b, pid, SIGUSR2, reterr);
}

static void
unicorn_stop(const struct bout *b)
{
    pid_t pid = bout_pid_of(b, "unicorn.pid");

    if (pid > 0)
        (void)kill(pid, SIGTERM);
}

const struct rival rival_unicorn = {
    .name = "unicorn",
    .serves = "unicorn, one request a connection",
    .how = "USR2, then QUIT",
    .needs = {"unicorn"},
    .configure = unicorn_configure,
    .start = unicorn_start,
    .reload = unicorn_reload,
    .stop = unicorn_stop,
    .stop_signal = SIGTERM,
    .modest = true,
};

static int
stint_unicorn_configure(const struct bout *b, struct error *reterr)
{
    static const struct stint_service service = {
        .command = "[unicorn, -E, none, -c, unicorn.rb, config.ru]",
        .drain_signal = "QUIT",
        READY_BY_FD};
    int r = write_application(b, reterr);

    /* It asks for the address that it inherits, so that it finds that it has it. */
    if (r == 0 && b->generation == 1)
        r = bout_write(b, "unicorn.rb", reterr,
                       "worker_processes 2\nlisten '127.0.0.1:%u', :backlog => 1024\n", b->port);
    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_unicorn = {
    .name = "stint+unicorn",
    .serves = "unicorn, one request a connection",
    .needs = {"unicorn"},
    .configure = stint_unicorn_configure,
    .modest = true,
    STINT_RIVAL,
};

/*
 * ---- puma ("Restarts"): USR2 restarts in place, clients wait in the listen queue; USR1 is the phased
 * restart, one worker of the cluster after the other. Without preload_app!, so that the application is
 * loaded anew.
 */

static int
puma_configure(const struct bout *b, struct error *reterr)
{
    int r = write_application(b, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(b, "puma.rb", reterr,
                      "workers 2\n"
                      "threads 16, 16\n"
                      "environment 'none'\n"
                      "persistent_timeout 75\n"
                      "directory '%1$s'\n"
                      "bind 'tcp://127.0.0.1:%2$u?backlog=1024'\n",
                      b->dir, b->port);
}

static pid_t
puma_start(const struct bout *b, struct error *reterr)
{
    static const char *const argv[] = {"puma", "-C", "puma.rb", "config.ru", NULL};

    return bout_child(b, argv, reterr);
}

static int
puma_restart(const struct bout *b, struct error *reterr)
{
    return bout_signal(b, b->pid, SIGUSR2, reterr);
}

static int
puma_phase(const struct bout *b, struct error *reterr)
{
    return bout_signal(b, b->pid, SIGUSR1, reterr);
}

const struct rival rival_puma = {
    .name = "puma",
    .serves = "puma, keep-alive",
    .how = "USR2",
    .needs = {"puma"},
    .configure = puma_configure,
    .start = puma_start,
    .reload = puma_restart,
    .interval_us = INT64_C(2000000), /* it is silent for half a second */
    .stop_signal = SIGTERM,
    .modest = true,
};

const struct rival rival_puma_phased = {
    .name = "puma-phased",
    .serves = "puma, keep-alive",
    .how = "USR1",
    .needs = {"puma"},
    .configure = puma_configure,
    .start = puma_start,
    .reload = puma_phase,
    .interval_us = INT64_C(3000000), /* one worker after the other */
    .stop_signal = SIGTERM,
    .modest = true,
};

static int
stint_puma_configure(const struct bout *b, struct error *reterr)
{
    static const struct stint_service service = {.command = "[puma, -C, puma.rb, config.ru]",
                                                 READY_BY_FD};
    int r = puma_configure(b, reterr);

    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_puma = {
    .name = "stint+puma",
    .serves = "puma, keep-alive",
    .needs = {"puma"},
    .configure = stint_puma_configure,
    .modest = true,
    STINT_RIVAL,
};
