// SPDX-License-Identifier: GPL-2.0-or-later
/* The table's rows, and whether this machine has what they need. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/rival_families.h"

const struct rival *const rivals[] = {
    &rival_stint,
    &rival_limit,
    &rival_start_server,
    &rival_systemd_socket,
    &rival_systemd,
    &rival_supervisord_fcgi,
    &rival_supervisord,
    &rival_daemontools,
    &rival_runit,
    &rival_s6,

    &rival_stint_nginx,
    &rival_nginx,

    &rival_stint_haproxy,
    &rival_haproxy,

    &rival_stint_gunicorn,
    &rival_gunicorn,
    &rival_stint_gunicorn_sync,
    &rival_gunicorn_sync,

    &rival_stint_uwsgi,
    &rival_uwsgi,
    &rival_uwsgi_hup,

    &rival_stint_unicorn,
    &rival_unicorn,

    &rival_stint_puma,
    &rival_puma_phased,
    &rival_puma,

    &rival_stint_starman,
    &rival_starman,

    &rival_stint_node,
    &rival_pm2,
};
const size_t n_rivals = ARRAY_LEN(rivals);

const struct rival *
rival_find(const char *name)
{
    for (size_t i = 0; i < n_rivals; i++)
        if (strcmp(rivals[i]->name, name) == 0)
            return rivals[i];
    return NULL;
}

/* As exec would look for it. */
static bool
there(const char *program)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];

    if (strchr(program, '/'))
        return access(program, R_OK) == 0;
    while (path && *path != '\0') {
        size_t n = strcspn(path, ":");

        if (snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, program) < (int)sizeof(file) &&
            access(file, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

const char *
rival_lacks(const struct rival *r, const struct arena *a)
{
    for (size_t i = 0; i < ARRAY_LEN(r->needs) && r->needs[i]; i++)
        if (!there(r->needs[i]))
            return r->needs[i];
    return r->root && (geteuid() != 0 || a->uid != (uid_t)-1) ? "root" : NULL;
}
