/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who holds the other end? Its own descriptors are looked at, then those of all processes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/capture_parts.h"
#include "supervisor/probe/capture_peers.h"

#define OTHERS_MAX  65536 /* descriptors of all other processes together */
#define HOLDERS_MAX 2     /* told by name */

static int
by_what(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;

    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return (x->readers * 2 + x->writers) - (y->readers * 2 + y->writers);
}

int
holders_init(struct holders *holders, size_t most)
{
    *holders = (struct holders){.room = most, .left = OTHERS_MAX};
    holders->of = calloc(most + 1, sizeof(*holders->of));
    return holders->of ? 0 : -ENOMEM;
}

void
holders_want(struct holders *holders, const struct wanted *wanted)
{
    if (holders->n < holders->room)
        holders->of[holders->n++] = *wanted;
}

/* settle - sorted, each once. */
static void
settle(struct holders *holders)
{
    size_t n = 0;

    qsort(holders->of, holders->n, sizeof(*holders->of), by_what);
    for (size_t i = 0; i < holders->n; i++)
        if (i == 0 || by_what(&holders->of[n - 1], &holders->of[i]) != 0)
            holders->of[n++] = holders->of[i];
    holders->n = n;
}

/* first_of - the first that is wanted of @inode, or NULL; others of it follow. */
static struct wanted *
first_of(const struct holders *holders, uint64_t inode)
{
    size_t low = inode_first(holders->of, holders->n, sizeof(*holders->of), inode);

    return low < holders->n && holders->of[low].inode == inode ? &holders->of[low] : NULL;
}

static void
holder_add(const struct capture *c, struct wanted *w, pid_t pid, int fd)
{
    size_t at = strlen(w->text);
    struct proc_stat st = {0};

    if (++w->holders > HOLDERS_MAX)
        return;
    if (pid == c->req->pid) {
        (void)snprintf(w->text + at, sizeof(w->text) - at, "%sthis process, fd %d",
                       at > 0 ? "; " : "", fd);
        return;
    }
    (void)proc_stat_read(pid, &st);
    plain_text(st.comm);
    (void)snprintf(w->text + at, sizeof(w->text) - at, "%spid %d (%.15s), fd %d",
                   at > 0 ? "; " : "", (int)pid, st.comm, fd);
}

/* held - @end is held by @pid: whoever looks for it is told. */
static void
held(const struct capture *c, struct holders *holders, pid_t pid, const struct end *end)
{
    struct wanted *w = first_of(holders, end->inode);

    for (; w && w < holders->of + holders->n && w->inode == end->inode; w++)
        if ((w->readers && end->reads) || (w->writers && end->writes))
            holder_add(c, w, pid, end->fd);
}

static void
holders_of(struct capture *c, struct holders *holders, const char *pid)
{
    auto_dir DIR *d = fds_open(pid);

    if (!d) {
        holders->refused |= errno == EACCES || errno == EPERM;
        return;
    }
    for (struct dirent *e;
         holders->left > 0 && !capture_late(c) &&
         (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        struct end end;

        if (e->d_name[0] == '.')
            continue;
        holders->left--;
        if (!end_read(dirfd(d), e->d_name, &end) || !first_of(holders, end.inode))
            continue;
        end_mode(dirfd(d), e->d_name, &end);
        held(c, holders, (pid_t)strtol(pid, NULL, 10), &end);
    }
}

void
holders_find(struct capture *c, const struct ends *ends, struct holders *holders)
{
    if (holders->n == 0)
        return;
    settle(holders);
    for (size_t i = 0; i < ends->n; i++) /* its own first */
        held(c, holders, c->req->pid, &ends->of[i]);
    auto_dir DIR *d = opendir("/proc");

    if (!d)
        return;
    for (struct dirent *e;
         holders->left > 0 && !capture_late(c) &&
         (e = readdir(d));) { /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        long pid = strtol(e->d_name, NULL, 10);

        if (pid > 0 && pid != c->req->pid)
            holders_of(c, holders, e->d_name);
    }
}

void
holders_tell(const struct capture *c, const struct holders *holders, const struct wanted *wanted,
             char *buf, size_t room)
{
    const struct wanted *w =
        bsearch(wanted, holders->of, holders->n, sizeof(*holders->of), by_what);

    if (!w)
        return;
    if (w->holders > HOLDERS_MAX)
        (void)snprintf(buf, room, "%.100s and %u more", w->text, w->holders - HOLDERS_MAX);
    else if (w->holders > 0)
        (void)snprintf(buf, room, "%s", w->text);
    else if (!c->late && holders->left > 0) /* else they were not all asked */
        (void)snprintf(buf, room, "%s", holders->refused ? "nobody that may be seen" : "nobody");
}
