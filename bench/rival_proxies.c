// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nginx and HAProxy, by themselves as their manuals say, and with stint for their master: the listener
 * is inherited (nginx: $NGINX, as its own upgrade does it; HAProxy: fd@3), each generation reads the
 * configuration anew, and the old one gets its signal for a graceful end.
 */
#include "bench/rival_families.h"

#include <signal.h>
#include <stdio.h>

#include "bench/rival_stint.h"

/* ---- nginx: edit the configuration, then HUP ("Controlling nginx"), or `nginx -s reload` ---- */

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
    char conf[PATH_MAX];
    char early[PATH_MAX];
    const char *const argv[] = {"nginx", "-p", b->dir, "-e", early, "-c", conf, NULL};

    (void)bout_path(b, "nginx.conf", conf);
    (void)bout_path(b, "error.log", early);
    return bout_child(b, argv, reterr);
}

static int
nginx_reload(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX];
    char early[PATH_MAX];
    const char *const argv[] = {"nginx", "-p", b->dir, "-e",     early,
                                "-c",    conf, "-s",   "reload", NULL};

    if (!b->arena->by_cli)
        return bout_signal(b, b->pid, SIGHUP, reterr);
    (void)bout_path(b, "nginx.conf", conf);
    (void)bout_path(b, "error.log", early);
    return bout_command(b, argv, reterr);
}

const struct rival rival_nginx = {
    .name = "nginx-hup",
    .serves = "nginx",
    .how = "HUP",
    .needs = {"nginx"},
    .configure = nginx_configure,
    .start = nginx_start,
    .reload = nginx_reload,
    .stop_signal = SIGTERM,
    .measured_twice = true,
};

static int
stint_nginx_configure(const struct bout *b, struct error *reterr)
{
    char command[3 * PATH_MAX];
    const struct stint_service service = {.command = command,
                                          .ready = "{file: nginx.pid}",
                                          .drain_signal = "QUIT",
                                          .environment = "NGINX: '3;'",
                                          .workers = 1,
                                          .nonblocking = true};
    int r = nginx_configure(b, reterr);

    (void)snprintf(command, sizeof(command), "[nginx, -p, %1$s, -e, error.log, -c, nginx.conf]",
                   b->dir);
    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_nginx = {
    .name = "stint+nginx",
    .serves = "nginx",
    .needs = {"nginx"},
    .configure = stint_nginx_configure,
    STINT_RIVAL,
};

/* ---- HAProxy: master-worker, edit the configuration, then USR2 to the master (management.txt) ---- */

static int
haproxy_write(const struct bout *b, const char *address, struct error *reterr)
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
                      "    bind %1$s\n"
                      "    http-request return status 200 content-type \"text/plain\" "
                      "string \"hello from generation %2$u\\n\" "
                      "hdr X-Stint-Generation %2$u\n",
                      address, b->generation);
}

static int
haproxy_configure(const struct bout *b, struct error *reterr)
{
    char address[48];

    (void)snprintf(address, sizeof(address), "127.0.0.1:%u backlog 1024", b->port);
    return haproxy_write(b, address, reterr);
}

static pid_t
haproxy_start(const struct bout *b, struct error *reterr)
{
    char conf[PATH_MAX];
    const char *const argv[] = {"haproxy", "-W", "-f", bout_path(b, "haproxy.cfg", conf), NULL};

    return bout_child(b, argv, reterr);
}

static int
haproxy_reload(const struct bout *b, struct error *reterr)
{
    return bout_signal(b, b->pid, SIGUSR2, reterr);
}

const struct rival rival_haproxy = {
    .name = "haproxy",
    .serves = "HAProxy",
    .how = "USR2",
    .needs = {"haproxy"},
    .configure = haproxy_configure,
    .start = haproxy_start,
    .reload = haproxy_reload,
    .stop_signal = SIGTERM,
    .measured_twice = true,
};

static int
stint_haproxy_configure(const struct bout *b, struct error *reterr)
{
    static const struct stint_service service = {.command = "[haproxy, -Ws, -f, haproxy.cfg]",
                                                 .ready = "notify",
                                                 .drain_signal = "USR1",
                                                 .workers = 1};
    int r = haproxy_write(b, "fd@3", reterr);

    return r < 0 ? r : stint_service(b, &service, reterr);
}

const struct rival rival_stint_haproxy = {
    .name = "stint+haproxy",
    .serves = "HAProxy",
    .needs = {"haproxy"},
    .configure = stint_haproxy_configure,
    STINT_RIVAL,
};
