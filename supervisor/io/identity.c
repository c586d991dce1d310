/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

#define DATABASE_BUFFER_MAX ((size_t)1024 * 1024) /* a group may have thousands of members */
#define GROUPS_MAX          65536                 /* NGROUPS_MAX of the kernel */

bool
identity_number(const char *s, uint32_t *ret)
{
    unsigned long long v;
    char *end;

    if (*s < '0' || *s > '9')
        return false;
    errno = 0;
    v = strtoull(s, &end, 10);
    if (errno != 0 || *end != '\0' || v >= UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

bool
identity_same_name(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The database functions want a buffer and say ERANGE until it is large enough. */
static int
user_find(const char *user, struct passwd *pw, char **ret_buffer, bool *ret_found)
{
    size_t room = 4096;

    for (;;) {
        auto_free char *buffer = malloc(room);
        struct passwd *found = NULL;
        uint32_t number;
        int r;

        if (!buffer)
            return -ENOMEM;
        r = identity_number(user, &number) ? getpwuid_r(number, pw, buffer, room, &found)
                                           : getpwnam_r(user, pw, buffer, room, &found);
        if (r == ERANGE && room < DATABASE_BUFFER_MAX) {
            room *= 2;
            continue;
        }
        if (r != 0 && r != ENOENT && r != ESRCH) /* these two also mean "no entry" (getpwnam(3)) */
            return -r;
        *ret_found = found != NULL;
        *ret_buffer = steal(buffer);
        return 0;
    }
}

static int
group_find(const char *group, gid_t *ret_gid, bool *ret_found)
{
    size_t room = 4096;
    uint32_t number;

    if (identity_number(group, &number)) {
        *ret_gid = number;
        *ret_found = true;
        return 0;
    }
    for (;;) {
        auto_free char *buffer = malloc(room);
        struct group gr, *found = NULL;
        int r;

        if (!buffer)
            return -ENOMEM;
        r = getgrnam_r(group, &gr, buffer, room, &found);
        if (r == ERANGE && room < DATABASE_BUFFER_MAX) {
            room *= 2;
            continue;
        }
        if (r != 0 && r != ENOENT && r != ESRCH)
            return -r;
        *ret_found = found != NULL;
        if (found)
            *ret_gid = gr.gr_gid;
        return 0;
    }
}

static int
groups_find(const char *name, gid_t gid, gid_t **ret, size_t *ret_n)
{
    int n = 32;

    for (;;) {
        auto_free gid_t *groups = calloc((size_t)n, sizeof *groups);
        int room = n;

        if (!groups)
            return -ENOMEM;
        if (getgrouplist(name, gid, groups, &n) >= 0) {
            *ret = steal(groups);
            *ret_n = (size_t)n;
            return 0;
        }
        if (n <= room) /* it says how many it wants; do not trust it to make progress */
            n = room * 2;
        if (n > GROUPS_MAX)
            return -E2BIG;
    }
}

static int
user_fill(const char *user, struct identity *id, struct error *reterr)
{
    auto_free char *buffer = NULL;
    struct passwd pw;
    uint32_t number;
    bool found = false;
    int r = user_find(user, &pw, &buffer, &found);

    if (r < 0)
        return error_set(reterr, r, "look up user '%s'", user);
    if (!found) {
        if (!identity_number(user, &number))
            return error_say(reterr, -ENOENT, "there is no user '%s'", user);
        id->uid = number;
        return 0;
    }
    id->uid = pw.pw_uid;
    id->gid = pw.pw_gid;
    id->name = strdup(pw.pw_name);
    id->home = strdup(pw.pw_dir);
    id->shell = strdup(pw.pw_shell && *pw.pw_shell ? pw.pw_shell : "/bin/sh");
    if (!id->name || !id->home || !id->shell)
        return error_set(reterr, -ENOMEM, "look up user '%s'", user);
    return 0;
}

static int
groups_fill(struct identity *id, struct error *reterr)
{
    int r;

    if (id->name) {
        r = groups_find(id->name, id->gid, &id->groups, &id->n_groups);
        return r < 0 ? error_set(reterr, r, "look up the groups of '%s'", id->name) : 0;
    }
    id->groups = calloc(1, sizeof *id->groups);
    if (!id->groups)
        return error_set(reterr, -ENOMEM, "look up groups");
    id->groups[0] = id->gid;
    id->n_groups = 1;
    return 0;
}

int
identity_resolve(const char *user, const char *group, struct identity *ret, struct error *reterr)
{
    __attribute__((cleanup(identity_finish))) struct identity id = IDENTITY_KEEP;
    bool found = false;
    int r = 0;

    if (user)
        r = user_fill(user, &id, reterr);
    if (r < 0)
        return r;
    if (group) {
        r = group_find(group, &id.gid, &found);
        if (r < 0)
            return error_set(reterr, r, "look up group '%s'", group);
        if (!found)
            return error_say(reterr, -ENOENT, "there is no group '%s'", group);
    }
    if (id.uid != IDENTITY_KEEP_UID) {
        if (id.gid == IDENTITY_KEEP_GID)
            return error_say(reterr, -ENOENT,
                             "user %s is in no user database, so a group has to be named with it",
                             user);
        r = groups_fill(&id, reterr);
        if (r < 0)
            return r;
    }
    *ret = id;
    id = (struct identity)IDENTITY_KEEP;
    return 0;
}

void
identity_finish(struct identity *id)
{
    free(id->groups);
    free(id->name);
    free(id->home);
    free(id->shell);
    *id = (struct identity)IDENTITY_KEEP;
}
