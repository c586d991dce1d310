// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gunicorn and uWSGI with one WSGI application, by themselves as their manuals say, and with stint for
 * their master, from which they inherit the listener (gunicorn: socket activation; uWSGI: fd://3).
 */
#include "bench/rival_families.h"

#include <signal.h>
#include <stdio.h>

#include "bench/rival_stint.h"

/* Under stint the application says by itself that it is there: a line on descriptor 5. */
static int
write_application(const struct bout *b, struct error *reterr)
{
    int r = bout_generation(b, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(b, "hello.py", reterr,
                      "import os\n"
                      "with open('%s/generation') as f:\n"
                      "    generation = f.read().strip()\n"
                      "body = ('hello from generation %%s\\n' %% generation).encode()\n"
                      "headers = [('Content-Type', 'text/plain'),\n"
                      "           ('Content-Length', str(len(body))),\n"
                      "           ('X-Stint-Generation', generation)]\n"
                      "def application(environ, start_response):\n"
                      "    start_response('200 OK', headers)\n"
                      "    return [body]\n"
                      "if 'READY_FD' in os.environ:\n"
                      "    try:\n"
                      "        os.write(int(os.environ['READY_FD']), b'\\n')\n"
                      "    except OSError:\n"
                      "        pass # a sibling has said it before\n",
                      b->dir);
}

#define READY_BY_FD .ready = "{fd: 5}", .environment = "READY_FD: '5'", .workers = 1

/*
 * ---- gunicorn: HUP ("Signal Handling": reload the configuration, start the new worker processes with
 * a new configuration and gracefully shutdown older workers); without preload_app, so that the
 * application is loaded anew. `gthread` keeps connections alive, `sync` is the default and does not.
 */

#define GTHREAD "--worker-class=gthread", "--threads=16", "--keep-alive=75"

static pid_t
gunicorn_start(const struct bout *b, struct error *reterr)
{
    char bind[40];
    const char *const argv[] = {"gunicorn", bind,    "--workers=2", "--backlog=1024",
                                GTHREAD,    "hello", NULL};

    (void)snprintf(bind, sizeof(bind), "--bind=127.0.0.1:%u", b->port);
    return bout_child(b, argv, reterr);
}

static pid_t
gunicorn_sync_start(const struct bout *b, struct error *reterr)
{
    char bind[40];
    const char *const argv[] = {"gunicorn", bind, "--workers=2", "--backlog=1024", "hello", NULL};

    (void)snprintf(bind, sizeof(bind), "--bind=127.0.0.1:%u", b->port);
    return bout_child(b, argv, reterr);
}

static int
hang_up(const struct bout *b, struct error *reterr)
{
    return bout_signal(b, b->pid, SIGHUP, reterr);
}

const struct rival rival_gunicorn = {
    .name = "gunicorn",
    .serves = "gunicorn, keep-alive (gthread)",
    .how = "HUP",
    .needs = {"gunicorn"},
    .configure = write_application,
    .start = gunicorn_start,
    .reload = hang_up,
    .stop_signal = SIGTERM,
    .modest = true,
};

const struct rival rival_gunicorn_sync = {
    .name = "gunicorn-sync",
    .serves = "gunicorn, one request a connection (sync)",
    .how = "HUP",
    .needs = {"gunicorn"},
    .configure = write_application,
    .start = gunicorn_sync_start,
    .reload = hang_up,
    .stop_signal = SIGTERM,
    .modest = true,
};

static int
stint_gunicorn_configure(const struct bout *b, struct error *reterr)
{
    static const struct stint_service service = {
        .command = "[gunicorn, --workers=2, --worker-class=gthread, --threads=16, "
                   "--keep-alive=75, hello]",
        READY_BY_FD};
    int r = write_application(b, reterr);

    return r < 0 ? r : stint_service(b, &service, reterr);
}

static int
stint_gunicorn_sync_configure(const struct bout *b, struct error *reterr)
{
    static const struct stint_service service = {.command = "[gunicorn, --workers=2, hello]",
                                                 READY_BY_FD};
    int r = write_application(b, reterr);

    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_gunicorn = {
    .name = "stint+gunicorn",
    .serves = "gunicorn, keep-alive (gthread)",
    .needs = {"gunicorn"},
    .configure = stint_gunicorn_configure,
    .modest = true,
    STINT_RIVAL,
};

const struct rival rival_stint_gunicorn_sync = {
    .name = "stint+gunicorn-sync",
    .serves = "gunicorn, one request a connection (sync)",
    .needs = {"gunicorn"},
    .configure = stint_gunicorn_sync_configure,
    .modest = true,
    STINT_RIVAL,
};

/*
 * ---- uWSGI: "The Art of Graceful Reloading" ----
 *
 * Chain reloading (lazy-apps, touch-chain-reload or 'c' into the master's FIFO) replaces one worker at
 * a time; HUP is the graceful reload, which waits for all and then executes uWSGI anew. Its listen
 * queue is 100 long unless it is told otherwise, and requests fall off it while none accepts.
 */

#define UWSGI_PLUGIN   "/usr/lib/uwsgi/plugins/python3_plugin.so"
#define UWSGI_INTERVAL INT64_C(3000000) /* each worker of a chain takes a second */

static int
uwsgi_write(const struct bout *b, const char *socket, const char *more, struct error *reterr)
{
    int r = write_application(b, reterr);

    if (r < 0 || b->generation > 1)
        return r;
    return bout_write(b, "uwsgi.ini", reterr,
                      "[uwsgi]\n"
                      "plugin = python3\n"
                      "http-socket = %1$s\n"
                      "listen = 1024\n"
                      "master = true\n"
                      "processes = 2\n"
                      "lazy-apps = true\n"
                      "need-app = true\n"
                      "wsgi-file = %2$s/hello.py\n"
                      "add-header = Connection: close\n"
                      "disable-logging = true\n"
                      "%3$s",
                      socket, b->dir, more);
}

static int
uwsgi_configure(const struct bout *b, struct error *reterr)
{
    char socket[32], fifo[PATH_MAX + 32];

    (void)snprintf(socket, sizeof(socket), "127.0.0.1:%u", b->port);
    (void)snprintf(fifo, sizeof(fifo), "master-fifo = %s/fifo\ndie-on-term = true\n", b->dir);
    return uwsgi_write(b, socket, fifo, reterr);
}

static pid_t
uwsgi_start(const struct bout *b, struct error *reterr)
{
    static const char *const argv[] = {"uwsgi", "uwsgi.ini", NULL};

    return bout_child(b, argv, reterr);
}

static int
uwsgi_chain(const struct bout *b, struct error *reterr)
{
    return bout_say(b, "fifo", "c", reterr);
}

const struct rival rival_uwsgi = {
    .name = "uwsgi-chain",
    .serves = "uWSGI, one request a connection",
    .how = "chain reload, by FIFO",
    .needs = {"uwsgi", UWSGI_PLUGIN},
    .configure = uwsgi_configure,
    .start = uwsgi_start,
    .reload = uwsgi_chain,
    .interval_us = UWSGI_INTERVAL,
    .stop_signal = SIGTERM,
    .modest = true,
};

const struct rival rival_uwsgi_hup = {
    .name = "uwsgi-hup",
    .serves = "uWSGI, one request a connection",
    .how = "HUP",
    .needs = {"uwsgi", UWSGI_PLUGIN},
    .configure = uwsgi_configure,
    .start = uwsgi_start,
    .reload = hang_up,
    .interval_us = UWSGI_INTERVAL,
    .stop_signal = SIGTERM,
    .modest = true,
};

/* TERM is a brutal reload to uWSGI; the hook is its manual's way to a graceful end. */
static int
stint_uwsgi_configure(const struct bout *b, struct error *reterr)
{
    static const struct stint_service service = {.command = "[uwsgi, uwsgi.ini]", READY_BY_FD};
    int r = uwsgi_write(b, "fd://3",
                        "hook-master-start = unix_signal:15 gracefully_kill_them_all\n", reterr);

    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_uwsgi = {
    .name = "stint+uwsgi",
    .serves = "uWSGI, one request a connection",
    .needs = {"uwsgi", UWSGI_PLUGIN},
    .configure = stint_uwsgi_configure,
    .modest = true,
    STINT_RIVAL,
};
