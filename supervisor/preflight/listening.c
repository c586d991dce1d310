/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/listening.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

#define TABLE_BYTES  (8U << 20)
#define STATE_LISTEN 0x0a

static int
by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The inodes of the sockets that @pid holds, ascending. Return: how many, or negative errno. */
static ssize_t
sockets_of(pid_t pid, uint64_t **ret)
{
    char path[64];
    uint64_t *all = NULL;
    size_t n = 0, room = 0;
    struct dirent *e;
    DIR *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    d = opendir(path);
    if (!d)
        return -errno;
    while ((e = readdir(d)) != NULL) {
        char target[64];
        ssize_t bytes = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
        uint64_t inode;

        if (bytes <= 0)
            continue;
        target[bytes] = '\0';
        if (strncmp(target, "socket:[", 8) != 0)
            continue;
        inode = strtoull(target + 8, NULL, 10);
        if (n == room) {
            uint64_t *bigger = realloc(all, (room = room ? room * 2 : 64) * sizeof(*bigger));

            if (!bigger)
                break;
            all = bigger;
        }
        all[n++] = inode;
    }
    (void)closedir(d);
    if (n > 0)
        qsort(all, n, sizeof(*all), by_number);
    *ret = all;
    return (ssize_t)n;
}

/* ---- one line of /proc/PID/net/tcp ------------------------------------------------------------- */

static void
set_v4(struct listening *l, uint32_t host, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&l->to;
    char text[INET_ADDRSTRLEN];

    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    in->sin_addr.s_addr = host; /* as the kernel prints it: the bytes in memory */
    (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
    (void)snprintf(l->address, sizeof(l->address), "tcp://%s:%u", text, port);
    l->is_public = (ntohl(host) >> 24) != 127;
    if (host == htonl(INADDR_ANY))
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->to_bytes = sizeof(*in);
}

static void
set_v6(struct listening *l, const uint32_t host[4], uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&l->to;
    char text[INET6_ADDRSTRLEN];

    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, host, sizeof(in6->sin6_addr));
    (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    (void)snprintf(l->address, sizeof(l->address), "tcp://[%s]:%u", text, port);
    l->is_public = !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
        in6->sin6_addr = in6addr_loopback;
    l->to_bytes = sizeof(*in6);
}

static bool
parse_line(const char *line, struct listening *l)
{
    char host[33], port[8], state[4], inode[24];
    uint16_t number;
    uint32_t part[4] = {0};

    *l = (struct listening){0};
    if (sscanf(line,
               " %*u: %32[0-9A-Fa-f]:%7[0-9A-Fa-f] %*[0-9A-Fa-f]:%*x %3[0-9A-Fa-f] %*s %*s %*s %*u "
               "%*d %23[0-9]",
               host, port, state, inode) != 4 ||
        strtoul(state, NULL, 16) != STATE_LISTEN)
        return false;
    l->inode = strtoull(inode, NULL, 10);
    number = (uint16_t)strtoul(port, NULL, 16);
    if (strlen(host) == 8) {
        set_v4(l, (uint32_t)strtoul(host, NULL, 16), number);
        return true;
    }
    if (strlen(host) != 32)
        return false;
    for (int i = 0; i < 4; i++) {
        char word[9];

        memcpy(word, host + (size_t)i * 8, 8);
        word[8] = '\0';
        part[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    set_v6(l, part, number);
    return true;
}

/* ---- of a tree --------------------------------------------------------------------------------- */

struct find {
    struct listening *ret;
    int n;
    const uint64_t *own, *above; /* sockets of the process, and of the supervisor */
    size_t n_own, n_above;
    const char *cage;
    pid_t pid;
};

static bool
is_among(const uint64_t *all, size_t n, uint64_t inode)
{
    return n > 0 && all && bsearch(&inode, all, n, sizeof(*all), by_number) != NULL;
}

static bool
known(const struct find *f, uint64_t inode)
{
    for (int i = 0; i < f->n; i++)
        if (f->ret[i].inode == inode)
            return true;
    return false;
}

static bool
parse_any(const struct find *f, const char *name, const char *line, struct listening *l)
{
    return strcmp(name, "unix") == 0 ? listening_unix_parse(line, f->pid, f->cage, l)
                                     : parse_line(line, l);
}

static void
find_in_table(struct find *f, const char *name)
{
    auto_free char *text = NULL;
    char path[64], *line, *rest;
    struct error e;
    size_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)f->pid, name);
    if (file_read(path, TABLE_BYTES, &text, &n, &e) < 0)
        return; /* without IPv6 there is no tcp6 */
    for (line = strtok_r(text, "\n", &rest); line && f->n < LISTENING_MOST;
         line = strtok_r(NULL, "\n", &rest)) {
        struct listening l;

        if (!parse_any(f, name, line, &l) || known(f, l.inode) ||
            !is_among(f->own, f->n_own, l.inode))
            continue;
        l.pid = f->pid;
        l.inherited = is_among(f->above, f->n_above, l.inode);
        f->ret[f->n++] = l;
    }
}

int
listening_find(const pid_t *tree, size_t n, pid_t supervisor, const char *cage,
               struct listening *ret)
{
    struct find f = {.ret = ret, .cage = cage};
    auto_free uint64_t *above = NULL;
    ssize_t count = supervisor > 0 ? sockets_of(supervisor, &above) : 0;

    if (count < 0)
        return (int)count;
    f.above = above;
    f.n_above = (size_t)count;
    for (size_t i = 0; i < n; i++) {
        auto_free uint64_t *own = NULL;

        count = sockets_of(tree[i], &own);
        if (count == -ENOENT || count == -ESRCH)
            continue; /* it ended */
        if (count < 0)
            return (int)count;
        f.own = own;
        f.n_own = (size_t)count;
        f.pid = tree[i];
        find_in_table(&f, "tcp");
        find_in_table(&f, "tcp6");
        find_in_table(&f, "unix");
    }
    return f.n;
}
