/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The descriptors that systemd passed at our start: LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/keeper/environ.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/systemd.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* next_name - the next of "a:b:c"; empty when there is none. Too long a one is cut, and then is no name of ours. */
static const char *
next_name(const char *names, char *buf, size_t room)
{
    size_t n = strcspn(names, ":");

    (void)snprintf(buf, room, "%.*s", (int)(n < room ? n : room - 1), names);
    return names[n] ? names + n + 1 : names + n;
}

static void
take(struct systemd *s, struct kept *kept, int fd, const char *name)
{
    struct kept_entry *e;
    bool ours = kept_begins(name, KEEPER_LISTENER_PREFIX) && kept_name_fits(name);

    if (kept_put(kept, name, fd, 0, &e) < 0) {
        keeper_log("error", "socket_dropped", 0, "msg=\"no room for a descriptor of systemd's\"");
        (void)close(fd);
        return;
    }
    if (ours && s->store_max > 0) { /* it is in the store still */
        e->mirror = MIRROR_DONE;
        s->stored++;
    }
}

void
systemd_take_sockets(struct systemd *s, struct kept *kept)
{
    int64_t pid = environ_number("LISTEN_PID", 0);
    int64_t n = environ_number("LISTEN_FDS", 0);
    const char *names = environ_get("LISTEN_FDNAMES");
    char name[KEEPER_NAME_MAX + 1], made[KEEPER_NAME_MAX];
    unsigned activated = 0;

    if (pid != getpid())
        return;
    names = names ? names : "";
    for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
        names = next_name(names, name, sizeof name);
        if (fd_cloexec(fd, 1) < 0)
            continue; /* not there: somebody miscounted */
        if (kept_begins(name, KEEPER_LISTENER_PREFIX) && kept_name_fits(name) &&
            !kept_find(kept, name)) {
            take(s, kept, fd, name);
            continue;
        }
        (void)snprintf(made, sizeof made, KEEPER_ACTIVATED_PREFIX "%u", activated++);
        take(s, kept, fd, made);
    }
}
