/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether what a service names is there: directory, commands, env_file, users, groups. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/load.h"
#include "config/schema.h"

enum { NAME_SERVICE_MAX = 1 << 20 };

/* A number needs no entry in a database. */
static bool
is_number(const char *name)
{
    return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0' &&
           strtoull(name, NULL, 10) < UINT32_MAX;
}

/* Return: 1 there, 0 not there, negative errno: the name service did not say. */
static int
account_known(const char *name, bool group)
{
    for (size_t room = 1024; room <= NAME_SERVICE_MAX; room *= 2) {
        auto_free char *buf = malloc(room);
        struct passwd pw, *user = NULL;
        struct group gr, *found = NULL;
        int r;

        if (!buf)
            return -ENOMEM;
        if (group)
            r = getgrnam_r(name, &gr, buf, room, &found);
        else if (is_number(name))
            r = getpwuid_r((uid_t)strtoul(name, NULL, 10), &pw, buf, room, &user);
        else
            r = getpwnam_r(name, &pw, buf, room, &user);
        if (r == 0)
            return user || found;
        /* "not found" has many names, see getpwnam(3) */
        if (r == ENOENT || r == ESRCH || r == EBADF || r == EPERM)
            return 0;
        if (r != ERANGE)
            return -r;
    }
    return -ERANGE;
}

static void
check_account(struct load *l, const struct node *at, const char *name, bool group)
{
    const char *what = group ? "group" : "user";
    int r = name && !is_number(name) ? account_known(name, group) : 1;

    if (r == 0)
        (void)finding(&l->reader, at, NULL, "there is no %s '%s'", what, name);
    else if (r < 0)
        (void)finding(&l->reader, at, NULL, "cannot look up %s '%s': %s", what, name, strerror(-r));
}

/* Who a service runs as. A user's number alone does not say the group. */
static void
check_identity(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *at = entry_node(l, e, "user");

    check_account(l, at, s->user, false);
    check_account(l, entry_node(l, e, "group"), s->group, true);
    if (s->user && !s->group && is_number(s->user) && account_known(s->user, false) == 0)
        (void)finding(&l->reader, at, NULL,
                      "user %s is in no user database, so a group has to be named with it",
                      s->user);
}

/* Return: NULL when @path can be executed, else what is wrong with it. */
static const char *
not_executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) == -1)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is not a regular file";
    return access(path, X_OK) == 0 ? NULL : "it is not executable";
}

static bool
in_search_path(const char *name, const char *search)
{
    while (*search) {
        size_t part = strcspn(search, ":");
        char path[4096];
        int n = snprintf(path, sizeof(path), "%.*s/%s", (int)part, search, name);

        if (part > 0 && n > 0 && (size_t)n < sizeof(path) && !not_executable(path))
            return true;
        search += part;
        search += *search == ':';
    }
    return false;
}

static const char *
search_path_of(const struct service_spec *s)
{
    const char *inherited = s->clean_environment ? NULL : getenv("PATH");

    for (size_t i = 0; i < s->n_environment; i++)
        if (strcmp(s->environment[i].name, "PATH") == 0)
            return s->environment[i].value;
    return inherited ? inherited : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static void
check_command(struct load *l, const struct entry *e, const struct node *at, const struct strv *argv)
{
    const struct service_spec *s = e->spec;
    auto_free char *path = NULL;
    const char *wrong;

    if (argv->n == 0)
        return;
    if (at->kind == NODE_LIST && at->n > 0)
        at = at->items[0];
    if (!strchr(argv->items[0], '/')) {
        /* env_file may set PATH too, and is read when the service starts. */
        if (!s->env_file && !in_search_path(argv->items[0], search_path_of(s)))
            (void)finding(&l->reader, at, NULL, "there is no command '%s' in PATH (%s)",
                          argv->items[0], search_path_of(s));
        return;
    }
    path = path_join(s->directory, argv->items[0]);
    if (!path) {
        (void)no_memory(&l->reader);
        return;
    }
    wrong = not_executable(path);
    if (wrong)
        (void)finding(&l->reader, at, NULL, "cannot run '%s': %s", path, wrong);
}

static void
check_listeners(struct load *l, const struct entry *e)
{
    const struct node *listen = entry_node(l, e, "listen");

    for (size_t i = 0; i < e->spec->n_listen; i++) {
        const struct listener_spec *s = &e->spec->listen[i];
        const struct node *at = node_get(listen, s->name);
        const struct node *owner = node_get(at, "owner"), *group = node_get(at, "group");

        check_account(l, owner ? owner : listen, s->owner, false);
        check_account(l, group ? group : listen, s->group, true);
    }
}

void
validate_system(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *check = entry_node(l, e, "check"), *ready = entry_node(l, e, "ready");
    const struct node *check_command_at = node_get(check, "command");
    const struct node *ready_exec = node_get(ready, "exec");
    struct stat st;

    check_identity(l, e);
    check_listeners(l, e);
    check_account(l, entry_node(l, e, "log"), s->log.owner, false);
    check_account(l, entry_node(l, e, "log"), s->log.group, true);
    if (stat(s->directory, &st) == -1) {
        (void)finding(&l->reader, entry_node(l, e, "directory"), NULL, "directory '%s': %s",
                      s->directory, strerror(errno));
        return; /* what is relative to it would only say so again */
    }
    if (!S_ISDIR(st.st_mode)) {
        (void)finding(&l->reader, entry_node(l, e, "directory"), NULL, "'%s' is not a directory",
                      s->directory);
        return;
    }
    check_command(l, e, entry_node(l, e, "command"), &s->command);
    check_command(l, e, check_command_at ? check_command_at : check, &s->check);
    for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++)
        check_command(l, e, entry_hook_node(l, e, (enum hook)h), &s->hooks[h].command);
    check_command(l, e, ready_exec ? ready_exec : ready, &s->ready.exec);
    if (s->env_file && access(s->env_file, R_OK) == -1)
        (void)finding(&l->reader, entry_node(l, e, "env_file"), NULL, "env_file '%s': %s",
                      s->env_file, strerror(errno));
}
