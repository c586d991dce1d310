/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix sockets that a program opened by itself: who may connect is told by the mode of the file and by
 * the directories above it; an abstract one has neither.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/plain.h"
#include "supervisor/preflight/listening.h"

#define ACCEPTS 0x10000 /* __SO_ACCEPTCON: of a socket that listens */

/* Does @pid see the same files under the same names? */
static bool
same_files(pid_t pid)
{
    char path[64], root[8] = "";
    struct stat own, its;

    (void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
    if (readlink(path, root, sizeof(root) - 1) < 0)
        return true; /* it may not be seen: then ours are the best guess */
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
    return strcmp(root, "/") == 0 && (stat("/proc/self/ns/mnt", &own) == -1 ||
                                      stat(path, &its) == -1 || own.st_ino == its.st_ino);
}

/* The path of what @pid calls @path: neither its root nor its mounts need be ours. */
static void
seen_from_here(pid_t pid, const char *path, char *buf, size_t room)
{
    if (same_files(pid))
        (void)snprintf(buf, room, "%s", path);
    else
        (void)snprintf(buf, room, "/proc/%d/root%s", (int)pid, path);
}

/* May anybody pass the directories of @path that are below its first @from bytes? */
static bool
is_open_below(const char *path, size_t from)
{
    char part[PATH_ROOM];
    struct stat st;

    for (const char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path + 1), path);
        if (stat(part, &st) == 0 && !(st.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

enum listening_reach
listening_reach_of(const char *path, size_t from, mode_t *ret_mode)
{
    struct stat st;

    if (stat(path, &st) == -1 || !S_ISSOCK(st.st_mode))
        return REACH_NOBODY; /* it was removed, or replaced: nobody finds the way */
    *ret_mode = st.st_mode & 07777;
    if (st.st_mode & S_IWOTH && is_open_below(path, from))
        return REACH_ANYBODY;
    return st.st_mode & S_IWGRP ? REACH_GROUP : REACH_OWNER;
}

static void
set_way(struct listening *l, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&l->to;

    if (strlen(path) >= sizeof(un->sun_path))
        return; /* from here it is longer than an address: it is judged, and not asked */
    un->sun_family = AF_UNIX;
    (void)stpcpy(un->sun_path, path);
    l->to_bytes = sizeof(*un);
}

static void
set_abstract(struct listening *l, const char *name)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&l->to;
    size_t n = strlen(name);

    l->reach = REACH_ANYBODY;
    l->is_abstract = true;
    if (n >= sizeof(un->sun_path))
        return;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + 1, name, n);
    l->to_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

static void
set_path(struct listening *l, const char *name, const char *cage)
{
    char whole[PATH_ROOM] = "", here[PATH_ROOM];
    size_t n = cage ? strlen(cage) : 0, from = 0;

    if (name[0] != '/') { /* bound from within a directory: that of now, mostly */
        char cwd[64];
        ssize_t bytes;

        (void)snprintf(cwd, sizeof(cwd), "/proc/%d/cwd", (int)l->pid);
        bytes = readlink(cwd, whole, sizeof(whole) - 1);
        whole[bytes > 0 ? bytes : 0] = '\0';
        (void)strncat(whole, "/", sizeof(whole) - strlen(whole) - 1);
    }
    (void)strncat(whole, name, sizeof(whole) - strlen(whole) - 1);
    seen_from_here(l->pid, whole, here, sizeof(here));
    /* A cage is closed to others as no directory of production is: what is above counts as open. */
    if (n > 0 && strncmp(whole, cage, n) == 0 && whole[n] == '/')
        from = strlen(here) - strlen(whole) + n + 1;
    l->reach = listening_reach_of(here, from, &l->mode);
    set_way(l, here);
    (void)snprintf(l->address, sizeof(l->address), "unix:%s", whole);
}

bool
listening_unix_parse(const char *line, pid_t pid, const char *cage, struct listening *l)
{
    char flags[9], type[5], inode[21], name[128] = "";
    int at = 0;

    *l = (struct listening){.pid = pid, .is_unix = true};
    if (sscanf(line, " %*[0-9a-fA-F]: %*s %*s %8s %4s %*s %20[0-9]%n", flags, type, inode, &at) !=
            3 ||
        !(strtoul(flags, NULL, 16) & ACCEPTS))
        return false;
    l->inode = strtoull(inode, NULL, 10);
    l->is_stream = strtoul(type, NULL, 16) == SOCK_STREAM;
    if (line[at] == ' ')
        (void)snprintf(name, sizeof(name), "%s", line + at + 1);
    (void)snprintf(l->address, sizeof(l->address), "unix:%s", name);
    if (name[0] == '@')
        set_abstract(l, name + 1);
    else if (name[0])
        set_path(l, name, cage);
    plain_text(l->address);
    return name[0] != '\0';
}
