/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_RIVAL_FAMILIES_H
#define STINT_BENCH_RIVAL_FAMILIES_H

#include "bench/rival.h"

/* What rivals.c puts into the table, by the file it is in. */
extern const struct rival rival_start_server;                              /* rival_c.c */
extern const struct rival rival_supervisord, rival_supervisord_fcgi;       /* rival_supervisors.c */
extern const struct rival rival_s6, rival_runit, rival_daemontools;        /* the same */
extern const struct rival rival_systemd, rival_systemd_socket;             /* rival_systemd.c */
extern const struct rival rival_nginx, rival_stint_nginx;                  /* rival_proxies.c */
extern const struct rival rival_haproxy, rival_stint_haproxy;              /* the same */
extern const struct rival rival_gunicorn, rival_stint_gunicorn;            /* rival_python.c */
extern const struct rival rival_gunicorn_sync, rival_stint_gunicorn_sync;  /* the same */
extern const struct rival rival_uwsgi, rival_uwsgi_hup, rival_stint_uwsgi; /* the same */
extern const struct rival rival_unicorn, rival_stint_unicorn;              /* rival_ruby.c */
extern const struct rival rival_puma, rival_puma_phased, rival_stint_puma; /* the same */
extern const struct rival rival_pm2, rival_stint_node;                     /* rival_node.c */

extern const struct rival rival_starman, rival_stint_starman; /* rival_perl.c */

#endif
