/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/held.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "supervisor/io/master_state.h"

#define FDS_MAX 65536

void
held_of(const struct snapshot *snap, struct held ret[HELD_MAX])
{
    struct stat st;

    memset(ret, 0, HELD_MAX * sizeof(*ret));
    for (size_t i = 0; snap && i < snap->n_listeners && i < HELD_MAX; i++) {
        if (fstat(snap->listeners[i]->fd, &st) == -1)
            break;
        ret[i].inode = (uint64_t)st.st_ino;
        (void)snprintf(ret[i].name, sizeof(ret[i].name), "listener %s", snap->spec->listen[i].name);
    }
}

static uint64_t
socket_of(const char *link)
{
    return strncmp(link, "socket:[", 8) == 0 ? strtoull(link + 8, NULL, 10) : 0;
}

/* One by one: a directory of descriptors may be large, and ours have small numbers. */
void
held_tell(const struct held held[HELD_MAX], pid_t pid, int misses, struct text *out)
{
    char path[64], link[64];
    int missed = 0;

    for (int fd = 0; held[0].inode && fd < FDS_MAX && missed < misses; fd++) {
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
        n = readlink(path, link, sizeof(link) - 1);
        if (n == -1 && errno != ENOENT)
            return; /* not permitted */
        missed = n == -1 ? missed + 1 : 0;
        link[n > 0 ? n : 0] = '\0';
        for (size_t i = 0; n > 0 && i < HELD_MAX && held[i].inode; i++)
            if (held[i].inode == socket_of(link))
                text_addf(out, "%s%s still held by pid %d, fd %d", out->bytes > 0 ? ", " : "",
                          held[i].name, (int)pid, fd);
    }
}
