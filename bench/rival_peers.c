// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/error.h"
#include "bench/rival.h"

static int
signal_master(const struct bout *b, int sig, const char *sig_name, struct error *reterr)
{
    char pid[16];
    const char *const argv[] = {"/bin/kill", sig_name, pid, NULL};

    if (b->arena->by_cli) {
        (void)snprintf(pid, sizeof(pid), "%d", b->pid);
        return bout_command(b, argv, reterr);
    }
    return kill(b->pid, sig) == -1 ? error_set(reterr, -errno, "signal %s", b->rival->name) : 0;
}

/* ---- The limit: the worker itself tells its generation ---- */

static int
limit_configure(const struct bout *b, struct error *reterr)
{
    return bout_web_config(b, reterr);
}

static pid_t
limit_start(const struct bout *b, struct error *reterr)
{
    char port[16];
    const char *const argv[] = {b->arena->limit, "2",        port, b->arena->web,
                                "--config",      "web.conf", NULL};

    (void)snprintf(port, sizeof(port), "%u", b->port);
    return bout_child(b, argv, reterr);
}

static int
limit_reload(const struct bout *b, struct error *reterr)
{
    return signal_master(b, SIGHUP, "-HUP", reterr);
}

const struct rival rival_limit = {
    .name = "limit-c",
    .configure = limit_configure,
    .start = limit_start,
    .reload = limit_reload,
    .stop_signal = SIGTERM,
};

/* ---- nginx: edit the configuration, then HUP (or `nginx -s reload`) ---- */

static int
nginx_configure(const struct bout *b, struct error *reterr)
{
    return bout_write(b, "nginx.conf", reterr,
                      "daemon off;\n"
                      "worker_processes 2;\n"
                      "pid %1$s/nginx.pid;\n"
                      "error_log %1$s/error.log;\n"
                      "events { worker_connections 4096; }\n"
                      "http {\n"
                      "    access_log off;\n"
                      "    client_body_temp_path %1$s/t1;\n"
                      "    proxy_temp_path %1$s/t2;\n"
                      "    fastcgi_temp_path %1$s/t3;\n"
                      "    uwsgi_temp_path %1$s/t4;\n"
                      "    scgi_temp_path %1$s/t5;\n"
                      "    keepalive_timeout 75s;\n"
                      "    keepalive_requests 1000000000;\n"
                      "    server {\n"
                      "        listen 127.0.0.1:%2$u backlog=1024;\n"
                      "        location / {\n"
                      "            default_type text/plain;\n"
                      "            add_header X-Stint-Generation %3$u;\n"
                      "            return 200 \"hello from generation %3$u\\n\";\n"
                      "        }\n"
                      "    }\n"
                      "}\n",
                      b->dir, b->port, b->generation);
}

static pid_t
nginx_start(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX + 16];
    char early[PATH_MAX + 16];
    const char *const argv[] = {b->arena->nginx, "-p", b->dir, "-e", early, "-c", conf, NULL};

    (void)snprintf(conf, sizeof(conf), "%s/nginx.conf", b->dir);
    (void)snprintf(early, sizeof(early), "%s/error.log", b->dir);
    return bout_child(b, argv, reterr);
}

static int
nginx_reload(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX + 16];
    char early[PATH_MAX + 16];
    const char *const argv[] = {b->arena->nginx, "-p", b->dir, "-e", early, "-c", conf, "-s",
                                "reload",        NULL};

    if (!b->arena->by_cli)
        return signal_master(b, SIGHUP, "-HUP", reterr);
    (void)snprintf(conf, sizeof(conf), "%s/nginx.conf", b->dir);
    (void)snprintf(early, sizeof(early), "%s/error.log", b->dir);
    return bout_command(b, argv, reterr);
}

const struct rival rival_nginx = {
    .name = "nginx-hup",
    .configure = nginx_configure,
    .start = nginx_start,
    .reload = nginx_reload,
    .stop_signal = SIGTERM,
};

/* ---- HAProxy: master-worker, edit the configuration, then USR2 ---- */

static int
haproxy_configure(const struct bout *b, struct error *reterr)
{
    return bout_write(b, "haproxy.cfg", reterr,
                      "global\n"
                      "    nbthread 2\n"
                      "    maxconn 4096\n"
                      "defaults\n"
                      "    mode http\n"
                      "    timeout connect 5s\n"
                      "    timeout client 75s\n"
                      "    timeout server 75s\n"
                      "    timeout http-keep-alive 75s\n"
                      "frontend web\n"
                      "    bind 127.0.0.1:%1$u backlog 1024\n"
                      "    http-request return status 200 content-type \"text/plain\" "
                      "string \"hello from generation %2$u\\n\" "
                      "hdr X-Stint-Generation %2$u\n",
                      b->port, b->generation);
}

static pid_t
haproxy_start(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX + 16];
    const char *const argv[] = {b->arena->haproxy, "-W", "-f", conf, NULL};

    (void)snprintf(conf, sizeof(conf), "%s/haproxy.cfg", b->dir);
    return bout_child(b, argv, reterr);
}

static int
haproxy_reload(const struct bout *b, struct error *reterr)
{
    return signal_master(b, SIGUSR2, "-USR2", reterr);
}

const struct rival rival_haproxy = {
    .name = "haproxy",
    .configure = haproxy_configure,
    .start = haproxy_start,
    .reload = haproxy_reload,
    .stop_signal = SIGTERM,
};
